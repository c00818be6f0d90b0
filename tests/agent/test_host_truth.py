"""Zone, user and runner as cron sees them, on a machine of its own: the agent's environment lies."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.schedulers import crontab_text
from tests.agent.spools import Host, hosted
from tests.agent.twin import ENROLLMENT, Twin, manifest, running
from tests.fixtures.processes import wait_until

A = "production/a.yaml"


@pytest.fixture(params=["root", "ana"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    with running(Twin()) as twin, hosted(tmp_path, request.param, twin) as host:
        set_zone(host, "Europe/Berlin")
        yield host


def set_zone(host: Host, zone: str) -> None:
    """What ``timedatectl set-timezone`` does."""
    link = host.machine.folder / "etc" / "new"
    link.symlink_to(f"/usr/share/zoneinfo/{zone}")
    link.rename(host.machine.folder / "etc" / "localtime")


def test_user_and_zone_are_not_those_of_the_environment(host: Host) -> None:
    host.enroll()
    host.twin.push({A: manifest("a", spec="  user: root\n")})
    host.agent("once")
    report = host.twin.reports[-1]
    assert report["entries"][0]["outcome"] == ("Applied" if host.user == "root" else "Blocked")
    assert report["timezone"] == "Europe/Berlin"
    assert b"run-job" in (host.stored or b"") or host.user != "root"


@pytest.mark.parametrize("host", ["root"], indirect=True)
def test_the_zone_of_the_daemons_environment_is_crons(host: Host) -> None:
    host.enroll()
    daemon = host.machine.start("cron", "-f", env={**os.environ, "TZ": "Asia/Tokyo"})
    comm = Path(f"/proc/{daemon.pid}/comm")
    wait_until(lambda: comm.read_text() == "cron\n", "a cron daemon")
    host.twin.push({A: manifest("a")})
    host.agent("once")
    assert host.twin.reports[-1]["timezone"] == "Asia/Tokyo"


def test_a_running_agent_follows_the_hosts_zone(host: Host) -> None:
    host.enroll()
    host.twin.push({A: manifest("a", schedule="0 9 * * *", spec="  timezone: Asia/Tokyo\n")})
    agent = host.machine.start(*host.words, sys.executable, "-m", "agent.main", "--state", host.state, "run")
    host.twin.wait_for(lambda: host.twin.reports)
    set_zone(host, "Asia/Tokyo")
    agent.send_signal(signal.SIGUSR1)
    host.twin.wait_for(lambda: host.twin.reports[-1]["timezone"] == "Asia/Tokyo")
    assert b"\n0 9 * * * " in (crontab_text.block(host.stored or b"") or b"")


def test_a_line_that_cannot_run_is_not_written(host: Host) -> None:
    host.machine.run("mount", "-t", "tmpfs", "-o", "noexec,mode=777", "tmpfs", f"/run/{host.user}")
    host.enroll()
    host.twin.push({A: manifest("a")})
    code, output = host.agent("once")
    assert (code, host.stored) == (1, None)
    assert "mounted noexec? Choose another one with --state" in output
    assert host.twin.reports[-1]["entries"][0]["outcome"] == "Failed"


def test_an_agent_in_a_folder_with_a_blank_writes_lines_that_run(host: Host) -> None:
    folder = f"/run/{host.user}/my venv"
    host.machine.run("mkdir", folder)
    host.machine.run("mount", "--bind", str(Path(sys.prefix)), folder)
    agent = (*host.words, f"{folder}/bin/python", "-m", "agent.main", "--state", host.state)
    host.machine.run(*agent, "enroll", "--url", host.twin.url, "--token", ENROLLMENT, "--machine-id", "m1")
    host.twin.push({A: manifest("a", command="echo here", spec="  checkin: {enabled: false}\n")})
    host.machine.run(*agent, "once")
    line = next(line for line in (host.stored or b"").splitlines() if b"run-job" in line).decode()
    assert host.machine.run(*host.words, "sh", "-c", line.split(" ", 5)[5]) == b"here\n"
