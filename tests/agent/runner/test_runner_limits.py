"""Limits, signals and locks: the whole group ends, and the check-in has the true reason."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys

import pytest

from tests.agent.runner.conftest import JOB, RunnerHost, alive, read_pid, wait_for

OTHER = "11111111-2222-4333-8444-555555555555"


def gone(host: RunnerHost, *names: str) -> None:
    """Waits until all of these processes have ended."""
    for process in [read_pid(host.file(name)) for name in names]:
        wait_for(lambda process=process: not alive(process))


def test_max_runtime_ends_the_group(host: RunnerHost) -> None:
    host.job("sleep 600 & echo $! > inner; echo $$ > outer; wait", checkin={"max_runtime_s": 0.3})
    assert host.run().returncode == 128 + signal.SIGTERM
    finish = host.waiting("fail")
    assert (finish["timed_out"], finish["signal"]) == (True, signal.SIGTERM)
    assert 0.3 <= finish["duration_s"] < 10
    assert "maxRuntime of 0.3 s" in finish["error"]
    gone(host, "inner", "outer")


def test_who_ignores_term_is_killed_after_the_grace(host: RunnerHost) -> None:
    deaf = "trap '' TERM; (trap '' TERM; echo $$ > x; while :; do read never < fifo; done) & echo $! > inner; wait"
    host.job(deaf, checkin={"max_runtime_s": 0.2, "kill_grace_s": 0.2})
    os.mkfifo(host.file("fifo"))
    assert host.run().returncode == 128 + signal.SIGKILL
    assert host.waiting("fail")["signal"] == signal.SIGKILL
    gone(host, "inner")


def test_a_child_that_outlives_the_shell_is_no_orphan(host: RunnerHost) -> None:
    deaf = "(trap '' TERM; echo x > armed; while :; do read never < fifo; done) & echo $! > inner; read never < fifo"
    host.job(deaf, checkin={"max_runtime_s": 0.5, "kill_grace_s": 0.2})
    os.mkfifo(host.file("fifo"))
    assert host.run().returncode == 128 + signal.SIGTERM
    gone(host, "inner")


# Adopts all orphans, as PID 1 does, and reaps none of them.
NO_REAPER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
runner = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(runner, 0)[1]))
"""


def run_without_a_reaper(host: RunnerHost) -> int:
    command = [sys.executable, "-c", NO_REAPER, str(host.runner), JOB]
    return subprocess.run(command, env=host.environment, stdin=subprocess.DEVNULL, timeout=30).returncode


@pytest.mark.parametrize(
    ("command", "reaped"),
    [
        ("sleep 600 & echo $! > inner; sleep 600 & wait", True),
        ("(sleep 600 & echo $! > inner); echo x > ready; sleep 600 & wait", False),  # an orphan before the TERM
    ],
)
def test_zombies_that_nobody_reaps_do_not_hold_up_the_end(command: str, reaped: bool, host: RunnerHost) -> None:
    host.job(command, concurrency="forbid", checkin={"max_runtime_s": 1, "kill_grace_s": 0.2})
    assert run_without_a_reaper(host) == 128 + signal.SIGTERM
    assert host.waiting("fail")["timed_out"] is True
    inner = read_pid(host.file("inner"))
    assert not alive(inner)
    assert not (reaped and os.path.exists(f"/proc/{inner}"))
    host.job("true", concurrency="forbid")
    assert host.run().returncode == 0
    assert host.waiting("success")


def test_a_timeout_is_no_success_whatever_the_command_says(host: RunnerHost) -> None:
    host.job("trap 'exit 0' TERM; while :; do read never < fifo; done", checkin={"max_runtime_s": 0.2})
    os.mkfifo(host.file("fifo"))
    assert host.run().returncode == 0
    assert host.waiting("fail")["timed_out"] is True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_reach_the_whole_group(number: signal.Signals, host: RunnerHost) -> None:
    name = number.name[3:]
    host.job(f"trap 'echo got; exit 9' {name}; echo $$ > pid; while :; do read never < fifo; done")
    os.mkfifo(host.file("fifo"))
    with host.start() as process:
        read_pid(host.file("pid"))
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (9, b"got\n")
    finish = host.waiting("fail")
    assert (finish["exit_code"], number.name in finish["error"]) == (9, True)


def test_term_ends_who_does_not_listen(host: RunnerHost) -> None:
    host.job("trap '' TERM; echo $$ > pid; while :; do read never < fifo; done", checkin={"kill_grace_s": 0.1})
    os.mkfifo(host.file("fifo"))
    with host.start() as process:
        read_pid(host.file("pid"))
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGKILL
    gone(host, "pid")


