"""The lines that a plan shows are those that the agent would write, and it says why there are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.host import Host
from agent.render import Context, render
from contract.manifest import decode
from crontopus_app.jobs import index_rows
from crontopus_app.models import Endpoint, JobIndex
from crontopus_app.queries import plan_lines
from tests.cast import JOB_ID, NOON

PATH = "production/backup.yaml"


def row(**spec: Any) -> JobIndex:
    lines = [f"  {name}: {value}" for name, value in {"schedule": '"0 2 * * *"', "command": "x", **spec}.items()]
    head = f"apiVersion: v1\nkind: Job\nmetadata: {{id: {JOB_ID}, name: backup}}\nspec:\n"
    decoded = decode((head + "\n".join(lines)).encode(), PATH, "alice")
    assert decoded.manifest is not None, decoded.errors
    facts = {"name": "backup", "namespace": "production", **index_rows.columns_of(decoded)}
    return JobIndex(tenant_id="alice", path=PATH, blob_sha="", yaml=(head + "\n".join(lines)).encode(), **facts)


def host(zone: str = "Europe/Berlin", **facts: Any) -> Endpoint:
    made = {"id": "e1", "name": "db01", "hostname": "db01.example.org", "timezone": zone, **facts}
    return Endpoint(tenant_id="alice", machine_id="m", token_hmac="t", created_at=NOON, **made)


def line(text: str, job_id: str = JOB_ID) -> dict[str, str]:
    return {"text": text, "standing": "managed", "job_id": job_id}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"schedule": '"H 3 * * *"'},
        {"schedule": '["0 1 * * *", "0 2 * * *"]'},
        {"timezone": "America/New_York"},
        {"timezone": "Asia/Kathmandu", "schedule": '"*/20 9-17 * * 1-5"'},
        {"schedule": '"0 2 L * *"'},
        {"paused": "true"},
        {"schedule": '"@reboot"'},
    ],
)
@pytest.mark.parametrize("policy", ["debian", "busybox"])
def test_they_are_the_agents_lines(spec: dict[str, str], policy: str) -> None:
    job, machine = row(**spec), host(capabilities={"dst_policy": policy})
    runner = "/opt/state/bin/run-job"
    told, note = plan_lines.future_lines(job, machine, [line(f"0 1 * * * {runner} other", "other")], NOON)
    manifest = decode(job.yaml, PATH, "alice").manifest
    assert manifest is not None
    real = Host(machine.hostname, "linux", machine.timezone, True, "root", policy)
    context = Context("alice", machine.id, machine.name, {}, real, Path(runner), NOON)
    assert [f"{one}\n" for one in told] == render(manifest, context, "4f1c2ab").lines[1:]
    assert note == ""


def test_lines_that_are_there_are_those_of_this_job() -> None:
    crontab = [line("1 1 * * * r a", "a"), line("mine"), {"text": "mine too", "standing": "foreign", "job_id": JOB_ID}]
    assert plan_lines.current_lines(crontab, JOB_ID) == ["mine"]


def test_what_stands_in_the_way_is_told() -> None:
    assert plan_lines.future_lines(row(), host(""), [], NOON) == ([], plan_lines.WAITING)
    assert "cannot run it" in plan_lines.future_lines(row(timezone="UTC"), host("Mars/Base"), [], NOON)[1]
    lines, note = plan_lines.future_lines(row(user="backup"), host(capabilities={"user": False}), [], NOON)
    assert (lines, "not run as root" in note) == ([f"0 2 * * * run-job {JOB_ID}"], True)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"enabled": "false"}, "the job is disabled"),
        ({"agent": "{endpoints: []}"}, "can still receive check-ins"),
        ({"agent": "{endpoints: [a, b]}"}, 'no host is called "a" or "b"'),
        ({"agent": "{selector: {role: web}}"}, 'no host has the label role="web"'),
        ({"agent": "{selector: {hostname: other}}"}, 'no host has the label hostname="other"'),
        ({"agent": "{selector: {role: db, team: ops}}"}, "no host has all of the labels role, team"),
    ],
)
def test_why_no_host_takes_it(spec: dict[str, str], told: str) -> None:
    hosts = [host(labels={"role": "db"}), host(id="e2", name="db02", labels={"team": "ops"})]
    said = plan_lines.no_host_reason(row(**spec), hosts)
    assert told in said
    assert said.startswith("Runs on no host")


def test_names_of_hosts_that_are_not_there_are_told() -> None:
    assert plan_lines.unknown_names(row(agent="{endpoints: [db09, db01, a]}"), [host()]) == ["a", "db09"]
    assert plan_lines.unknown_names(row(), [host()]) == []


def test_without_a_host_the_next_step_is_told() -> None:
    assert "no host is enrolled" in plan_lines.no_host_reason(row(), [])
