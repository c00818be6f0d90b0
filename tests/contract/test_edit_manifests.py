"""An edit of each field, in several layouts, changes that field and no other line."""

from __future__ import annotations

import difflib
from dataclasses import fields as fields_of
from datetime import timedelta
from typing import Any

import pytest

from contract.manifest import AgentTarget, Alerts, Manifest, Retry, decode
from crontopus_app.jobs.yaml_edit import changes_of, edit

LAYOUTS = {
    "block": b"""\
# who: ops
apiVersion: v1
kind: Job
metadata:
  name: a
spec:
  schedule: "0 2 * * *"   # at night
  command: /bin/true

  # where
  agent:
    endpoints:
      - db01
      - db02   # the new one
  env:
    A: "1"
    B: two   # second
  paused: false
# end
""",
    "lists without indentation": b"""\
apiVersion: v1
kind: Job
metadata: {name: a}
spec:
    command: >-
        /bin/true
        --all
    schedule:
    - 0 2 * * *
    - '@hourly'   # too often?
    agent:
        endpoints:
        - db01
    # before env
    env:   # of the shop
        A: |
            one
            two
    paused: no-it-is-not
""".replace(b"no-it-is-not", b"false"),
    "flow": b"""\
{apiVersion: v1, kind: Job, metadata: {name: a},
 spec: {schedule: "0 2 * * *",   command: /bin/true, # the command
   env: {A: '1', B: "two"}, agent: {endpoints: [db01, db02]}, paused: false}}
""",
    "json": b"""\
{
  "apiVersion": "v1",
  "kind": "Job",
  "metadata": {"name": "a"},
  "spec": {
    "schedule": ["0 2 * * *"],
    "command": "/bin/true",
    "env": {"A": "1"},
    "agent": {"endpoints": ["db01"]},
    "paused": false
  }
}
""",
    "document marks": b"""\
%YAML 1.1
---
apiVersion: v1
kind: Job
metadata:
  name: a
spec:
  schedule: "0 2 * * *"
  command: "/bin/true"
  env: {}
  agent: {endpoints: []}
  paused: false
...
""",
    "windows": (
        b"apiVersion: v1\r\nkind: Job\r\nmetadata:\r\n  name: a\r\nspec:\r\n  schedule: '@daily'\r\n  command: /x\r\n"
    ),
}

CHANGES: dict[str, tuple[str, Any, str, Any]] = {
    "one schedule": ("schedule", "30 4 * * *", "schedule", ("30 4 * * *",)),
    "two schedules": ("schedule", ["30 4 * * *", "@weekly"], "schedule", ("30 4 * * *", "@weekly")),
    "zone": ("timezone", "Europe/Berlin", "timezone", "Europe/Berlin"),
    "quotes": ("command", """/x 'a' "b" \\ # c: d""", "command", """/x 'a' "b" \\ # c: d"""),
    "two lines": ("command", "/x\n/y", "command", "/x\n/y"),
    "arguments": ("args", ["--a b", "", "- c", "ü"], "args", ("--a b", "", "- c", "ü")),
    "environment": ("env", {"A": "2", "C": "no"}, "env", {"A": "2", "C": "no"}),
    "folder": ("workingDir", "/var/tmp", "working_dir", "/var/tmp"),
    "retry": (
        "retry",
        {"attempts": 2, "backoff": "exponential", "delay": "5s"},
        "retry",
        Retry(2, "exponential", timedelta(seconds=5)),
    ),
    "alerts": ("alerts", {"after": 3, "remind": "1h"}, "alerts", Alerts(3, None, timedelta(hours=1))),
    "endpoints": ("agent", {"endpoints": ["web01"]}, "agent", AgentTarget({}, ("web01",))),
    "selector": ("agent", {"selector": {"role": ["db", "web"]}}, "agent", AgentTarget({"role": ("db", "web")})),
    "expect": ("expect", 3, "expect", 3),
    "pause": ("paused", True, "paused", True),
    "disable": ("enabled", False, "enabled", False),
    "labels": (
        "labels",
        {"env": "production", "app.io/tier": "1"},
        "labels",
        {"env": "production", "app.io/tier": "1"},
    ),
    "owner": ("annotations", {"owner": "ops: the team"}, "annotations", {"owner": "ops: the team"}),
}


# An edit may remove comments inside the field.
OWN_COMMENTS = {
    "schedule": ("at night", "too often"),
    "agent": ("the new one",),
    "env": ("second", "of the shop"),
}


def job_of(data: bytes) -> Manifest:
    decoded = decode(data, "production/a.yaml", "acme")
    assert decoded.manifest is not None, [str(error) for error in decoded.errors]
    return decoded.manifest


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("change", CHANGES)
def test_one_field_of_the_job_changes(layout: str, change: str) -> None:
    name, value, attribute, expected = CHANGES[change]
    before = LAYOUTS[layout]
    after = edit(before, changes_of({"name": "a", "namespace": "production", name: value}))
    old, new = job_of(before), job_of(after)
    assert getattr(new, attribute) == expected
    for each in fields_of(Manifest):
        if each.name != attribute:
            assert getattr(new, each.name) == getattr(old, each.name), each.name


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("change", CHANGES)
def test_the_same_edit_again_changes_nothing(layout: str, change: str) -> None:
    name, value, _, _ = CHANGES[change]
    once = edit(LAYOUTS[layout], changes_of({name: value}))
    assert edit(once, changes_of({name: value})) == once


@pytest.mark.parametrize("layout", ["block", "lists without indentation"])
@pytest.mark.parametrize("change", CHANGES)
def test_comments_beside_other_fields_stay(layout: str, change: str) -> None:
    name, value, _, _ = CHANGES[change]
    before = LAYOUTS[layout].decode().splitlines()
    after = edit(LAYOUTS[layout], changes_of({name: value})).decode().splitlines()
    lost = [line[2:] for line in difflib.ndiff(before, after) if line.startswith("- ")]
    comments = [line for line in lost if "#" in line]
    own = {"schedule": ("at night", "too often"), "agent": ("the new one",), "env": ("second", "of the shop")}.get(
        name, ()
    )
    assert all(any(word in line for word in own) for line in comments)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["env", "agent", "paused"])
def test_a_field_that_is_cleared_is_gone(layout: str, name: str) -> None:
    after = edit(LAYOUTS[layout], changes_of({name: None}))
    assert getattr(job_of(after), name) == getattr(job_of(LAYOUTS["windows"]), name)
    assert f"{name}:".encode() not in after
    assert f'"{name}"'.encode() not in after


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_identity_is_written_once(layout: str) -> None:
    identity = "5b0c7c9e-6c2b-4a55-9b59-0a4b1f1b6f5e"
    after = edit(LAYOUTS[layout], {"metadata.id": identity})
    assert (job_of(after).id, job_of(after).id_given) == (identity, True)
    assert edit(after, {"metadata.id": None}) == LAYOUTS[layout]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pausing_and_resuming_gives_the_first_bytes(layout: str) -> None:
    if b"paused" not in LAYOUTS[layout]:
        assert edit(edit(LAYOUTS[layout], {"spec.paused": True}), {"spec.paused": None}) == LAYOUTS[layout]
        return
    assert edit(edit(LAYOUTS[layout], {"spec.paused": True}), {"spec.paused": False}) == LAYOUTS[layout]
