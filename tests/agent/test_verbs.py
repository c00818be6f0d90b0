"""The commands of the agent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent import host
from agent.cron_daemon import knows_cron_tz
from agent.enroll import enroll
from agent.errors import ServerBusy
from agent.host import dst_policy, machine_id, zone_name
from agent.main import main
from agent.state import State, default_folder
from tests.agent.twin import ENROLLMENT, Twin, manifest

A, B = "production/a.yaml", "production/b.yaml"


class Shell:
    """``crontopus-agent`` with a state folder."""

    def __init__(self, folder: Path) -> None:
        self.state, self.crontab = folder / "state", folder / "crontab"

    def __call__(self, *words: str, expect: int = 0) -> str:
        result: Result = CliRunner().invoke(main, ["--state", str(self.state), *words])
        assert result.exit_code == expect, result.output + repr(result.exception)
        return result.output

    def enroll(self, twin: Twin, *words: str) -> str:
        options = ("--url", twin.url, "--token", ENROLLMENT, "--name", "db01", "--machine-id", "m1")
        result = CliRunner().invoke(
            main, ["--state", str(self.state), "--crontab", str(self.crontab), "enroll", *options, *words]
        )
        assert result.exit_code == 0, result.output
        return result.output


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_the_whole_life_of_an_endpoint(shell: Shell, twin: Twin) -> None:
    shell.crontab.write_bytes(b"0 1 * * * mine")
    assert "Enrolled as db01" in shell.enroll(twin, "--label", "role=db", "--label", "env=prod")
    assert twin.enrolled[0]["labels"] == {"role": "db", "env": "prod"}
    twin.push({A: manifest("a")})
    planned = shell("plan")
    assert "create   production/a" in planned
    assert "+0 2 * * * " in planned
    assert shell.crontab.read_bytes() == b"0 1 * * * mine"
    assert shell("once").startswith("Applied ")
    assert "Nothing to change." in shell("plan")
    report = json.loads(shell("once", "--json"))
    assert (report["status"], report["head"]) == ("Kept", twin.head)
    facts = json.loads(shell("status", "--json"))
    assert (facts["applied"], facts["installed"], facts["state"]) == (twin.head, 1, "enrolled")
    assert "1  000001-" in shell("backups")
    shell("rollback", "1")
    assert shell.crontab.read_bytes() == b"0 1 * * * mine"
    shell("once")
    shell("leave")
    assert shell.crontab.read_bytes() == b"0 1 * * * mine"
    assert not shell.state.exists()
    assert twin.reports[-1]["message"].startswith("crontopus-agent leave removed")


def test_enrolling_waits_while_the_server_is_busy_and_says_so(shell: Shell, twin: Twin) -> None:
    twin.busy = ["1"]
    output = shell.enroll(twin)
    assert "The server accepts no enrolment at the moment: Too many attempts from your address." in output
    assert "Waiting 1 s before the next attempt." in output
    assert "Enrolled as db01" in output


@pytest.mark.parametrize(
    ("busy", "waits"),
    [
        (["7"], [7]),
        (["", "Fri, 31 Dec 1999 23:59:59 GMT"], [15, 15]),  # a proxy names no time, or a date
        (["0", "20"], [1, 20]),
    ],
)
def test_it_waits_as_long_as_it_is_told(tmp_path: Path, twin: Twin, busy: list[str], waits: list[float]) -> None:
    twin.busy, waited = list(busy), []
    enroll(State(tmp_path / "s"), twin.url, ENROLLMENT, str(tmp_path / "c"), "db01", {}, "m", _into(waited))
    assert waited == waits
    assert len(twin.enrolled) == 1


@pytest.mark.parametrize("busy", [["3600"], ["400", "300"], ["300"] * 3])
def test_it_waits_ten_minutes_at_most(tmp_path: Path, twin: Twin, busy: list[str]) -> None:
    twin.busy, waited = list(busy), []
    with pytest.raises(ServerBusy, match="Too many attempts from your address"):
        enroll(State(tmp_path / "s"), twin.url, ENROLLMENT, str(tmp_path / "c"), "db01", {}, "m", _into(waited))
    assert sum(waited) <= 600
    assert twin.enrolled == []


def _into(waited: list[float]) -> Callable[[float, str], None]:
    return lambda seconds, _why: waited.append(seconds)


def test_a_plan_shows_what_holds_it_back_and_changes_nothing(shell: Shell, twin: Twin) -> None:
    shell.enroll(twin)
    twin.push({A: manifest("a"), "README.md": "x"})
    shell("once")
    twin.push({A: None})
    before = shell.crontab.read_bytes()
    output = shell("plan")
    assert "delete   production/a" in output
    assert "The next pass would not apply this: this would remove 1 of 1" in output
    assert shell.crontab.read_bytes() == before
    assert shell("once", expect=1).startswith("Blocked ")


def test_a_failed_file_is_shown_with_its_place(shell: Shell, twin: Twin) -> None:
    shell.enroll(twin)
    twin.push({A: manifest("a").replace("schedule", "shedule")})
    output = shell("once")
    assert "production/a.yaml:" in output
    assert "Failed" in output
    assert "shedule" in shell("status")


def test_verbs_before_enrolment_say_what_to_do(shell: Shell) -> None:
    for verb in ("once", "plan", "status", "leave", "run"):
        assert "is not enrolled" in shell(verb, expect=1)


def test_a_token_is_needed_and_a_wrong_one_is_told(shell: Shell, twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRONTOPUS_ENROLLMENT_TOKEN", raising=False)
    assert "No enrollment token" in shell("enroll", "--url", twin.url, expect=1)
    assert "unknown or expired" in shell("enroll", "--url", twin.url, "--token", "cet_x", expect=1)


def test_a_token_can_come_from_a_file(shell: Shell, twin: Twin, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(ENROLLMENT + "\n")
    shell("--crontab", str(shell.crontab), "enroll", "--url", twin.url, "--token-file", str(tmp_path / "token"))
    assert State(shell.state).enrolled


@pytest.mark.parametrize("label", ["role", "=x"])
def test_a_label_without_its_parts_is_refused(shell: Shell, twin: Twin, label: str) -> None:
    assert "KEY=VALUE" in shell("enroll", "--url", twin.url, "--token", ENROLLMENT, "--label", label, expect=1)


def test_a_revoked_endpoint_says_so_with_its_own_exit_code(shell: Shell, twin: Twin) -> None:
    shell.enroll(twin)
    twin.push({A: manifest("a")})
    shell("once")
    twin.revoked = True
    assert "unknown or revoked" in shell("once", expect=77)
    assert json.loads(shell("status", "--json"))["state"] == "enrolled"  # one answer is not believed
    assert b"run-job" in shell.crontab.read_bytes()
    twin.revoked = False
    assert shell("once").startswith("Kept ")


def test_leaving_names_the_lines_of_the_first_crontopus_that_go_with_it(shell: Shell, twin: Twin) -> None:
    old = "15 4 * * * /opt/x.sh # CRONTOPUS:1f0e2d3c-4b5a-4978-8675-645342312011"
    shell.crontab.write_text(old + "\n0 6 * * * mine\n")
    shell.enroll(twin)
    twin.push({A: manifest("a")})
    shell("once")
    assert old in shell("leave")
    assert shell.crontab.read_text() == "0 6 * * * mine\n"


# -- facts about the machine ----------------------------------------------------------------------------


def test_the_machine_id_is_stable_and_tells_nothing_of_the_original() -> None:
    assert machine_id("abc") == machine_id("abc\n") != machine_id("abd")
    assert "abc" not in machine_id("abc")


def test_each_crontab_of_a_machine_is_an_endpoint_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "machine-id").write_text("abc\n")
    files = [str(tmp_path / "missing"), str(tmp_path / "machine-id")]
    assert machine_id(files=files) == machine_id("abc")
    assert len({machine_id(None, name, files) for name in ("", "alice", "/etc/crontab.job")}) == 3
    assert machine_id("abd", "alice") == machine_id("abd", "bob")


def test_two_agents_of_one_machine_say_that_they_are_two(
    twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "machine-id").write_text("abc\n")
    # Where the system keeps its id; a container has none.
    monkeypatch.setattr(host, "MACHINE_IDS", (str(tmp_path / "machine-id"),))
    for number, name in enumerate(("one", "other", "one")):
        words = ["--state", str(tmp_path / str(number)), "--crontab", str(tmp_path / name)]
        done = CliRunner().invoke(main, [*words, "enroll", "--url", twin.url, "--token", ENROLLMENT])
        assert done.exit_code == 0, done.output
    first, second, again = (request["machine_id"] for request in twin.enrolled)
    assert first == again != second


def test_the_zone_is_that_of_localtime_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", ":Asia/Tokyo")
    (tmp_path / "timezone").write_text("Europe/Berlin\n")
    assert zone_name(tmp_path) == "UTC", "the C library does not read /etc/timezone"
    localtime = tmp_path / "localtime"
    localtime.symlink_to("/usr/share/zoneinfo/America/New_York")
    assert zone_name(tmp_path) == "America/New_York"


def test_a_copied_localtime_has_the_zone_of_its_contents(tmp_path: Path) -> None:
    berlin = Path("/usr/share/zoneinfo/Europe/Berlin").read_bytes()
    (tmp_path / "localtime").write_bytes(berlin)
    (tmp_path / "timezone").write_text("Europe/Berlin")
    assert zone_name(tmp_path) == "Europe/Berlin"
    (tmp_path / "timezone").write_text("Asia/Tokyo")  # out of date
    assert (Path("/usr/share/zoneinfo") / zone_name(tmp_path)).read_bytes() == berlin
    (tmp_path / "localtime").write_bytes(b"damaged")
    assert zone_name(tmp_path) == "UTC"


def test_cronie_is_known_by_its_version_also_when_it_replaces_another_cron(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for number, (answer, known) in enumerate([("invalid option -- 'V'", False), ("cronie 1.6.1", True)]):
        new = tmp_path / str(number)
        new.write_text(f'#!/bin/sh\necho "{answer}" >&2; exit 1\n')
        new.chmod(0o755)
        new.rename(tmp_path / "crontab")
        assert knows_cron_tz() is known


def test_busybox_cron_is_known_by_its_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dst_policy() == "debian"
    (tmp_path / "busybox").write_text("")
    (tmp_path / "busybox").chmod(0o755)
    (tmp_path / "crond").symlink_to("busybox")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert dst_policy() == "busybox"


def test_the_state_folder_can_be_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRONTOPUS_AGENT_STATE", str(tmp_path / "elsewhere"))
    assert default_folder() == tmp_path / "elsewhere"
