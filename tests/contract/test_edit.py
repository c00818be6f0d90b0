"""An edit changes one field and no other byte."""

from __future__ import annotations

import copy
import difflib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.manifest_write import emit
from contract.yaml_nodes import load, to_plain
from crontopus_app.jobs.yaml_edit import EditError, changes_of, edit
from tests.contract.manifests import FULL

ODD = b"""\
# top
spec:   # here
    list:
    - x   # first
    - y

    # about text
    text: |
      hi
      there

    none:
    'quoted':   'it''s'   # keep
    flow: { a: 1 ,  b: [ 1,2 ] }   # odd blanks
    map:
          deep:   1
          deeper: "2"
# bottom"""


def difference(before: bytes, after: bytes) -> list[str]:
    lines = difflib.unified_diff(before.decode().splitlines(), after.decode().splitlines(), n=0, lineterm="")
    return [line for line in lines if line[:2] not in ("--", "++", "@@")]


def value(data: bytes) -> Any:
    root = load(data).root
    assert root is not None
    return to_plain(root)


def test_no_change_no_byte() -> None:
    assert edit(FULL, {}) == FULL
    assert (
        edit(FULL, {"spec.schedule": "0 2 * * *", "metadata.labels": {"team": "platform", "env": "production"}}) == FULL
    )
    assert edit(FULL, {"spec.nothing": None, "spec.a.b.c": None}) == FULL


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"spec.schedule": "5 3 * * *"}, ['-  schedule: "0 2 * * *"', '+  schedule: "5 3 * * *"']),
        ({"spec.schedule": ["@daily"]}, ['-  schedule: "0 2 * * *"', '+  schedule: ["@daily"]']),
        (
            {"spec.checkin.maxRuntime": "2h"},
            ["-    maxRuntime: 1h30m   # it grew last year", "+    maxRuntime: 2h   # it grew last year"],
        ),
        ({"spec.paused": True}, ["-  paused: false", "+  paused: true"]),
        ({"spec.nice": None}, ["-  nice: 10"]),
        ({"spec.newField": "x"}, ["+  newField: x"]),
        ({"spec.checkin.extra": {"a": [1]}}, ["+    extra:", "+      a:", "+        - 1"]),
        (
            {"metadata.labels": {"env": "production", "tier": "1"}},
            ["-  labels: {env: production, team: platform}", '+  labels: {env: production, tier: "1"}'],
        ),
        (
            {("metadata", "labels", "app.io/x"): "z"},
            [
                "-  labels: {env: production, team: platform}",
                "+  labels: {env: production, team: platform, app.io/x: z}",
            ],
        ),
        (
            {"spec.agent.endpoints": ["db03"]},
            ["-    endpoints: [db01, db02]", "+    endpoints: [db03]"],
        ),
        ({"spec.agent.endpoints": None, "spec.agent.selector": None}, ["-  agent:"]),
    ],
)
def test_only_the_lines_of_the_field_change(changes: dict[Any, Any], expected: list[str]) -> None:
    edited = edit(FULL, changes)
    lines = difference(FULL, edited)
    assert lines[: len(expected)] == expected
    assert len(lines) == len(expected) or expected == ["-  agent:"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"spec.list": ["x", "z"]}, ["-    - x   # first", "-    - y", "+    - x", "+    - z"]),
        ({"spec.list": []}, ["-    list:", "-    - x   # first", "-    - y", "+    list: []"]),
        ({"spec.list": None}, ["-    list:", "-    - x   # first", "-    - y"]),
        ({"spec.text": "one"}, ["-    text: |", "-      hi", "-      there", "+    text: one"]),
        ({"spec.none": 1}, ["-    none:", "+    none: 1"]),
        ({"spec.quoted": "it's not"}, ["-    'quoted':   'it''s'   # keep", "+    'quoted':   'it''s not'   # keep"]),
        (
            {"spec.flow.a": None},
            ["-    flow: { a: 1 ,  b: [ 1,2 ] }   # odd blanks", "+    flow: { b: [ 1,2 ] }   # odd blanks"],
        ),
        (
            {"spec.flow.c": "d"},
            [
                "-    flow: { a: 1 ,  b: [ 1,2 ] }   # odd blanks",
                "+    flow: { a: 1 ,  b: [ 1,2 ], c: d }   # odd blanks",
            ],
        ),
        ({"spec.map.deep": 5}, ["-          deep:   1", "+          deep:   5"]),
        ({"spec.map.third": 3}, ["+          third: 3"]),
        ({"other": {"a": "b"}}, ["+other:", "+  a: b"]),
    ],
)
def test_odd_layouts_survive(changes: dict[str, Any], expected: list[str]) -> None:
    assert difference(ODD, edit(ODD, changes)) == expected


