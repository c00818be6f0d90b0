"""supervisord as we configure it: restarts, endings and refusals, with real processes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crontopus_app.base.errors import ConfigurationError
from crontopus_app.base.settings import read
from crontopus_app.programs import frontend, supervise
from tests.fixtures.processes import free_port, running, wait_until

STAY = "import time, os; print('here', os.getpid(), flush=True); time.sleep(600)"
FAIL = "import os; print('here', os.getpid(), flush=True); raise SystemExit(3)"


@contextmanager
def supervised(home: Path, *programs: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """``supervise.run`` over Python programs named one, two, … in a process of its own, and its log."""
    home.mkdir(exist_ok=True)
    names = ("one", "two", "three")
    children = [f"supervise.Program({name!r}, ('-c', {code!r}), 10)" for name, code in zip(names, programs)]
    script = (
        "import pathlib\nfrom crontopus_app.programs import processes, supervise\n"
        f"supervise.run([{', '.join(children)}], pathlib.Path({str(home)!r}))\nprint('ended well')\n"
    )
    log = home / "log"
    with running([sys.executable, "-c", script], log, cwd=frontend.ROOT) as child:
        yield child, log


def pids(log: Path, name: str = "one") -> list[int]:
    """Process ids that the program said, in order."""
    return [int(pid) for pid in re.findall(rf"^{name} +\| here (\d+)", log.read_text(), re.MULTILINE)]


def wait_for_pids(log: Path, count: int, name: str = "one") -> list[int]:
    wait_until(lambda: len(pids(log, name)) >= count, f"{count} starts of {name}")
    return pids(log, name)


def alive(pid: int) -> bool:
    """Whether the process runs; one that waits for its parent to ask how it ended does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_killed_child_is_restarted_and_said_so(tmp_path: Path) -> None:
    with supervised(tmp_path, STAY) as (_, log):
        first = wait_for_pids(log, 1)[0]
        wait_until(lambda: "entered RUNNING state" in log.read_text(), "the child to be called running")
        os.kill(first, signal.SIGKILL)
        second = wait_for_pids(log, 2)[1]
        assert alive(second)
        assert "exited: one (terminated by SIGKILL; not expected)" in log.read_text()
        assert f"spawned: 'one' with pid {second}" in log.read_text()


def test_a_child_that_cannot_start_is_tried_again_with_growing_pauses(tmp_path: Path) -> None:
    with supervised(tmp_path, FAIL) as (_, log):
        wait_for_pids(log, 4)
        spawned = re.findall(r":(\d\d),(\d{3}) INFO spawned: 'one'", log.read_text())
    at = [int(second) + int(milli) / 1000 for second, milli in spawned]
    pauses = [(later - earlier) % 60 for earlier, later in zip(at, at[1:])]
    assert pauses[2] > pauses[0] + 1


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_all_children_and_then_up(tmp_path: Path, sign: signal.Signals) -> None:
    with supervised(tmp_path, STAY, STAY) as (up, log):
        children = wait_for_pids(log, 1) + wait_for_pids(log, 1, "two")
        up.send_signal(sign)
        assert up.wait(15) == 0
        assert not any(alive(pid) for pid in children)
        assert log.read_text().endswith("ended well\n")


def test_a_child_that_ignores_sigterm_is_killed_with_its_own_children(tmp_path: Path) -> None:
    stubborn = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "grandchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print('here', grandchild.pid, flush=True); print('here', os.getpid(), flush=True); time.sleep(600)"
    )
    with supervised(tmp_path, stubborn) as (up, log):
        both = wait_for_pids(log, 2)
        up.send_signal(signal.SIGTERM)
        assert up.wait(20) == 0
        wait_until(lambda: not any(alive(pid) for pid in both), "both to be gone", 5)


def test_children_die_even_when_up_is_killed(tmp_path: Path) -> None:
    tied = f"from crontopus_app.programs.processes import die_with_parent; die_with_parent(); {STAY}"
    with supervised(tmp_path, tied) as (up, log):
        child = wait_for_pids(log, 1)[0]
        up.kill()
        wait_until(lambda: not alive(child), "the child to notice", 5)


def test_the_configuration_survives_odd_paths(tmp_path: Path) -> None:
    home = tmp_path / "100% of 'it'"
    with supervised(home, STAY) as (_, log):
        assert alive(wait_for_pids(log, 1)[0])


def test_a_second_up_on_the_same_folder_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with (
        supervise.locked(tmp_path),
        pytest.raises(ConfigurationError, match="Another `crontopus-server up` is using"),
        supervise.locked(tmp_path),
    ):
        pass
    with supervise.locked(tmp_path):
        pass


def test_a_data_folder_that_cannot_be_written_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"is not writable.*[Ss]et CRONTOPUS_HOME"):
        supervise.locked(tmp_path / "file").__enter__()


def test_a_taken_port_is_refused_with_the_setting_that_changes_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Cannot listen on 127.0.0.1:{port}.*CRONTOPUS_BIND"):
            supervise.check_port("127.0.0.1", port)


def test_a_free_port_and_an_unknown_host() -> None:
    supervise.check_port("127.0.0.1", free_port())
    with pytest.raises(ConfigurationError, match="CRONTOPUS_BIND"):
        supervise.check_port("203.0.113.1", 8000)


def test_what_is_configured_is_not_started(tmp_path: Path) -> None:
    home = {"CRONTOPUS_HOME": str(tmp_path)}
    embedded = [child.name for child in supervise.programs(read(home), demo=False)]
    configured = supervise.programs(read({**home, "CRONTOPUS_REDIS_URL": "redis://127.0.0.1:6379"}), demo=True)
    assert embedded == ["redis", "edits", "worker", "evaluator", "web"]
    assert [child.name for child in configured] == ["edits", "worker", "evaluator", "web", "demo"]
