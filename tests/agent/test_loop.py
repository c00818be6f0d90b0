"""The daemon: what starts a pass, what does not, and how the daemon ends."""

from __future__ import annotations

import dataclasses
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent import enroll, loop
from agent.control import connect
from agent.errors import Refused, Stop
from agent.loop import Bell, Daemon, Intervals
from agent.rejection import Rejection
from tests.agent.conftest import Box
from tests.agent.runner.conftest import wait_for
from tests.agent.twin import ENROLLMENT, Twin, manifest

A, B = "production/a.yaml", "production/b.yaml"
WATCH, REPORT = "/api/endpoints/me/watch", "/api/endpoints/me/report"


QUICK = Intervals(look=0.05, watch=2.0)
DOUBTING = Intervals(look=0.05, watch=2.0, confirm=0.1, ask_again=0.1)


@pytest.fixture
def start(box: Box) -> Iterator[Callable[..., Daemon]]:
    """Runs the daemon in a thread with frequent crontab checks, and ends it after the test."""
    running: list[tuple[Daemon, threading.Thread]] = []

    def begin(intervals: Intervals = QUICK) -> Daemon:
        watcher = connect(box.state.identity())
        daemon = Daemon(box.agent, watcher, lambda: 0.0, intervals)
        thread = threading.Thread(target=daemon.run)
        thread.start()
        running.append((daemon, thread))
        return daemon

    yield begin
    for daemon, thread in running:
        daemon.end()
        box.twin.tell(wake=True)
        thread.join()
        daemon.watching.join()
        daemon._watcher.close()


def reported(twin: Twin, head: str) -> Callable[[], bool]:
    return lambda: any(report["applied"] == head for report in twin.reports)


def test_a_push_is_on_the_host_before_the_next_poll(box: Box, start: Callable[[], Daemon]) -> None:
    first = box.twin.push({A: manifest("a")})
    start()
    box.twin.wait_for(reported(box.twin, first))
    second = box.twin.push({B: manifest("b")})
    box.twin.wait_for(reported(box.twin, second))
    assert "production/b" in box.text()


def test_an_edit_of_the_crontab_is_noticed_and_healed(box: Box, start: Callable[[], Daemon]) -> None:
    head = box.twin.push({A: manifest("a")})
    start()
    box.twin.wait_for(reported(box.twin, head))
    good = box.text()
    edited = box.crontab.with_suffix(".edited")
    edited.write_text(good.replace("0 2 * * *", "0 9 * * *"))
    edited.replace(box.crontab)  # replaces the file, as `crontab -e` does
    box.twin.wait_for(lambda: any(report["drift"] for report in box.twin.reports))
    assert box.text() == good