def test_windows_line_ends_and_a_byte_order_mark_stay() -> None:
    data = b"\xef\xbb\xbf" + FULL.replace(b"\n", b"\r\n")
    edited = edit(data, {"spec.checkin.extra": {"a": 1}, "spec.nice": 3})
    assert edited.startswith(b"\xef\xbb\xbf# Nightly")
    assert edited.count(b"\n") == edited.count(b"\r\n") == data.count(b"\n") + 2


def test_a_missing_final_newline_is_no_obstacle() -> None:
    assert edit(b"a: 1", {"b": 2}) == b"a: 1\nb: 2\n"
    assert edit(b"a: 1", {"a": 2}) == b"a: 2"


def test_an_edit_there_and_back_gives_the_first_bytes() -> None:
    there = edit(FULL, {"spec.paused": True, "spec.checkin.maxRuntime": "5m", "spec.retry.attempts": 1})
    assert there != FULL
    assert edit(there, {"spec.paused": False, "spec.checkin.maxRuntime": "1h30m", "spec.retry.attempts": 3}) == FULL


@pytest.mark.parametrize("data", [b"", b"- a\n", b"a: [", b"a: 1\na: 2\n", b"a: !!x y\n", b"\xff", b"just text"])
def test_what_is_no_map_is_refused(data: bytes) -> None:
    with pytest.raises(EditError, match="cannot be edited"):
        edit(data, {"a": 1})


def test_an_alias_is_never_edited_in_two_places() -> None:
    shared = b"a: &x {k: 1}\nb: *x\n"
    with pytest.raises(EditError, match="edit the YAML text"):
        edit(shared, {"b.k": 2})
    assert value(edit(shared, {"c": 1})) == {"a": {"k": 1}, "b": {"k": 1}, "c": 1}


def test_a_rest_body_becomes_changes() -> None:
    body = {"name": "a", "namespace": "b", "labels": {"x": "y"}, "schedule": "@daily", "timezone": None}
    assert changes_of(body) == {"metadata.labels": {"x": "y"}, "spec.schedule": "@daily", "spec.timezone": None}


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-999, 999),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
    st.sampled_from(["a: b", "no", "1h", "# x", "it's", 'say "x"', "a\nb\n", " x ", "*", "- a", "{", "0 2 * * *"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=6,
)
PATHS = st.sampled_from(
    "spec.list spec.text spec.none spec.quoted spec.flow spec.flow.a spec.flow.b spec.map spec.map.deep "
    "spec.map.deeper spec.new spec.map.new spec.new.newer new spec.flow.n.m".split()
)


def _expected(before: Any, path: list[str], new: Any) -> Any:
    after = copy.deepcopy(before)
    place = after
    for name in path[:-1]:
        if not isinstance(place.get(name), dict):
            place[name] = {}
        place = place[name]
    place[path[-1]] = new
    return after


@given(PATHS, VALUES)
def test_any_value_at_any_place_means_exactly_that(path: str, new: Any) -> None:
    edited = edit(ODD, {path: new})
    assert value(edited) == _expected(value(ODD), path.split("."), new)
    for kept in (b"# top", b"# here", b"# about text", b"# bottom"):
        assert kept in edited


@given(st.dictionaries(PATHS, st.none() | SCALARS, max_size=4))
def test_several_changes_at_once_come_out_or_are_refused(changes: dict[str, Any]) -> None:
    edited = edit(ODD, changes)
    assert load(edited).faults == ()
    assert edited.startswith(b"# top\nspec:   # here\n")


@given(st.dictionaries(st.sampled_from("abcdef"), VALUES, min_size=1, max_size=5), st.sampled_from("abcdef"), VALUES)
def test_files_that_we_wrote_can_be_edited(data: dict[str, Any], key: str, new: Any) -> None:
    assert value(edit(emit(data), {key: new})) == {**data, key: new}
