"""Zone and user as cron sees them, on a machine of its own: the agent's environment lies."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.schedulers import crontab_text
from tests.agent.spools import Host, hosted
from tests.agent.twin import Twin, manifest, running
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
