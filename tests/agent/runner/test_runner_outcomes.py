"""The exit codes of the runner, and the check-ins of a run."""

from __future__ import annotations

import signal
import time
import uuid
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from agent.runner import run_job
from contract.wire import Checkin
from tests.agent.runner.conftest import JOB, FarEnd, RunnerHost, interpreters, wait_for


@pytest.mark.parametrize("python", interpreters())
def test_every_python_runs_it(python: str, far: FarEnd, tmp_path: Path) -> None:
    host = RunnerHost(tmp_path / "state", python)
    host.connect(far.url)
    host.job("printf '%s|' \"$GREETING\"; echo oops >&2; exit 3 #", args=["x"], env={"GREETING": "grüß ${LOGNAME}"})
    done = host.run()
    assert (done.returncode, done.stdout.decode(), done.stderr) == (3, "grüß ana|", b"oops\n")
    finish = far.checkin("fail")
    assert (finish["exit_code"], finish["signal"], finish["timed_out"]) == (3, None, False)
    assert {finish["output"]["head"]} <= {"grüß ana|oops\n", "oops\ngrüß ana|"}
    wait_for(lambda: far.kinds() == ["start", "fail"] and not host.spooled())


def test_a_success_is_told_with_all_that_identifies_it(host: RunnerHost) -> None:
    before = datetime.now(timezone.utc)
    host.job("exit 0")
    assert host.run().returncode == 0
    start, finish = host.waiting("start"), host.waiting("success")
    for body in (start, finish):
        assert (body["job_id"], body["commit"], body["line_hash"], body["attempt"]) == (JOB, "c0ffee", "ab12", 1)
        assert set(body) <= {field.name for field in fields(Checkin)}
        assert timedelta(0) <= datetime.fromisoformat(body["started_at"]) - before < timedelta(seconds=30)
        assert uuid.UUID(body["id"]).version == uuid.UUID(body["run_id"]).version == 4
        assert datetime.fromisoformat(body["at"]).utcoffset() == timedelta(0)
        assert uuid.UUID(body["boot_id"])
    assert start["run_id"] == finish["run_id"]
    assert start["id"] != finish["id"]
    assert start["seq"] < finish["seq"]
    assert 0 < finish["duration_s"] < 30


@pytest.mark.parametrize("code", [1, 2, 126, 127, 255])
def test_the_exit_code_is_the_commands(code: int, host: RunnerHost) -> None:
    host.job(f"exit {code}")
    assert host.run().returncode == code
    assert host.waiting("fail")["exit_code"] == code


def test_codes_that_count_as_success(host: RunnerHost) -> None:
    host.job("exit 24", checkin={"success_exit_codes": [0, 24]})
    assert host.run().returncode == 24
    assert host.waiting("success")["exit_code"] == 24


def test_a_command_that_a_signal_ends(host: RunnerHost) -> None:
    host.job("kill -SEGV $$")
    assert host.run().returncode == 128 + signal.SIGSEGV
    finish = host.waiting("fail")
    assert (finish["exit_code"], finish["signal"]) == (None, signal.SIGSEGV)


def test_a_syntax_error_is_reported(host: RunnerHost) -> None:
    host.job("if then fi (")
    done = host.run()
    assert done.returncode == 2
    assert "yntax error" in host.waiting("fail")["output"]["head"]


def test_a_shell_that_is_not_there(host: RunnerHost) -> None:
    changes: dict[str, Any] = {"shell": "/no/such/shell"}
    host.job("true", **changes)
    done = host.run()
    assert done.returncode == 127
    assert b"/no/such/shell" in done.stderr
    finish = host.waiting("fail")
    assert (finish["exit_code"], finish["started_at"] is None) == (127, False)
    assert "/no/such/shell" in finish["error"]


def test_a_job_file_that_is_gone_is_a_failure_somebody_hears_of(host: RunnerHost) -> None:
    done = host.run()
    assert done.returncode == 78
    assert JOB.encode() in done.stderr
    assert "cannot be used" in host.waiting("fail")["error"]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"job_id": ', "\0"])
def test_a_damaged_job_file_is_a_failure_somebody_hears_of(damage: str, host: RunnerHost) -> None:
    (host.folder / "jobs" / f"{JOB}.json").write_text(damage)
    assert host.run().returncode == 78
    assert host.waiting("fail")["job_id"] == JOB


@pytest.mark.parametrize("arguments", [("../../etc/passwd",), ("a", "b"), ("--manual",)])
def test_other_arguments_are_refused(arguments: tuple[str, ...], host: RunnerHost) -> None:
    done = host.run(*arguments)
    assert done.returncode == 2
    assert b"usage: run-job" in done.stderr


