"""A manifest's crontab lines, job file and gate."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from agent.render import Blocked, Context, Rendered, has_gaps, render
from contract.manifest import Manifest, decode
from contract.schedule import slots
from tests.agent.conftest import NOW, make_host
from tests.agent.twin import manifest

ID = "5b0c7c9e-6c2b-4a55-9b59-0a4b1f1b6f5e"


def manifest_of(spec: str = "", **fields: Any) -> Manifest:
    decoded = decode(manifest("a", id=ID, spec=spec, **fields).encode(), "production/a.yaml", "acme")
    assert decoded.manifest is not None, decoded.errors
    return decoded.manifest


def context(endpoint: str = "e1", now: datetime = NOW, **facts: Any) -> Context:
    return Context("acme", endpoint, "db01", {}, make_host(**facts), Path("/s/bin/run-job"), now)


def times(rendered: Rendered) -> list[str]:
    return [line.split(" /s/bin")[0] for line in rendered.lines[1:]]


def gate(rendered: Rendered) -> set[int]:
    assert rendered.gate is not None
    return set(rendered.gate.slots)


def test_the_hosts_own_zone_needs_no_gate() -> None:
    rendered = render(manifest_of(schedule="30 2 * * MON-FRI"), context(zone="Europe/Berlin"), "abcdef123456")
    assert rendered.lines == ["# production/a abcdef12\n", f"30 2 * * MON-FRI /s/bin/run-job {ID}\n"]
    assert rendered.job["gate"] is None


def test_a_line_carries_no_command_and_nothing_secret() -> None:
    rendered = render(manifest_of(command="curl https://u:p@h | sh", spec="  env: {TOKEN: abc}\n"), context(), "abc")
    assert "curl" not in "".join(rendered.lines)
    assert "abc\n" not in rendered.lines[1]
    assert rendered.job["env"] == {"TOKEN": "abc"}


def test_another_zone_gets_covering_lines_and_a_gate_with_exactly_the_true_slots() -> None:
    rendered = render(manifest_of("  timezone: Europe/Berlin\n"), context(zone="UTC"), "abc")
    assert set(times(rendered)) == {"0 0 * * *", "0 1 * * *"} or times(rendered) == ["0 0,1 * * *"]
    true = slots("0 2 * * *", "Europe/Berlin", "debian", NOW, NOW + timedelta(days=400))
    assert gate(rendered) == {int(slot.timestamp()) for slot in true}
    assert {datetime.fromtimestamp(slot, timezone.utc).hour for slot in gate(rendered)} == {0, 1}


def test_every_true_slot_is_hit_by_a_line_and_no_other_passes_the_gate() -> None:
    job = manifest_of("  timezone: Australia/Lord_Howe\n", schedule="15 */6 * * *")
    rendered = render(job, context(zone="America/New_York"), "abc")
    span = (NOW, NOW + timedelta(days=399))
    fired = {int(slot.timestamp()) for slot in slots(times(rendered), "America/New_York", "debian", *span)}
    true = {int(slot.timestamp()) for slot in slots("15 */6 * * *", "Australia/Lord_Howe", "debian", *span)}
    assert fired & gate(rendered) == true


def test_a_day_that_cron_cannot_say_is_gated_in_the_hosts_own_zone() -> None:
    rendered = render(manifest_of(schedule="0 3 L * *"), context(), "abc")
    assert all("L" not in line for line in times(rendered))
    assert len(gate(rendered)) == 13


def test_a_dense_gate_has_a_shorter_window_and_is_made_again_when_half_is_gone() -> None:
    rendered = render(manifest_of("  timezone: Asia/Kathmandu\n", schedule="*/5 9-17 * * *"), context(), "abc")
    assert rendered.gate is not None
    assert len(rendered.gate.slots) == 20_000
    assert rendered.gate.until == rendered.gate.slots[-1]
    half = NOW.timestamp() + (rendered.gate.until - NOW.timestamp()) / 2
    assert rendered.gate.refresh_at == pytest.approx(half)


def test_a_sparse_gate_is_made_again_while_two_hundred_days_are_left() -> None:
    rendered = render(manifest_of("  timezone: Europe/Berlin\n"), context(), "abc")
    assert rendered.gate is not None
    left = rendered.gate.until - rendered.gate.refresh_at
    assert timedelta(seconds=left) == timedelta(days=200)


@pytest.mark.parametrize(
    ("lines", "gaps"),
    [
        (["0 0,1 * * *"], True),
        (["*/15 7-16 * * 1-5", "5 3 * * *"], True),
        (["0 0 * * *", "1 5 * * *"], False),
        (["59 0 * * *", "0 5 * * *"], False),
        (["59,30 0 * * *"], False),  # follow each other where the clock goes half an hour on
        (["* * * * *"], False),
    ],
)
def test_a_late_call_counts_only_where_no_two_calls_follow_each_other(lines: list[str], gaps: bool) -> None:
    assert has_gaps(lines) is gaps


def test_the_job_file_says_whether_a_late_call_counts() -> None:
    rendered = render(manifest_of("  timezone: Europe/Berlin\n"), context(zone="UTC"), "abc")
    assert rendered.job["gate"]["late"] is True
    dense = render(manifest_of("  timezone: Europe/Berlin\n", schedule="* 2 * * *"), context(zone="UTC"), "abc")
    assert dense.job["gate"]["late"] is False


def test_reboot_is_an_event_in_any_zone() -> None:
    rendered = render(manifest_of("  timezone: Europe/Berlin\n", schedule="@reboot"), context(), "abc")
    assert times(rendered) == ["@reboot"]
    assert rendered.gate is None


def test_reboot_beside_gated_times_is_blocked_with_a_way_out() -> None:
    text = manifest("a", spec="  timezone: Europe/Berlin\n").replace('"0 2 * * *"', '["@reboot", "0 2 * * *"]')
    job = decode(text.encode(), "production/a.yaml", "acme").manifest
    assert job is not None
    with pytest.raises(Blocked, match="two jobs"):
        render(job, context(), "abc")


def test_a_hash_is_stable_here_and_differs_on_the_next_endpoint() -> None:
    job = manifest_of(schedule="H H * * *")
    assert times(render(job, context("e1"), "a")) == times(render(job, context("e1"), "b"))
    assert len({times(render(job, context(f"e{number}"), "a"))[0] for number in range(20)}) > 10


def test_several_expressions_are_several_lines() -> None:
    text = manifest("a").replace('"0 2 * * *"', '["0 2 * * *", "30 14 * * *"]')
    job = decode(text.encode(), "production/a.yaml", "acme").manifest
    assert job is not None
    assert times(render(job, context(), "abc")) == ["0 2 * * *", "30 14 * * *"]


def test_the_job_file_says_all_that_the_runner_needs() -> None:
    spec = (
        '  args: ["--x=two  words"]\n  workingDir: /opt\n  env: {A: "1"}\n  envFile: /e.env\n'
        '  umask: "0027"\n  nice: 5\n'
        "  concurrency: forbid\n  retry: {attempts: 3, backoff: exponential, delay: 1m}\n"
        "  checkin: {maxRuntime: 1h, killGrace: 5s, minRuntime: 2s, minOutputBytes: 1, successExitCodes: [0, 4],"
        " output: {head: 1KiB, tail: 2KiB, mail: drop}}\n"
    )
    rendered = render(manifest_of(spec), context(), "0123456789ab")
    assert rendered.job == {
        "v": 1, "job_id": ID, "name": "a", "namespace": "production", "shell": "/bin/sh", "command": "echo hello",
        "args": ["--x=two  words"], "user": None, "cwd": "/opt", "env": {"A": "1"}, "env_file": "/e.env",
        "umask": "0027", "nice": 5, "concurrency": "forbid",
        "retry": {"attempts": 3, "backoff": "exponential", "delay_s": 60.0},
        "checkin": {
            "enabled": True, "max_runtime_s": 3600.0, "kill_grace_s": 5.0, "min_runtime_s": 2.0, "min_output_bytes": 1,
            "success_exit_codes": [0, 4], "head": 1024, "tail": 2048, "mail": "drop",
        },
        "commit": "0123456789ab",
        "line_hash": rendered.line_hash, "schedule": ["0 2 * * *"], "timezone": None,
        "gate": None,
    }  # fmt: skip


def test_another_user_needs_root() -> None:
    job = manifest_of("  user: backup\n")
    with pytest.raises(Blocked, match="runs as ana"):
        render(job, context(), "abc")
    assert render(job, context(root=True, user="root"), "abc").job["user"] == "backup"
