"""The JSON Schema accepts and rejects the same as the decoder, except for the listed differences."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.manifest import decode, from_fields
from contract.manifest_fields import JOB
from contract.manifest_object import Object
from contract.manifest_write import document, emit
from contract.policy import decode as decode_policy
from contract.schema import policy_schema, schema
from contract.yaml_nodes import load, to_plain
from tests.contract.manifests import FIRST_CRONTOPUS, FULL, SMALL
from tests.contract.test_policy import GOOD

JOBS = jsonschema.Draft202012Validator(schema())
POLICIES = jsonschema.Draft202012Validator(policy_schema())

# A schema cannot check these: it has no text, time zones, calendar or file path.
ONLY_THE_DECODER_REFUSES = {
    "schedule: '0 25 * * *'": "the cron dialect is not a regular language",
    "schedule: '0 0 31 2 *'": "the calendar decides",
    "timezone: Mars/Olympus": "the list of zones changes twice a year",
    'command: "a\\0b"': "control characters are refused in one place for all texts",
    "env: {A: $HOME}": "what a dollar means is explained better by the decoder",
    "nice: 010": "a schema sees ten, YAML 1.1 reads eight",
    "checkin: {maxRuntime: 0}": "bounds of durations are not expressible for text",
    "checkin: {maxRuntime: 1h, timeout: 60}": "an old and a new name of one field",
    "checkin: {output: {head: 2GiB}}": "bounds of sizes are not expressible for text",
}

AGREED = [
    "schedule: 5",
    "schedule: []",
    "schedule: [a, 5]",
    "schedule: ['@daily', '@daily']",
    "shedule: '@daily'",
    "timezone: 5",
    "timezone:",
    "command: true",
    "command: ''",
    "command: [a]",
    "args: one",
    "args: [1, true, x]",
    "args: [[x]]",
    "env: {1A: b}",
    "env: {A: 1, B: true, C: x}",
    "env: {A: }",
    "env: [a]",
    "umask: 0027",
    "umask: '0027'",
    "umask: '0999'",
    "nice: 20",
    "nice: -20",
    "nice: high",
    "nice: 1.5",
    "user: 'a b'",
    "workingDir: opt",
    "workingDir: /opt",
    "concurrency: no",
    "concurrency: replace",
    "enabled: yes",
    "enabled: false",
    "enabled: 'false'",
    "expect: 0",
    "expect: 3",
    "expect: any",
    "expect: most",
    "retry: {attempts: 3, backoff: fixed, delay: 30s}",
    "retry: {attempts: -1}",
    "retry: 3",
    "retry: {}",
    "checkin: {maxRuntime: 90}",
    "checkin: {maxRuntime: '90'}",
    "checkin: {maxRuntime: 1h30m}",
    "checkin: {maxRuntime: 1w}",
    "checkin: {maxRuntime: 1.5}",
    "checkin: {finishBy: 06:00}",
    "checkin: {finishBy: '6:00'}",
    "checkin: {successExitCodes: [0, 256]}",
    "checkin: {successExitCodes: []}",
    "checkin: {output: {head: 16KiB, mail: keep}}",
    "checkin: {output: {head: 16kb}}",
    "checkin: {output: {}}",
    "checkin: {secret: x, timeout: 3600}",
    "agent: {selector: {role: [a, b], hostname: c}}",
    "agent: {selector: {role: []}}",
    "agent: {endpoints: []}",
    "agent: {endpoints: x}",
    "alerts: {after: 2, route: oncall, remind: 4h}",
    "alerts: {route: On Call}",
    "dependsOn: []",
    "retryPolicy: Never",
]


def spec(line: str) -> bytes:
    base = {"schedule": "schedule: '@daily'", "command": "command: /bin/true"}
    lines = [*(text for name, text in base.items() if name != line.split(":")[0]), line]
    head = b"apiVersion: v1\nkind: Job\nmetadata: {name: a}\nspec:\n"
    return head + "".join(f"  {text}\n" for text in lines).encode()


def accepts(data: bytes) -> bool:
    root = load(data).root
    assert root is not None
    return bool(JOBS.is_valid(to_plain(root)))


def test_both_schemas_are_valid_and_small_enough_for_editors() -> None:
    for described in (schema(), policy_schema()):
        jsonschema.Draft202012Validator.check_schema(described)
        assert len(json.dumps(described)) < 64 * 1024


@pytest.mark.parametrize("data", [FULL, SMALL, FIRST_CRONTOPUS])
def test_good_manifests_are_accepted(data: bytes) -> None:
    assert accepts(data)


@pytest.mark.parametrize("line", AGREED)
def test_decoder_and_schema_agree(line: str) -> None:
    data = spec(line)
    assert accepts(data) == (decode(data, "production/a.yaml", "acme").manifest is not None)


@pytest.mark.parametrize("line", ONLY_THE_DECODER_REFUSES)
def test_the_listed_differences_are_all_on_the_strict_side(line: str) -> None:
    data = spec(line)
    assert accepts(data)
    assert decode(data, "production/a.yaml", "acme").manifest is None


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: v2\nkind: Job\nmetadata: {name: a}\nspec: {schedule: '@daily', command: /x}",
        "apiVersion: v1\nkind: CronJob\nmetadata: {name: a}\nspec: {schedule: '@daily', command: /x}",
        "kind: Job\nmetadata: {name: a}\nspec: {schedule: '@daily', command: /x}",
        "apiVersion: v1\nkind: Job\nmetadata: {name: A}\nspec: {schedule: '@daily', command: /x}",
        "apiVersion: v1\nkind: Job\nmetadata: {}\nspec: {schedule: '@daily', command: /x}",
        "apiVersion: v1\nkind: Job\nmetadata: {name: a, id: 5}\nspec: {schedule: '@daily', command: /x}",
        "apiVersion: v1\nkind: Job\nmetadata: {name: a, labels: {-x: 1}}\nspec: {schedule: '@daily', command: /x}",
        "apiVersion: v1\nkind: Job\nmetadata: {name: a}\nspec: {}",
        "apiVersion: v1\nkind: Job\nmetadata: {name: a}",
        "apiVersion: v1\nkind: Job\nmetadata: {name: a}\nspec: {schedule: '@daily', command: /x}\nstatus: {}",
        "[]",
        "text",
    ],
)
def test_both_refuse_the_same_outlines(text: str) -> None:
    assert not accepts(text.encode())
    assert decode(text.encode(), "production/a.yaml", "acme").manifest is None


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-30, 300)
    | st.sampled_from(["a", "5m", "", "/x", "any", "0027", "UTC", "1KiB"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "A", "head", "after"]), inner, max_size=2)
    ),
    max_leaves=4,
)
NAMES = st.sampled_from([entry.name for entry in JOB.fields[3].kind.fields])  # pyright: ignore[reportAttributeAccessIssue] - SPEC is an Object


@given(st.dictionaries(NAMES, VALUES, max_size=3))
def test_what_the_schema_refuses_the_decoder_refuses(fields: dict[str, Any]) -> None:
    body = {"name": "a", "schedule": "@daily", "command": "/bin/true", **fields}
    data = emit(document(body, None))
    if not accepts(data):
        assert decode(data, "production/a.yaml", "acme").manifest is None


@given(st.dictionaries(NAMES, VALUES, max_size=3))
def test_a_forms_manifest_satisfies_the_schema(fields: dict[str, Any]) -> None:
    body = {"name": "a", "namespace": "production", "schedule": "@daily", "command": "/bin/true", **fields}
    data, decoded = from_fields(body, tenant="acme")
    if decoded.manifest is not None:
        assert accepts(data)


def test_every_field_is_described() -> None:
    def check(described: dict[str, Any], table: Object) -> None:
        assert set(described["properties"]) == {entry.name for entry in table.fields}
        for entry in table.fields:
            assert described["properties"][entry.name]["description"] == entry.doc
            assert bool(described["properties"][entry.name].get("deprecated")) == entry.legacy
            if isinstance(entry.kind, Object):
                check(described["properties"][entry.name], entry.kind)

    check(schema(), JOB)


def test_defaults_are_stated() -> None:
    checkin = schema()["properties"]["spec"]["properties"]["checkin"]["properties"]
    assert checkin["killGrace"]["default"] == "10s"
    assert checkin["output"]["properties"]["tail"]["default"] == "48KiB"


@pytest.mark.parametrize(
    "text",
    ["deflts: {}", "prune: {maxShare: 3}", "drift: heel", "silences: [{}]", "routes: {a: {}}", "defaults: {x: {y: 1}}"],
)
def test_the_policys_schema_agrees_with_its_decoder(text: str) -> None:
    root = load(text.encode()).root
    good = load(GOOD).root
    assert root is not None
    assert good is not None
    assert not POLICIES.is_valid(to_plain(root))
    assert decode_policy(text.encode()).policy is None
    assert POLICIES.is_valid(to_plain(good))