def test_too_fast_and_too_quiet_are_flags_of_a_success(host: RunnerHost) -> None:
    host.job("true", checkin={"min_runtime_s": 60, "min_output_bytes": 1})
    assert host.run().returncode == 0
    assert host.waiting("success")["flags"] == ["too_fast", "too_quiet"]


def test_enough_is_not_flagged(host: RunnerHost) -> None:
    host.job("echo", checkin={"min_runtime_s": 0, "min_output_bytes": 1})
    host.run()
    assert host.waiting("success")["flags"] == []


def test_the_slot_is_the_minute_that_cron_meant(host: RunnerHost) -> None:
    host.job("true")
    host.run()
    finish = host.waiting("success")
    slot, started = datetime.fromisoformat(finish["slot"]), datetime.fromisoformat(finish["started_at"])
    assert slot.second == slot.microsecond == 0
    assert timedelta(0) <= started - slot <= timedelta(seconds=61)


def test_a_manual_run_has_no_slot(host: RunnerHost) -> None:
    host.job("true")
    assert host.run("--manual", JOB).returncode == 0
    assert host.waiting("success")["slot"] is None


def test_a_run_at_boot_has_no_slot(host: RunnerHost) -> None:
    host.job("true", schedule=["@reboot"])
    host.run()
    assert host.waiting("success")["slot"] is None


def test_the_gate_lets_only_true_slots_through(host: RunnerHost) -> None:
    host.job("touch ran", gate={"until": 2**40, "slots": []})
    assert host.run().returncode == 0
    assert not host.file("ran").exists()
    assert host.spooled() == []
    minutes = int(datetime.now(timezone.utc).timestamp()) // 60 * 60
    host.job("touch ran", gate={"until": 2**40, "slots": [minutes + 60 * n for n in range(-1, 30)]})
    host.run()
    assert host.file("ran").exists()


NOON = 1_750_000_020 // 60 * 60


@pytest.mark.parametrize(
    ("late", "called", "told"),
    [(True, 0, (True, 0)), (True, 60, (True, 0)), (True, 120, (False, 120)), (False, 60, (False, 60))],
)
def test_a_call_one_minute_late_is_its_slots_when_it_can_be_no_others(
    late: bool, called: int, told: tuple[bool, int]
) -> None:
    job = {"gate": {"until": 2**40, "slots": [NOON], "late": late}}
    due, slot = run_job.through_gate(job, NOON + called)
    assert (due, slot) == (told[0], NOON + told[1])


def test_late_calls_do_not_count_while_cron_may_be_catching_up_a_clock_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        changed = int(datetime(2026, 3, 29, 1, tzinfo=timezone.utc).timestamp())
        job = {"gate": {"until": 2**40, "slots": [changed, changed + 4 * 3600], "late": True}}
        assert run_job.through_gate(job, changed) == (True, changed)
        assert run_job.through_gate(job, changed + 60) == (False, changed + 60)
        assert run_job.through_gate(job, changed + 4 * 3600 + 60) == (True, changed + 4 * 3600)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_gate_that_ran_out_and_a_manual_run_pass(host: RunnerHost) -> None:
    host.job("echo x >> ran", gate={"until": 1, "slots": []})
    host.run()
    host.job("echo x >> ran", gate={"until": 2**40, "slots": []})
    host.run("--manual", JOB)
    assert host.file("ran").read_text() == "x\nx\n"


def test_without_check_ins_it_only_runs(host: RunnerHost) -> None:
    host.job("echo here; exit 5", checkin={"enabled": False})
    done = host.run()
    assert (done.returncode, done.stdout) == (5, b"here\n")
    assert host.spooled() == []


def test_retries_are_attempts_of_one_run(host: RunnerHost) -> None:
    retry = {"attempts": 3, "backoff": "exponential", "delay_s": 0.01}
    host.job('echo x >> tries; test "$(wc -l < tries)" -eq 3', retry=retry)
    assert host.run().returncode == 0
    assert host.file("tries").read_text() == "x\nx\nx\n"
    wait_for(lambda: len(host.spooled()) == 6)
    told = [(body["kind"], body["attempt"]) for body in host.spooled()]
    assert told == [("start", 1), ("fail", 1), ("start", 2), ("fail", 2), ("start", 3), ("success", 3)]
    assert len({body["run_id"] for body in host.spooled()}) == 1


def test_the_last_attempt_decides(host: RunnerHost) -> None:
    host.job("exit 7", retry={"attempts": 1, "backoff": "fixed", "delay_s": 0})
    assert host.run().returncode == 7
    assert [body["attempt"] for body in host.spooled() if body["kind"] == "fail"] == [1, 2]