def test_an_edit_while_the_report_is_under_way_is_noticed(
    box: Box, start: Callable[[], Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a poll an hour away, only the edit itself can start the pass that heals it."""
    monkeypatch.setattr(loop, "POLL_SECONDS", 3600.0)
    head = box.twin.push({A: manifest("a")})
    start()
    box.twin.wait_for(lambda: len(box.twin.reports) >= 2 and reported(box.twin, head)())  # the start, the first watch
    edited = threading.Event()

    def edit(path: str) -> None:
        if path == REPORT and not edited.is_set():
            edited.set()
            box.crontab.write_text(box.text().replace("0 2 * * *", "0 9 * * * "))

    box.twin.before = edit
    box.twin.tell(wake=True)
    box.twin.wait_for(lambda: any(report["drift"] for report in box.twin.reports))
    assert edited.is_set()
    assert "0 2 * * *" in box.text()


def test_a_server_that_knows_no_head_is_not_asked_again_at_once(box: Box, start: Callable[[], Daemon]) -> None:
    memory = box.state.memory()
    memory.applied = "a" * 40
    box.state.save_memory(memory)
    start()
    box.twin.wait_for(lambda: any("watch?head=&" in path for path in box.twin.paths))
    watched = [path for path in box.twin.paths if "watch?" in path]
    assert ["head=&" in path for path in watched] == [False, True]


def test_a_wake_from_the_console_makes_a_pass_with_a_report(box: Box, start: Callable[[], Daemon]) -> None:
    head = box.twin.push({A: manifest("a")})
    start()
    box.twin.wait_for(reported(box.twin, head))
    reports = len(box.twin.reports)
    box.twin.tell(wake=True)
    box.twin.wait_for(lambda: len(box.twin.reports) > reports)


def test_a_confirmed_prune_goes_through(box: Box, start: Callable[[], Daemon]) -> None:
    head = box.twin.push({A: manifest("a"), "README.md": "x"})
    start()
    box.twin.wait_for(reported(box.twin, head))
    gone = box.twin.push({A: None})
    box.twin.wait_for(lambda: box.twin.reports[-1]["status"] == "Blocked")
    box.twin.tell(prune_confirmed=gone)
    box.twin.wait_for(reported(box.twin, gone))
    assert "production/a" not in box.text()


def test_git_back_from_an_outage_is_found_without_being_told(box: Box, start: Callable[[], Daemon]) -> None:
    box.twin.git_down = True
    head = box.twin.push({A: manifest("a")})
    start()
    box.twin.wait_for(lambda: any(report["status"] == "Waiting" for report in box.twin.reports))
    box.twin.git_down = False
    box.twin.wait_for(reported(box.twin, head))


def test_many_reasons_at_once_make_one_pass() -> None:
    bell = Bell()
    for reason in ("watch", "signal", "watch"):
        bell.ring(reason)
    assert bell.wait(0.0) == {"watch", "signal"}
    assert bell.wait(0.0) == set()


def test_a_stop_in_the_middle_of_a_write_waits_for_its_end(box: Box) -> None:
    watcher = connect(box.state.identity())
    daemon = Daemon(box.agent, watcher)
    box.agent.guard(True)
    daemon._stop()
    with pytest.raises(Stop):
        box.agent.guard(False)
    watcher.close()


def beats(twin: Twin, count: int) -> Callable[[], bool]:
    return lambda: sum("heartbeat" in path for path in twin.paths) >= count


@pytest.mark.logs_errors
def test_a_revocation_is_believed_after_two_answers_and_nothing_is_touched(
    box: Box, start: Callable[..., Daemon]
) -> None:
    first = box.twin.push({A: manifest("a")})
    daemon = start(DOUBTING)
    box.twin.wait_for(reported(box.twin, first))
    before = box.text()
    box.twin.tell(revoked=True)
    box.twin.push({A: None, B: manifest("b")})
    box.twin.wait_for(beats(box.twin, 3))  # the third is asked by a daemon that has understood the second
    assert "crontab lines stay" in box.state.identity().revoked
    assert box.text() == before
    assert daemon.watching.is_alive()


def test_one_rejection_is_not_believed(box: Box, start: Callable[..., Daemon]) -> None:
    first = box.twin.push({A: manifest("a")})
    start(Intervals(look=0.05, watch=2.0, confirm=1.0))
    box.twin.wait_for(reported(box.twin, first))
    box.twin.tell(revoked=True)
    box.twin.wait_for(lambda: box.twin.rejected)
    box.twin.tell(revoked=False)
    second = box.twin.push({B: manifest("b")})
    box.twin.wait_for(reported(box.twin, second))
    assert box.state.identity().revoked == ""


@pytest.mark.logs_errors
def test_an_endpoint_that_is_accepted_again_goes_on(box: Box, start: Callable[..., Daemon]) -> None:
    first = box.twin.push({A: manifest("a")})
    start(DOUBTING)
    box.twin.wait_for(reported(box.twin, first))
    box.twin.tell(revoked=True)
    box.twin.wait_for(beats(box.twin, 3))
    box.twin.tell(revoked=False)
    second = box.twin.push({B: manifest("b")})
    box.twin.wait_for(reported(box.twin, second))
    assert box.state.identity().revoked == ""


def test_a_revoked_daemon_asks_once_when_it_starts_and_then_rarely(box: Box, start: Callable[..., Daemon]) -> None:
    box.state.save_identity(dataclasses.replace(box.state.identity(), revoked="The server has revoked this endpoint"))
    box.twin.tell(revoked=True)
    daemon = start()
    wait_for(lambda: daemon._rejection.ask_at > time.monotonic() + 60)
    asked = list(box.twin.paths[1:])  # the first enrolled the machine
    assert len(asked) == 1
    assert "heartbeat" in asked[0]
    daemon.bell.ring("signal")
    box.twin.wait_for(beats(box.twin, 2))


def test_a_server_that_is_away_neither_confirms_nor_clears_a_rejection(box: Box) -> None:
    rejection = Rejection(box.state, 300.0, 3600.0, lambda: 0.5)
    assert not rejection.note("unknown token", 1000.0)
    assert rejection.ask_at == 1300.0
    rejection.postpone(1300.0)
    assert (rejection.ask_at, rejection.believed) == (1600.0, "")
    assert not rejection.note("unknown token", 1100.0)  # asked by SIGUSR1, too early to count
    assert rejection.note("unknown token", 1600.0)
    assert rejection.ask_at == 1600.0 + 3600.0
    assert box.state.identity().revoked == rejection.believed
    assert not rejection.note("unknown token", 5200.0)
    rejection.clear()
    assert box.state.identity().revoked == ""


@pytest.mark.parametrize("folder", ["jobs", "backups", "spool", "bin", "repo", "."])
def test_a_folder_that_is_removed_is_made_again(folder: str, box: Box, start: Callable[..., Daemon]) -> None:
    first = box.twin.push({A: manifest("a")})
    start()
    box.twin.wait_for(reported(box.twin, first))
    (old,) = box.state.jobs.iterdir()
    (box.state.folder / folder).resolve().rename(box.folder / "removed")
    second = box.twin.push({B: manifest("b")})
    box.twin.wait_for(reported(box.twin, second))
    assert old.exists()
    assert len(list(box.state.jobs.iterdir())) == 2
    assert os.access(box.state.runner, os.X_OK)
    assert box.state.identity().token == "ep_secret"
    assert box.text().count("run-job") == 2


def test_a_folder_that_cannot_be_used_is_reported(box: Box, start: Callable[..., Daemon]) -> None:
    first = box.twin.push({A: manifest("a")})
    start()
    box.twin.wait_for(reported(box.twin, first))
    before = box.text()
    shutil.rmtree(box.state.backups)
    box.state.backups.write_text("")
    second = box.twin.push({B: manifest("b")})
    box.twin.wait_for(lambda: "backups" in box.twin.reports[-1]["message"])
    assert (box.twin.reports[-1]["status"], box.text()) == ("Failed", before)
    box.state.backups.unlink()
    box.twin.wait_for(reported(box.twin, second))


def test_what_leave_removes_is_not_restored(box: Box, start: Callable[..., Daemon]) -> None:
    head = box.twin.push({A: manifest("a")})
    daemon = start()
    box.twin.wait_for(reported(box.twin, head))
    enroll.leave(box.state, box.agent.scheduler)
    box.twin.push({B: manifest("b")})
    wait_for(lambda: daemon.bell.reasons.empty() and not box.state.enrolled)
    daemon.end()
    assert not box.state.folder.exists()
    assert not box.crontab.exists() or "run-job" not in box.text()


# -- the real process -----------------------------------------------------------------------------------


def fill_disk() -> None:
    """No file can grow, as on a full disk, until the limit is lifted."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


@pytest.fixture
def process(twin: Twin, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """``crontopus-agent run`` on an enrolled host, ended after the test."""
    state, crontab = tmp_path / "state", tmp_path / "crontab"
    verb = [sys.executable, "-m", "agent.main", "--state", str(state)]
    env = {**os.environ, "CRONTOPUS_ENROLLMENT_TOKEN": ENROLLMENT}
    enrolling = [*verb, "--crontab", str(crontab), "enroll", "--url", twin.url, "--name", "db01"]
    subprocess.run(enrolling, env=env, check=True, capture_output=True)
    started: list[subprocess.Popen[bytes]] = []

    def run(*words: str, full_disk: bool = False) -> subprocess.Popen[bytes]:
        command = [*verb, *(words or ("run",))]
        prepare = fill_disk if full_disk else None
        started.append(subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, preexec_fn=prepare))
        return started[-1]

    yield run
    for one in started:
        if one.poll() is None:
            one.kill()
        one.communicate()


def test_sigusr1_makes_a_pass_and_sigterm_ends_within_a_second(
    twin: Twin, process: Callable[..., subprocess.Popen[bytes]]
) -> None:
    head = twin.push({A: manifest("a")})
    daemon = process()
    twin.wait_for(reported(twin, head))
    reports = len(twin.reports)
    daemon.send_signal(signal.SIGUSR1)
    twin.wait_for(lambda: len(twin.reports) > reports)
    daemon.terminate()
    assert daemon.wait(timeout=4.0) == 0


def test_a_full_disk_is_reported_and_the_daemon_goes_on(
    twin: Twin, process: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    first = twin.push({A: manifest("a")})
    daemon = process(full_disk=True)
    twin.wait_for(lambda: any("File too large" in report["message"] for report in twin.reports))
    assert daemon.poll() is None
    assert {report["status"] for report in twin.reports} <= {"Waiting", "Failed"}
    assert not (tmp_path / "crontab").exists()
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, unlimited)
    daemon.send_signal(signal.SIGUSR1)
    twin.wait_for(reported(twin, first))


def test_sigterm_does_not_wait_for_a_stalled_fetch(twin: Twin, process: Callable[..., subprocess.Popen[bytes]]) -> None:
    twin.push({A: manifest("a")})
    twin.git_stalls = 20.0
    daemon = process()
    twin.wait_for(lambda: any(path.startswith("/forge/") for path in twin.paths))
    daemon.terminate()
    assert daemon.wait(timeout=4.0) == 0  # generous for a busy machine; the fetch would take twenty seconds


def test_a_revoked_daemon_stays_and_does_not_hammer(
    twin: Twin, process: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    head = twin.push({A: manifest("a")})
    daemon = process()
    twin.wait_for(reported(twin, head))
    twin.tell(revoked=True)
    twin.wait_for(lambda: twin.rejected)
    requests = len(twin.paths)
    second = process("once")
    _, stderr = second.communicate(timeout=20.0)
    assert (second.returncode, b"rejects this endpoint's token" in stderr) == (77, True)
    assert daemon.poll() is None
    own = [path for path in twin.paths[requests:] if "watch" in path]
    assert len(own) <= 1
    assert "production/a" in (tmp_path / "crontab").read_text()
    daemon.terminate()
    assert daemon.wait(timeout=4.0) == 0


def test_a_daemon_outlives_its_tenants_suspension(twin: Twin, process: Callable[..., subprocess.Popen[bytes]]) -> None:
    first = twin.push({A: manifest("a")})
    daemon = process()
    twin.wait_for(reported(twin, first))
    twin.tell(suspended=True)
    second = twin.push({A: manifest("a", schedule="7 7 * * *")})
    # A second watch is asked by a daemon that has read the refusal of the first, and goes on.
    twin.wait_for(lambda: twin.refused.count(WATCH) > 1 and REPORT in twin.refused)
    twin.tell(suspended=False)
    twin.wait_for(reported(twin, second), 30.0)
    assert daemon.poll() is None


def test_leaving_ends_a_running_daemon_and_nothing_comes_back(
    twin: Twin, process: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    head = twin.push({A: manifest("a")})
    daemon = process()
    twin.wait_for(reported(twin, head))
    assert process("leave").wait(timeout=20.0) == 0
    twin.push({B: manifest("b")})
    assert daemon.wait(timeout=15.0) == 0
    assert not (tmp_path / "crontab").exists()
    assert not (tmp_path / "state").exists()


def test_enrolling_again_does_not_revoke_the_new_token(box: Box) -> None:
    watcher = connect(box.state.identity())
    daemon = Daemon(box.agent, watcher, lambda: 0.0, DOUBTING)
    box.state.save_identity(dataclasses.replace(box.state.identity(), token="ep_new"))
    box.twin.tell(revoked=True)
    with pytest.raises(Refused, match="Restart the agent"):
        daemon.run()
    daemon.end()
    daemon.watching.join()
    watcher.close()
    assert box.state.identity().revoked == ""
