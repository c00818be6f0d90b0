"""New files: equal bytes for equal manifests, and decoding returns the same manifest."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from contract.manifest import Manifest, decode, from_fields, render, to_fields
from contract.manifest_values import format_duration, format_size, parse_duration, parse_size
from contract.manifest_write import emit
from contract.yaml_nodes import load, to_plain
from tests.contract.manifests import SMALL, errors, full

BODY: dict[str, Any] = {"name": "a", "namespace": "production", "schedule": "@daily", "command": "/bin/true"}


def test_rendering_is_the_inverse_of_decoding() -> None:
    job = full().manifest
    assert job is not None
    again = decode(render(job), job.path, "acme")
    assert errors(again) == ""
    assert again.manifest == job
    assert again.manifest is not None
    assert render(again.manifest) == render(job)


def test_a_small_job_is_a_small_file() -> None:
    job = decode(SMALL, "production/a.yaml", "acme").manifest
    assert job is not None
    assert render(job).decode() == (
        'apiVersion: v1\nkind: Job\nmetadata:\n  name: a\nspec:\n  schedule: "0 2 * * *"\n  command: /bin/true\n'
    )


def test_the_fields_of_a_job_are_json_and_make_the_same_job_again() -> None:
    job = full().manifest
    assert job is not None
    fields = json.loads(json.dumps(to_fields(job)))
    assert fields["checkin"]["maxRuntime"] == "1h30m"
    assert fields["agent"] == {
        "selector": {"hostname": "db01", "role": ["db", "replica"]},
        "endpoints": ["db01", "db02"],
    }
    assert "shell" in fields
    assert "paused" not in fields
    data, decoded = from_fields(fields, tenant="acme", given_id=job.id)
    assert decoded.manifest is not None
    assert data == render(job)
    assert to_fields(decoded.manifest) == to_fields(job)


def test_an_agentless_job_keeps_its_empty_list() -> None:
    data, decoded = from_fields({**BODY, "agent": {"endpoints": []}}, tenant="acme")
    assert decoded.manifest is not None
    assert decoded.manifest.agent.endpoints == ()
    assert b"endpoints: []" in data
    assert to_fields(decoded.manifest)["agent"] == {"endpoints": []}


def test_a_given_id_is_written_and_kept() -> None:
    identity = "11111111-2222-4333-8444-555555555555"
    data, decoded = from_fields(BODY, tenant="acme", given_id=identity)
    assert f"  id: {identity}\n".encode() in data
    assert decoded.manifest is not None
    assert (decoded.manifest.id, decoded.manifest.id_given) == (identity, True)


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"shedule": "x"}, "spec.shedule", "did you mean `schedule`?"),
        ({"schedule": "0 25 * * *"}, "spec.schedule", '"25" is not an hour'),
        ({"checkin": {"maxRuntime": "soon"}}, "spec.checkin.maxRuntime", "is not a duration"),
        ({"checkin": "yes"}, "spec.checkin", "must be a map"),
        ({"labels": ["a"]}, "metadata.labels", "must be a map"),
        ({"name": "A b"}, "metadata.name", "is not a valid name"),
        ({"name": "../../x"}, "metadata.name", "is not a valid name"),
        ({"name": 5}, "metadata.name", "must be text"),
        ({"name": None}, "metadata.name", "is missing"),
        ({"namespace": "../x"}, "namespace", "is not a valid name"),
        ({"namespace": "a/b"}, "namespace", "is not a valid name"),
        ({"namespace": ["a"]}, "namespace", "is not a valid name"),
        ({"namespace": None}, "namespace", "is missing"),
        ({"nice": float("nan")}, "spec.nice", "must be an integer"),
        ({"nice": 10**400}, "spec.nice", "must be an integer"),
        ({"enabled": "true"}, "spec.enabled", "must be true or false"),
        ({"command": "a\x00b"}, "spec.command", "control character"),
        ({"tenant": "globex"}, "metadata.tenant", "the repository's tenant is 'acme'"),
    ],
)
def test_a_forms_error_names_its_field(change: dict[str, Any], field: str, message: str) -> None:
    _, decoded = from_fields({**BODY, **change}, tenant="acme")
    assert decoded.manifest is None
    assert [(problem.field, message in problem.message) for problem in decoded.errors] == [(field, True)]


def test_half_a_surrogate_and_endless_nesting_are_errors() -> None:
    nested: Any = []
    for _ in range(500):
        nested = [nested]
    for body in ({**BODY, "command": "\ud800"}, {**BODY, "args": nested}, {**BODY, "x\ud800": 1}):
        _, decoded = from_fields(body, tenant="acme")
        assert decoded.manifest is None
        assert decoded.errors


def test_null_means_not_given() -> None:
    _, decoded = from_fields({**BODY, "timezone": None, "env": None}, tenant="acme")
    assert decoded.errors == ()


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
TRICKY = st.sampled_from(
    "yes No null ~ 1e3 0x1f # *x &x !x % @a ` 12:30 2026-11-23 ' \" \\ {a} [a] a,b = << 1d".split()
) | st.sampled_from(["- a", "a: b", "a #b", "a\nb", " a", "a ", "\x85", "\u2028", "\ufeff"])
DATA = st.dictionaries(
    TEXTS | TRICKY,
    st.recursive(
        TEXTS | TRICKY | st.booleans() | st.none() | st.integers(-(10**12), 10**12),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS | TRICKY, inner, max_size=3),
        max_leaves=12,
    ),
    min_size=1,
    max_size=4,
)


@given(DATA)
def test_what_is_written_is_read_back_by_us_and_by_any_yaml_reader(data: dict[str, Any]) -> None:
    text = emit(data)
    document = load(text)
    if "<<" not in str(data):
        assert document.faults == ()
        assert document.root is not None
        assert to_plain(document.root) == data
    assert yaml.safe_load(text.decode()) == data


@given(TEXTS | TRICKY, st.lists(TEXTS | TRICKY, max_size=4))
def test_a_command_arrives_byte_for_byte_or_is_refused(command: str, args: list[str]) -> None:
    data, decoded = from_fields({**BODY, "command": command, "args": args}, tenant="acme")
    if decoded.manifest is None:
        assert decoded.errors
        return
    assert (decoded.manifest.command, decoded.manifest.args) == (command, tuple(args))
    assert render(decoded.manifest) == data or not args


@given(st.dictionaries(st.text(max_size=12), st.one_of(DATA, TEXTS, st.integers(), st.none()), max_size=5))
def test_no_body_raises(body: dict[str, Any]) -> None:
    data, decoded = from_fields({**BODY, **body}, tenant="acme")
    assert isinstance(data, bytes)
    assert (decoded.manifest is None) == bool(decoded.errors)


@given(st.integers(0, 4000 * 86400))
def test_durations_are_written_as_they_are_read(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


@given(st.integers(0, 2**40))
def test_sizes_are_written_as_they_are_read(size: int) -> None:
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize("text", ["", "5", "1h 30m", "h", "1m1h", "1.5h", "٣s", "-1s", "1w"])
def test_only_documented_durations_are_read(text: str) -> None:
    if text == "5":
        assert parse_duration(text) == timedelta(seconds=5)
        return
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


def test_manifests_can_be_compared_and_are_frozen() -> None:
    job = full().manifest
    assert job == full().manifest
    assert isinstance(job, Manifest)
    with pytest.raises(AttributeError):
        job.name = "x"  # pyright: ignore[reportAttributeAccessIssue] - that it is refused is the test


def test_a_namespace_may_have_63_characters_and_no_more() -> None:
    longest = from_fields({**BODY, "namespace": "n" * 63}, tenant="acme")[1]
    assert errors(longest) == ""
    assert "namespace" in errors(from_fields({**BODY, "namespace": "n" * 64}, tenant="acme")[1])


def test_a_size_may_have_20_characters_and_no_more() -> None:
    assert parse_size("4096".zfill(20)) == 4096
    with pytest.raises(ValueError, match="is not a size"):
        parse_size("4096".zfill(21))


def test_lists_in_lists_are_indented_by_two_spaces_a_level() -> None:
    assert emit({"a": [["x", ["w"]], "z"]}).decode() == "a:\n  -\n    - x\n    -\n      - w\n  - z\n"
