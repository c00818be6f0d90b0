"""A real cron daemon, a real crontab, the real agent and runner; only the control plane is the tests' twin.

Everything happens on a machine of the test's own: this machine's crontabs, /etc/cron.d and /run are neither seen nor
touched.
One wait for cron's next minute shows many things at once.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.schedulers import crontab_text
from tests.agent.twin import ENROLLMENT, Twin, manifest, running
from tests.fixtures.machines import Machine
from tests.fixtures.processes import wait_until

pytestmark = pytest.mark.timeout(240)

CRON = shutil.which("cron", path="/usr/sbin:/usr/bin:/sbin") or ""
FINE, FAILING, PAUSED, GATED = (
    "production/fine.yaml",
    "production/failing.yaml",
    "production/paused.yaml",
    "staging/gated.yaml",
)
EVERY = "* * * * *"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine("cron01", tmp_path / "machine", network=False)
    yield made
    made.end()


def pushed(twin: Twin, folder: Path) -> None:
    twin.push(
        {
            FINE: manifest("fine", schedule=EVERY, command="printf", spec='  args: ["%s|", "a  b", "100%", "$HOME"]\n'),
            FAILING: manifest("failing", schedule=EVERY, command=f"echo $GREETING >> {folder}/failing; exit 3"),
            PAUSED: manifest("paused", schedule=EVERY, command=f"touch {folder}/paused", spec="  paused: true\n"),
            GATED: manifest(
                "gated", schedule="0 4 1 1 *", command=f"touch {folder}/gated", spec="  timezone: Pacific/Auckland\n"
            ),
        }
    )


def kinds(twin: Twin, job: str) -> list[str]:
    return [checkin["kind"] for checkin in twin.checkins if checkin["job_id"] == job]


def test_cron_runs_the_jobs_and_an_outage_of_the_server_loses_nothing(machine: Machine, tmp_path: Path) -> None:
    assert CRON, "this test needs a cron daemon: apt-get install cron"
    original = f"# mine\nGREETING=hello\n{EVERY} echo foreign >> {tmp_path}/foreign\n".encode()
    machine.run("crontab", "-", data=original)
    state = tmp_path / "state"
    agent = (sys.executable, "-m", "agent.main", "--state", str(state))
    twin = Twin()

    with running(twin):
        port = int(twin.url.rsplit(":", 1)[1])
        pushed(twin, tmp_path)
        machine.run(*agent, "enroll", "--url", twin.url, "--token", ENROLLMENT, "--name", "cron01")
        assert machine.run("crontab", "-l") == original
        machine.run(*agent, "once")
        installed = machine.run("crontab", "-l")
        assert crontab_text.without(installed) == original
        ids = {entry["path"]: entry["job_id"] for entry in twin.reports[-1]["entries"]}

    # Without the server, cron and the agent keep working.
    machine.start(CRON, "-f")
    daemon = machine.start(*agent, "run")
    spool = state / "spool"
    wait_until(lambda: len(list(spool.glob("*.json"))) >= 4, "a minute of cron with both jobs spooled", 90)
    wait_until((tmp_path / "foreign").exists, "the foreign line")
    assert (tmp_path / "failing").read_text().startswith("hello\n")
    assert not (tmp_path / "paused").exists()
    assert not (tmp_path / "gated").exists()

    with running(twin, port):
        done = {ids[FINE]: "success", ids[FAILING]: "fail"}
        twin.wait_for(lambda: all(kind in kinds(twin, job) for job, kind in done.items()), 90)
        wait_until(lambda: not list(spool.glob("*.json")), "an empty spool", 60)
        ended = {checkin["job_id"]: checkin for checkin in twin.checkins if checkin["kind"] in ("success", "fail")}
        assert ended[ids[FAILING]]["exit_code"] == 3
        assert ended[ids[FINE]]["output"]["head"] == "a  b|100%|$HOME|"
        assert ended[ids[FINE]]["slot"].startswith(ended[ids[FINE]]["started_at"][:16])
        assert ended[ids[FINE]]["commit"] == twin.head
        assert "start" in kinds(twin, ids[FINE])
        assert kinds(twin, ids[PAUSED]) == kinds(twin, ids[GATED]) == []
        assert len({checkin["id"] for checkin in twin.checkins}) >= 4

        daemon.terminate()
        daemon.wait(timeout=30)
        machine.run(*agent, "leave")
        assert machine.run("crontab", "-l") == original
        assert not state.exists()
