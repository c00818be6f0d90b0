"""Whatever fails in the runner or is missing on the host, the command runs as under cron and its exit code stands."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.agent.runner.conftest import JOB, FarEnd, RunnerHost, read_pid, wait_for

MAIN = 'if __name__ == "__main__":'
ENV = "HOME=/x LOGNAME=ana PATH=/usr/bin:/bin"


def break_part(host: RunnerHost, *statements: str) -> None:
    """Replaces parts of the runner, just before it starts, by ones that fail."""
    failing = "def broken(*_, **__):\n    raise RuntimeError('broken part')\n\n\n"
    source = host.runner.read_text()
    host.runner.write_text(source.replace(MAIN, failing + "\n".join(statements) + "\n\n\n" + MAIN))


BEFORE = [
    "listen",
    "claim_slot",
    "take_lock",
    "new_id",
    "boot_id",
    "slot_of",
    "through_gate",
    "RunCheckins.__init__",
]
DURING = [
    "RunCheckins.create", "RunCheckins.post", "PendingCheckin.spool", "PendingCheckin.data", "write_durably",
    "is_spool_full", "next_number", "iso", "detach", "close_files", "send", "deliver", "guard", "end_group",
    "JobRun.announce", "JobRun.start_guard", "JobRun.tell_guard", "announce",
    "OutputBuffer.add", "OutputBuffer.as_checkin", "let_go", "holder_of",
    "RunningCommand.run", "RunningCommand.turn", "RunningCommand.timeout", "RunningCommand.enforce",
    "RunningCommand.handle_signals", "RunningCommand.read_from", "RunningCommand.write_to", "RunningCommand.release",
    "verdict", "reason", "adopt_orphans", "settle", "runner_problem", "select.poll", "time.monotonic",
]  # fmt: skip


@pytest.mark.parametrize("part", [*BEFORE, *DURING])
def test_a_part_that_fails_does_not_stop_the_command(part: str, host: RunnerHost) -> None:
    break_part(host, f"{part} = broken")
    host.job("echo out; echo err >&2; env > env; echo ran >> ran; exit 7", concurrency="forbid")
    done = host.run()
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err\n")
    assert host.file("ran").read_text() == "ran\n"
    assert {line for line in host.file("env").read_text().split("\n") if line.split("=")[0] in host.environment} == {
        f"{name}={value}" for name, value in host.environment.items()
    }


@pytest.mark.parametrize(
    "part", ["OutputBuffer.as_checkin", "RunningCommand.run", "JobRun.announce", "JobRun.start_guard", "take_lock"]
)
def test_the_check_in_says_what_has_failed(part: str, host: RunnerHost) -> None:
    break_part(host, f"{part} = broken")
    host.job("exit 7", concurrency="forbid")
    host.run()
    if part == "OutputBuffer.as_checkin":  # without a verdict, only the start can be reported
        assert host.waiting("start")
        return
    finish = host.waiting("fail")
    assert (finish["exit_code"], "RuntimeError: broken part" in finish["error"]) == (7, True)


def test_large_outputs_pass_in_order_without_the_runners_loop(host: RunnerHost) -> None:
    break_part(host, "RunningCommand.turn = broken")
    host.job("yes out | head -c 900000; yes err | head -c 900000 >&2; exit 7")
    done = host.run()
    assert (done.returncode, len(done.stdout), len(done.stderr)) == (7, 900_000, 900_000)


# -- no process, no file, no memory ----------------------------------------------------------------------


def no_fork(after: int) -> list[str]:
    """A host without a free process after this number of forks."""
    return [
        "import errno",
        f"forks, fork = [0] * {after}, os.fork",
        "def no_fork():",
        "    if forks:",
        "        forks.pop()",
        "        return fork()",
        "    raise BlockingIOError(errno.EAGAIN, 'Resource temporarily unavailable')",
        "os.fork = no_fork",
    ]


@pytest.mark.parametrize("concurrency", ["allow", "forbid"])
@pytest.mark.parametrize("forks", range(4))
def test_without_a_process_for_the_runner_the_command_runs(forks: int, concurrency: str, host: RunnerHost) -> None:
    break_part(host, *no_fork(forks))
    host.job("echo out; echo err >&2; exit 7", concurrency=concurrency)
    done = host.run()
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err\n")
    told = wait_for(host.spooled)
    assert "fail" in [body["kind"] for body in told] or "temporarily unavailable" in told[0]["error"]


def test_a_run_that_cannot_be_monitored_is_told_later(host: RunnerHost) -> None:
    break_part(host, *no_fork(0))
    host.job("exit 7")
    host.run()
    (start,) = host.spooled()
    assert (start["kind"], start["slot"] is not None) == ("start", True)
    assert start["error"] == (
        "The runner had a problem: Resource temporarily unavailable. "
        "It could not monitor this run, whose outcome is not known."
    )


def test_an_unmonitored_run_keeps_the_manifests_settings(host: RunnerHost) -> None:
    break_part(host, *no_fork(0))
    host.file("x").mkdir()
    host.job('pwd; umask; echo "$A" "$1"; echo err >&2', args=["b"], env={"A": "ü"}, umask="0027", cwd="x")
    assert host.run().stdout.decode() == f"{host.file('x')}\n0027\nü \n"
    host.job("echo out; echo err >&2; exit 3", checkin={"mail": "drop"})
    done = host.run()
    assert (done.returncode, done.stdout, done.stderr) == (3, b"", b"")


def test_an_unmonitored_run_that_cannot_start_says_why(host: RunnerHost) -> None:
    break_part(host, *no_fork(0))
    host.job("true", shell="/no/such/shell")  # noqa: S604 -- a field of the job, not an option of subprocess
    done = host.run()
    assert (done.returncode, b"/no/such/shell" in done.stderr) == (127, True)


@pytest.mark.parametrize("files", [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16])
def test_with_few_files_the_command_runs(files: int, host: RunnerHost) -> None:
    host.job("echo out; exit 7", concurrency="forbid")
    done = host.run(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)))
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"")
    assert wait_for(host.spooled)


def test_with_little_memory_the_command_runs(host: RunnerHost) -> None:
    host.job("head -c 3000000 /dev/zero; exit 7")
    little = 40 << 20
    done = host.run(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (little, little)))
    assert (done.returncode, len(done.stdout)) == (7, 3_000_000)


# -- the state folder ------------------------------------------------------------------------------------


def remove_spool(host: RunnerHost) -> None:
    host.spool.rmdir()


def spool_is_a_file(host: RunnerHost) -> None:
    host.spool.rmdir()
    host.spool.write_text("")


def lock_is_a_folder(host: RunnerHost) -> None:
    (host.folder / "jobs" / f"{JOB}.lock").mkdir()


def read_only(host: RunnerHost) -> None:
    """Nothing can be created or written, as on a read-only disk (file modes do not stop root)."""
    break_part(
        host,
        "import errno",
        "really_open = os.open",
        "def read_only(path, flags, *mode):",
        "    if flags & (os.O_WRONLY | os.O_RDWR) and path != os.devnull:",
        "        raise OSError(errno.EROFS, 'Read-only file system', path)",
        "    return really_open(path, flags, *mode)",
        "os.open = read_only",
    )


@pytest.mark.parametrize("obstacle", [remove_spool, spool_is_a_file, lock_is_a_folder, read_only])
def test_a_state_folder_with_something_missing(
    obstacle: Callable[[RunnerHost], None], host: RunnerHost, far: FarEnd
) -> None:
    host.connect(far.url)
    host.job("echo out; exit 7", concurrency="forbid")
    obstacle(host)
    done = host.run()
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"")
    assert far.checkin("fail")["exit_code"] == 7


def test_without_any_variable_the_command_runs(host: RunnerHost) -> None:
    host.environment.clear()
    host.job('echo "<$HOME$LOGNAME>"; pwd; exit 7')
    done = host.run()
    assert (done.returncode, done.stdout, done.stderr) == (7, b"<>\n/\n", b"")


@pytest.mark.parametrize("check", [{"head": "many"}, {"max_runtime_s": "soon"}, {"kill_grace_s": "x"}, {"mail": 7}])
def test_a_damaged_setting_does_not_stop_the_command(check: dict[str, Any], host: RunnerHost) -> None:
    host.job("echo out; exit 7", checkin=check)
    done = host.run()
    assert (done.returncode, done.stdout) == (7, b"out\n")


@pytest.mark.parametrize("retry", [5, {"attempts": "x"}, {"attempts": 2, "delay_s": "x"}])
def test_a_damaged_retry_does_not_run_the_command_twice(retry: Any, host: RunnerHost) -> None:
    host.job("echo ran >> ran; exit 7", retry=retry)
    done = host.run()
    assert (done.returncode, done.stderr, host.file("ran").read_text()) == (7, b"", "ran\n")
    assert host.waiting("fail")["exit_code"] == 7


# -- the process's attributes ----------------------------------------------------------------------------

# One line for each attribute of a process that a program can depend on.
PROBE = r"""
env | grep -v -e ^_= -e ^SHLVL= | sort
umask
ulimit -a; ulimit -Ha
pwd
nice
cd /proc/$$
grep -e ^Sig -e ^Shd -e ^Cap -e ^NoNew -e ^Seccomp: -e ^Uid -e ^Gid -e ^Groups status | grep -v SigQ
cat oom_score_adj personality
cut -d' ' -f7,18,19,40,41 stat
ls fd
readlink fd/0 root
"""


def nothing() -> None:
    """The attributes of this test."""


def unusual() -> None:
    os.umask(0o027)
    os.nice(3)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGQUIT})
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR2, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 21))
    resource.setrlimit(resource.RLIMIT_CPU, (1000, 2000))
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")
    os.set_inheritable(os.dup2(0, 7), True)


@pytest.mark.parametrize("before", [nothing, unusual])
@pytest.mark.parametrize("monitored", [True, False])
def test_a_process_has_the_attributes_that_cron_gives_it(
    before: Callable[[], None], monitored: bool, host: RunnerHost
) -> None:
    if not monitored:
        break_part(host, *no_fork(0))
    host.job(PROBE, concurrency="forbid")
    ours = host.run(preexec_fn=before, close_fds=False).stdout.decode().split("\n")
    plain = subprocess.run(
        ["/bin/sh", "-c", PROBE],
        env=host.environment, cwd=host.folder / "home", preexec_fn=before, stdin=subprocess.DEVNULL,
        capture_output=True, start_new_session=True, close_fds=False,
    )  # fmt: skip
    assert ours == plain.stdout.decode().split("\n")
    assert len(ours) > 40


def test_a_signal_still_ends_the_group_when_the_runners_loop_fails(host: RunnerHost) -> None:
    break_part(host, "RunningCommand.turn = broken")
    host.job("echo $$ > pid; exec sleep 600", checkin={"kill_grace_s": 0.1})
    with host.start() as process:
        pid = read_pid(host.file("pid"))
        host.waiting("start")
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"))