def test_a_told_end_is_not_retried(host: RunnerHost) -> None:
    host.job("echo $$ > pid; exec sleep 600", retry={"attempts": 5, "backoff": "fixed", "delay_s": 0})
    with host.start() as process:
        read_pid(host.file("pid"))
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM
    assert [body["attempt"] for body in host.spooled() if body["kind"] == "fail"] == [1]


def test_a_signal_ends_the_wait_for_the_next_attempt(host: RunnerHost) -> None:
    host.job("exit 7", retry={"attempts": 5, "backoff": "fixed", "delay_s": 3600})
    with host.start() as process:
        host.waiting("fail")
        process.terminate()
        assert process.wait(30) == 7


def test_killing_the_runner_ends_its_group_and_tells_no_end(host: RunnerHost) -> None:
    host.job("sleep 600 & echo $! > inner; echo $$ > outer; wait", concurrency="forbid")
    with host.start() as process:
        inner = read_pid(host.file("inner"))
        read_pid(host.file("outer"))
        host.waiting("start")
        assert alive(inner)
        process.kill()
        assert process.wait(30) == -signal.SIGKILL
    gone(host, "inner", "outer")
    assert [body["kind"] for body in host.spooled()] == ["start"]
    host.job("true", concurrency="forbid")
    wait_for(lambda: host.run().returncode == 0 and any(body["kind"] == "success" for body in host.spooled()))


def test_killing_the_guard_changes_nothing(host: RunnerHost) -> None:
    host.job("echo $$ > pid; read go < fifo; exit 8")
    os.mkfifo(host.file("fifo"))
    with host.start() as process:
        shell = read_pid(host.file("pid"))
        host.waiting("start")
        for guard in wait_for(lambda: guards(process.pid, shell)):
            os.kill(guard, signal.SIGKILL)
        with host.file("fifo").open("w") as gate:
            gate.write("go\n")
        assert process.wait(30) == 8
    assert host.waiting("fail")["exit_code"] == 8


def guards(runner: int, shell: int) -> list[int]:
    """The processes with the same program and arguments as the runner."""
    mine = command_line(runner)
    everyone = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [one for one in everyone if one not in (runner, shell) and command_line(one) == mine]


def command_line(process: int) -> bytes:
    try:
        with open(f"/proc/{process}/cmdline", "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def test_forbid_skips_while_the_other_runs(host: RunnerHost) -> None:
    host.job("echo $$ > pid; read go < fifo", concurrency="forbid")
    os.mkfifo(host.file("fifo"))
    with host.start() as first:
        read_pid(host.file("pid"))
        second = host.run()
        assert (second.returncode, second.stdout, second.stderr) == (0, b"", b"")
        skipped = host.waiting("skipped")
        with host.file("fifo").open("w") as gate:
            gate.write("go\n")
        assert first.wait(30) == 0
    assert skipped["run_id"] != host.waiting("success")["run_id"]
    assert skipped["slot"] is not None


def test_forbid_runs_again_when_the_other_has_ended(host: RunnerHost) -> None:
    host.job("sleep 600 & exit 0", concurrency="forbid")
    host.job("true", concurrency="forbid")
    for _ in range(3):
        assert host.run().returncode == 0
    assert [body["kind"] for body in host.spooled()].count("success") == 3


def test_a_daemon_that_the_job_left_does_not_hold_the_lock(host: RunnerHost) -> None:
    host.job("sleep 600 >/dev/null 2>&1 & echo $! > daemon", concurrency="forbid")
    host.run()
    daemon = read_pid(host.file("daemon"))
    try:
        assert alive(daemon)
        host.job("true", concurrency="forbid")
        host.run()
        assert "skipped" not in [body["kind"] for body in host.spooled()]
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_allow_overlaps_and_other_jobs_have_other_locks(host: RunnerHost) -> None:
    host.job("echo $$ > pid; read go < fifo", concurrency="forbid")
    host.job("exit 3", OTHER, concurrency="forbid")
    os.mkfifo(host.file("fifo"))
    with host.start() as first:
        read_pid(host.file("pid"))
        assert host.run(OTHER).returncode == 3
        host.job("exit 4")
        assert host.run().returncode == 4
        with host.file("fifo").open("w") as gate:
            gate.write("go\n")
        assert first.wait(30) == 0


def test_replace_ends_the_old_run_first(host: RunnerHost) -> None:
    host.job("echo $$ > pid; exec sleep 600", concurrency="replace", checkin={"kill_grace_s": 5})
    with host.start() as first:
        old = read_pid(host.file("pid"))
        host.job(f"kill -0 {old} && exit 1; exit 0", concurrency="replace")
        assert host.run(JOB).returncode == 0
        assert first.wait(30) == 128 + signal.SIGTERM
    assert "replaced" in host.waiting("fail")["error"]
    assert host.waiting("success")


# -- one run for each slot, and the newest of many -------------------------------------------------------


def test_a_second_run_of_the_same_slot_is_refused_and_reported(host: RunnerHost) -> None:
    host.job("echo ran >> ran; echo out")
    processes = [host.start_again() for _ in range(5)]
    printed = [process.communicate(timeout=60) for process in processes]
    assert sorted(printed) == [(b"", b"")] * 4 + [(b"out\n", b"")]
    assert {process.returncode for process in processes} == {0}
    assert host.file("ran").read_text() == "ran\n"
    wait_for(lambda: len(host.spooled()) == 6)
    refused = [body for body in host.spooled() if body["kind"] == "skipped"]
    assert {(body["flags"][0], "twice" in body["error"]) for body in refused} == {("extra", True)}
    assert len({body["slot"] for body in host.spooled()}) == 1


@pytest.mark.parametrize("arguments", [("--manual", JOB), (OTHER,)])
def test_other_runs_of_that_minute_are_not_refused(arguments: tuple[str, ...], host: RunnerHost) -> None:
    host.job("echo ran >> ran")
    host.job("echo ran >> ran", OTHER)
    host.start_again().communicate(timeout=30)
    host.start_again(*arguments).communicate(timeout=30)
    assert host.file("ran").read_text() == "ran\nran\n"


def test_the_next_slot_is_not_refused(host: RunnerHost) -> None:
    host.job("echo ran >> ran")
    host.run()
    slot = host.folder / "jobs" / f"{JOB}.slot"
    slot.write_text(f"{int(slot.read_text()) - 60:020d}")
    host.start_again().communicate(timeout=30)
    assert host.file("ran").read_text() == "ran\nran\n"


def test_a_stopped_runner_with_the_slots_lock_holds_up_no_other(host: RunnerHost) -> None:
    host.job("echo ran")
    slot = host.folder / "jobs" / f"{JOB}.slot"
    with slot.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert host.start_again().communicate(timeout=30)[0] == b"ran\n"


def test_of_six_that_replace_the_newest_alone_goes_on(host: RunnerHost) -> None:
    host.job("echo $$ >> started; exec sleep 600", concurrency="replace", checkin={"kill_grace_s": 5})
    processes = [host.start("--manual", JOB) for _ in range(6)]
    wait_for(lambda: sum(process.poll() is None for process in processes) == 1)
    (last,) = [process for process in processes if process.poll() is None]
    pid = wait_for(lambda: next((pid for pid in started(host) if alive(pid)), 0))
    assert [alive(one) for one in started(host)].count(True) == 1
    last.terminate()
    assert last.wait(30) == 128 + signal.SIGTERM
    assert not alive(pid)
    for process in processes:
        process.communicate(timeout=30)
    assert {process.returncode for process in processes} <= {0, 128 + signal.SIGTERM}
    wait_for(lambda: sum(body["kind"] in ("skipped", "fail") for body in host.spooled()) == 6)


def started(host: RunnerHost) -> list[int]:
    path = host.file("started")
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_a_process_with_the_id_of_an_old_runner_gets_no_signal(host: RunnerHost) -> None:
    """The lock is held by another process, and its file names one that has ended, whose id this test's child has."""
    host.job("true", concurrency="replace", checkin={"kill_grace_s": 0})
    with subprocess.Popen(["sleep", "600"]) as stranger, (host.folder / "jobs" / f"{JOB}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{stranger.pid} 12345".ljust(40))
        lock.flush()
        assert host.run().returncode == 0
        assert "could not be ended" in host.waiting("skipped")["error"]
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize("moment", ["os.read", "RunCheckins.create", "JobRun.announce", "RunningCommand.run"])
def test_a_runner_killed_right_after_the_start_leaves_no_orphan(moment: str, host: RunnerHost) -> None:
    """``os.read`` is the moment just after the fork: the runner waits until the command has started."""
    dying = f"me, real = os.getpid(), {moment}\n{moment} = lambda *given: "
    dying += "os.kill(me, 9) if os.getpid() == me else real(*given)\n"
    main = 'if __name__ == "__main__":'
    host.runner.write_text(host.runner.read_text().replace(main, dying + main))
    host.job("echo $$ > pid; exec sleep 600", concurrency="forbid", checkin={"kill_grace_s": 0.2})
    assert host.run("--manual", JOB).returncode == -signal.SIGKILL
    lock = host.folder / "jobs" / f"{JOB}.lock"
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the guard holds it until it has ended the group
    pid = host.file("pid").read_text() if host.file("pid").exists() else ""  # or ended before it wrote it
    assert not pid or not alive(int(pid))
