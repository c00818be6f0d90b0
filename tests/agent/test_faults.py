"""Faults: the agent removes no job and changes no foreign line."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import enroll as enrolment
from agent.control import Control
from agent.errors import Refused, Revoked, SchedulerFailed, Unproved
from agent.reconcile import Agent
from agent.schedulers import Crontab, CrontabFile, crontab_text
from agent.schedulers.memory import MemoryCrontab
from agent.source import Source
from agent.state import State, backups
from tests.agent.conftest import NOW, Box, make_host
from tests.agent.twin import ENROLLMENT, Twin, manifest, running

A, B = "production/a.yaml", "production/b.yaml"
Make = Callable[..., Box]


def jobs(count: int) -> dict[str, str]:
    return {f"production/j{number}.yaml": manifest(f"j{number}") for number in range(count)}


def without(count: int, start: int = 0) -> dict[str, None]:
    return {f"production/j{number}.yaml": None for number in range(start, start + count)}


# -- fetching ------------------------------------------------------------------------------------------


def test_a_git_server_that_is_away_removes_nothing_and_is_reported(box: Box) -> None:
    box.push({A: manifest("a")})
    before = box.text()
    box.twin.git_down = True
    report = box.push({B: manifest("b")})
    assert report.status == "Waiting"
    assert box.text() == before
    assert box.twin.reports[-1]["status"] == "Waiting"
    box.twin.git_down = False
    assert box.once().status == "Applied"
    assert "production/b" in box.text()


def test_an_empty_tree_waits_even_when_the_brake_would_let_it(box: Box) -> None:
    box.push({A: manifest("a")})
    before = box.text()
    report = box.push({A: None}, "Empty\n\nCrontopus-Prune: yes")
    assert (report.status, report.message) == ("Waiting", "the repository is empty")
    assert box.text() == before


def test_a_repository_without_the_branch_waits(box: Box) -> None:
    report = box.once()
    assert report.status == "Waiting"
    assert "no branch main" in report.message


def test_a_refused_git_credential_waits(box: Box) -> None:
    box.push({A: manifest("a")})
    box.twin.push({B: manifest("b")})
    box.agent.identity = dataclasses.replace(box.agent.identity, git_token="wrong")
    report = box.once()
    assert report.status == "Waiting"
    assert "wrong" not in report.message


def test_damaged_local_objects_are_fetched_again(box: Box) -> None:
    box.push({A: manifest("a")})
    for pack in (box.state.repo / "objects" / "pack").iterdir():
        pack.chmod(0o600)
        pack.write_bytes(b"damaged")
    assert box.push({B: manifest("b")}).status == "Applied"


def test_a_fetch_that_stalls_ends_at_its_bound(box: Box) -> None:
    box.agent.source = Source(box.state.repo, seconds=0.2)
    box.twin.push({A: manifest("a")})
    box.twin.git_stalls = 5.0
    report = box.once()
    assert (report.status, "within 0.2 s" in report.message) == ("Waiting", True)
    assert report.duration_s < box.twin.git_stalls


# -- the prune brake ------------------------------------------------------------------------------------


def test_deleting_every_entry_is_braked(box: Box) -> None:
    box.push({A: manifest("a"), "README.md": "x"})
    before = box.text()
    report = box.push({A: None})
    assert (report.status, box.text()) == ("Blocked", before)
    assert "1 of 1" in report.message
    assert box.outcomes(report) == {A: "Blocked"}
    assert report.applied != report.head


@pytest.mark.parametrize(
    ("had", "gone", "braked"), [(4, 3, False), (5, 2, False), (5, 3, True), (6, 3, False), (4, 4, True)]
)
def test_the_brake_holds_for_more_than_half_of_five_or_more(box: Box, had: int, gone: int, braked: bool) -> None:
    box.push({**jobs(had), "README.md": "x"})
    report = box.push(dict(without(gone)))
    assert (report.status == "Blocked") is braked
    assert box.text().count("run-job") == (had if braked else had - gone)


def test_the_trailer_releases_the_brake_even_behind_later_commits(box: Box) -> None:
    box.push({**jobs(6)})
    box.push(dict(without(4)))
    box.twin.push({"README.md": "x"}, "Clean up\n\nCrontopus-Prune: yes\n")
    report = box.push({"README.md": "y"})
    assert report.status == "Applied"
    assert box.text().count("run-job") == 2


def test_a_trailer_that_was_applied_before_does_not_count_again(box: Box) -> None:
    box.push({**jobs(8), "README.md": "x"}, "First\n\nCrontopus-Prune: yes")
    assert box.push(dict(without(6))).status == "Blocked"


def test_a_confirmation_counts_for_its_head_only(box: Box) -> None:
    box.push({**jobs(6)})
    box.agent.prune_confirmed = box.twin.head
    assert box.push(dict(without(4))).status == "Blocked"
    box.agent.prune_confirmed = box.twin.head
    assert box.once().status == "Applied"


def test_a_new_selector_is_braked_like_a_removal(box: Box) -> None:
    box.push({A: manifest("a")})
    report = box.push({A: manifest("a", spec="  agent: {endpoints: [web01]}\n")})
    assert report.status == "Blocked"


def test_the_policy_moves_the_brake(box: Box) -> None:
    box.push({**jobs(6), "crontopus.yaml": "prune: {maxShare: 0.9}\n"})
    assert box.push(dict(without(4))).status == "Applied"


# -- the crontab ----------------------------------------------------------------------------------------


class Flaky(MemoryCrontab):
    """A crontab that changes during a pass, or that cannot be read."""

    def __init__(self, data: bytes | None, meanwhile: list[bytes], broken: bool = False) -> None:
        super().__init__(data)
        self._meanwhile = meanwhile
        self._broken = broken

    def read(self) -> bytes | None:
        if self._broken:
            raise SchedulerFailed("crontab -l failed with 1: permission denied")
        seen = self.data
        if self._meanwhile:
            self.data = self._meanwhile.pop(0)
        return seen


def with_crontab(box: Box, store: MemoryCrontab) -> Agent:
    return Agent(box.state, Crontab(store, box.state.runner), box.agent.control, lambda: box.host, lambda: NOW)


def test_an_unreadable_crontab_is_not_an_empty_one(box: Box) -> None:
    box.twin.push({A: manifest("a")})
    scheduler = Flaky(b"0 1 * * * x\n", [], broken=True)
    report = with_crontab(box, scheduler).once()
    assert (report.status, scheduler.writes) == ("Failed", 0)
    assert "permission denied" in report.message


def test_a_crontab_whose_bytes_cannot_be_known_blocks_every_job_with_the_reason(box: Box) -> None:
    box.twin.push({A: manifest("a")})

    class Unknown(MemoryCrontab):
        def read(self) -> bytes | None:
            raise Unproved("two crontabs look alike")

    store = Unknown(b"0 1 * * * x\n")
    report = with_crontab(box, store).once()
    assert (report.status, report.message, store.writes) == ("Blocked", "two crontabs look alike", 0)
    assert [(entry.outcome, entry.reason) for entry in report.entries] == [("Blocked", "two crontabs look alike")]


def test_a_crontab_changed_meanwhile_is_not_overwritten(box: Box) -> None:
    box.twin.push({A: manifest("a")})
    scheduler = Flaky(b"0 1 * * * x\n", [b"0 1 * * * just typed\n"])
    agent = with_crontab(box, scheduler)
    report = agent.once()
    assert (report.status, scheduler.data) == ("Failed", b"0 1 * * * just typed\n")
    assert agent.once().status == "Applied"
    assert (scheduler.data or b"").startswith(b"0 1 * * * just typed\n")


def test_a_write_that_did_not_arrive_is_failed_and_done_again(box: Box) -> None:
    box.twin.push({A: manifest("a")})

    class Forgetful(MemoryCrontab):
        def write(self, data: bytes, before: bytes | None = None) -> None:
            self.writes += 1
            self.data = data if self.writes > 1 else self.data

    scheduler = Forgetful(b"")
    agent = with_crontab(box, scheduler)
    assert agent.once().status == "Failed"
    assert agent.once().status == "Applied"


def test_a_backup_is_kept_before_each_write_and_at_most_twenty(box: Box) -> None:
    for number in range(23):
        box.push({A: manifest("a", schedule=f"{number} 1 * * *")})
    kept = backups(box.state.backups)
    assert len(kept) == 20
    assert b"\n21 1 * * * " in kept[-1].read_bytes()
    assert kept[-1].stat().st_mode & 0o777 == 0o600


def test_a_rollback_brings_the_bytes_back(box: Box) -> None:
    box.crontab.write_bytes(b"0 1 * * * mine\n")
    box.push({A: manifest("a")})
    enrolment.roll_back(box.state, Crontab(CrontabFile(box.crontab), box.state.runner), 1)
    assert box.crontab.read_bytes() == b"0 1 * * * mine\n"
    with pytest.raises(Refused, match="no backup 99"):
        enrolment.roll_back(box.state, Crontab(CrontabFile(box.crontab), box.state.runner), 99)


def test_mode_and_links_of_a_crontab_file_survive(make_box: Make, tmp_path: Path) -> None:
    box = make_box(b"0 1 * * * x\n")
    real = tmp_path / "real"
    os.replace(box.crontab, real)
    real.chmod(0o640)
    box.crontab.symlink_to(real)
    box.agent.scheduler = Crontab(CrontabFile(box.crontab), box.state.runner)
    box.push({A: manifest("a")})
    assert box.crontab.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert b"production/a" in real.read_bytes()


def test_a_crontab_file_that_is_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(SchedulerFailed, match="cannot be read"):
        CrontabFile(tmp_path).read()


# -- the runner ---------------------------------------------------------------------------------------


def test_a_runner_that_was_deleted_is_installed_again(box: Box) -> None:
    box.push({A: manifest("a")})
    good = box.state.runner.read_bytes()
    box.state.runner.unlink()
    assert box.once().status == "Kept"
    assert box.state.runner.read_bytes() == good


def test_lines_that_cron_cannot_start_are_failed_also_those_that_were_applied(box: Box) -> None:
    box.push({A: manifest("a")})
    before = box.text()
    box.state.runner.unlink()
    box.state.runner.mkdir()
    report = box.push({B: manifest("b")})
    assert (report.status, box.outcomes(report), box.text()) == ("Failed", {A: "Failed", B: "Failed"}, before)
    assert f"cron cannot start {box.state.runner} (exit code 126" in box.reasons(report)
    assert "cannot be installed again" in box.reasons(report)
    box.state.runner.rmdir()
    assert box.outcomes(box.once()) == {A: "Kept", B: "Applied"}


# -- drift ----------------------------------------------------------------------------------------------


def drifted(box: Box, change: Callable[[bytes], bytes]) -> tuple[bytes, list[tuple[str, str, str]]]:
    """Edits the crontab by hand and makes a pass. Returns the original crontab and the reported drift."""
    good = box.crontab.read_bytes()
    box.crontab.write_bytes(change(good))
    report = box.once(fetch=False)
    assert box.twin.reports[-1]["drift"] == [
        {**drift, "modified_at": drift["modified_at"].isoformat()} for drift in map(dataclasses.asdict, report.drift)
    ]
    return good, [(drift.kind, drift.expected, drift.found) for drift in report.drift]


def test_a_changed_line_is_reported_with_both_texts_and_healed(box: Box) -> None:
    box.push({A: manifest("a")})
    good, drift = drifted(box, lambda data: data.replace(b"0 2 * * *", b"0 3 * * *"))
    kind, expected, found = drift[0]
    assert (kind, expected.split()[1], found.split()[1]) == ("line_changed", "2", "3")
    assert box.crontab.read_bytes() == good
    assert box.twin.reports[-1]["drift"][0]["owner"]


def test_a_missing_line_is_reported_and_healed(box: Box) -> None:
    box.push({A: manifest("a"), B: manifest("b")})
    good, drift = drifted(box, lambda data: b"".join(crontab_text.lines(data)[:2] + crontab_text.lines(data)[3:]))
    assert [kind for kind, _, _ in drift] == ["line_missing"]
    assert box.crontab.read_bytes() == good


def test_a_line_written_into_our_block_is_reported_masked_and_taken_out(box: Box) -> None:
    box.push({A: manifest("a")})
    good, drift = drifted(
        box, lambda data: data.replace(crontab_text.END, b"0 5 * * * x --password=hunter2\n" + crontab_text.END)
    )
    assert drift == [("line_added", "", "0 5 * * * x --password=•••")]
    assert box.crontab.read_bytes() == good
    assert b"hunter2" in backups(box.state.backups)[-1].read_bytes()


def test_a_removed_block_comes_back(box: Box) -> None:
    box.push({A: manifest("a")})
    good, drift = drifted(box, lambda _: b"")
    assert drift == [("block_removed", "the managed block", "no managed block")]
    assert box.crontab.read_bytes() == good


def test_a_doubled_block_becomes_one(box: Box) -> None:
    box.push({A: manifest("a")})
    good, drift = drifted(box, lambda data: data + data)
    assert ("block_doubled", "one managed block", "several managed blocks") in drift
    assert box.crontab.read_bytes() == good


def test_lines_in_another_order_are_drift_too(box: Box) -> None:
    box.push({A: manifest("a"), B: manifest("b")})
    good, drift = drifted(box, lambda data: b"".join(crontab_text.lines(data)[i] for i in (0, 3, 4, 1, 2, 5)))
    assert [kind for kind, _, _ in drift] == ["block_edited"]
    assert box.crontab.read_bytes() == good


FOREIGN = b"MAILTO=x\n# Daily backup\n# about mail\n0 1 * * * mine\n"
BELOW = b"0 5 * * * below\n"


@pytest.mark.parametrize(
    "command",
    [
        "grep -v '^#'",
        "LC_ALL=C sort",
        "LC_ALL=C sort -r",
        "sed 's/^[0-9]/  &/'",
        r"sed -n '/run-job/H;p;${x;s/^\n//;p}'",
        "sed '/run-job/{p;p}'",
        "sed 's/^# BEGIN.*//; s/^# END.*//'",
        "sed -n '/run-job/{s/^/\t/;s/$/ \t/;p};p'",
    ],
)
def test_lines_of_ours_outside_our_block_go_back_into_it_and_are_drift(make_box: Make, command: str) -> None:
    box = make_box(FOREIGN)
    box.push({A: manifest("a"), B: manifest("b", spec="  paused: true\n")})
    box.crontab.write_bytes(box.crontab.read_bytes() + BELOW)
    edited = subprocess.run(command, input=box.crontab.read_bytes(), stdout=subprocess.PIPE, shell=True, check=True)  # noqa: S602
    foreign = [
        line for line in crontab_text.lines(edited.stdout) if line.strip().lstrip() in FOREIGN + b"0 5 * * * below"
    ]
    good, drift = drifted(box, lambda _: edited.stdout)
    assert drift
    assert (crontab_text.block(good) or b"") in box.crontab.read_bytes()
    assert box.crontab.read_bytes().count(b"run-job") == 2
    left = crontab_text.lines(crontab_text.without(box.crontab.read_bytes()))
    assert [line for line in left if line.strip()] == [line for line in foreign if line.strip()]
    assert box.once(fetch=False).drift == []


@pytest.mark.parametrize("lost", [False, True])
def test_leaving_takes_all_lines_of_ours_and_no_other(make_box: Make, lost: bool) -> None:
    box = make_box(FOREIGN)
    box.push({A: manifest("a"), B: manifest("b", spec="  paused: true\n")})
    lines = crontab_text.lines(crontab_text.block(box.crontab.read_bytes()) or b"")
    calls = [line for line in lines if b"run-job" in line]
    theirs = b"0 6 * * * /other/bin/run-job 5b0c7c9e-6c2b-4a55-9b59-0a4b1f1b6f5e\n0 7 * * * echo " + calls[0]
    box.crontab.write_bytes(calls[0] + b"".join(lines[:2]) + FOREIGN + b" " + calls[0] + theirs + calls[1])
    if lost:
        (box.state.folder / "memory.json").unlink()
    enrolment.leave(box.state, Crontab(CrontabFile(box.crontab), box.state.runner))
    assert box.crontab.read_bytes() == FOREIGN + theirs


def test_two_agents_on_one_crontab_are_named_and_do_not_replace_each_other(make_box: Make, tmp_path: Path) -> None:
    box = make_box(FOREIGN)
    box.push({A: manifest("a")})
    before = box.crontab.read_bytes()
    state = State(tmp_path / "second")
    enrolment.enroll(state, box.twin.url, ENROLLMENT, str(box.crontab), "db01", {}, "machine-1")
    scheduler = Crontab(CrontabFile(box.crontab), state.runner)
    second = Agent(state, scheduler, box.agent.control, lambda: box.host, lambda: NOW)
    report = second.once()
    assert (report.status, box.crontab.read_bytes()) == ("Blocked", before)
    assert f"another agent manages this crontab too, with the runner {box.state.runner}" in box.reasons(report)
    assert box.once().status == "Kept"
    enrolment.leave(state, scheduler)
    assert box.crontab.read_bytes() == before


def test_the_block_of_an_agent_that_is_gone_is_taken_over(make_box: Make, tmp_path: Path) -> None:
    box = make_box(FOREIGN)
    box.push({A: manifest("a")})
    gone = box.crontab.read_bytes().replace(str(box.state.folder).encode(), str(tmp_path / "gone").encode())
    box.crontab.write_bytes(gone)
    assert box.once().status == "Applied"
    assert str(box.state.runner).encode() in box.crontab.read_bytes()
    assert b"gone" not in box.crontab.read_bytes()


def test_foreign_lines_may_change_without_being_drift(box: Box) -> None:
    box.push({A: manifest("a")})
    good, drift = drifted(box, lambda data: b"0 1 * * * new\n" + data + b"MAILTO=x\n")
    assert drift == []
    assert box.crontab.read_bytes() == b"0 1 * * * new\n" + good + b"MAILTO=x\n"


def test_drift_is_healed_while_git_is_away(box: Box) -> None:
    box.push({A: manifest("a")})
    box.twin.git_down = True
    good, drift = drifted(box, lambda _: b"")
    assert drift
    assert box.crontab.read_bytes() == good


def test_a_policy_can_ask_to_report_only(box: Box) -> None:
    box.push({A: manifest("a"), "crontopus.yaml": "drift: report\n"})
    changed = box.text().replace("0 2 * * *", "0 3 * * *")
    box.crontab.write_text(changed)
    report = box.once(fetch=False)
    assert (report.status, box.text()) == ("Blocked", changed)
    assert [drift.kind for drift in report.drift] == ["line_changed"]
    box.crontab.write_text(changed.replace("# END", "0 5 * * * x --password=hunter2\n# END"))
    box.once(fetch=False)
    assert "hunter2" not in str(box.twin.reports[-1])


def test_an_invalid_policy_leaves_the_last_good_one_in_force(box: Box) -> None:
    box.push({**jobs(6), "crontopus.yaml": "prune: {maxShare: 0.9}\n"})
    box.push({"crontopus.yaml": "prune: [broken\n"})
    assert box.push(dict(without(4))).status == "Applied"


# -- the control plane ----------------------------------------------------------------------------------


def test_a_report_that_does_not_arrive_stops_nothing(tmp_path: Path) -> None:
    twin = Twin()
    with running(twin):
        state = State(tmp_path / "state")
        enrolment.enroll(state, twin.url, ENROLLMENT, str(tmp_path / "crontab"), "db01", {}, "m")
        twin.push({A: manifest("a")})
        away = Control("http://127.0.0.1:9", "ep_secret")
        agent = Agent(state, Crontab(CrontabFile(tmp_path / "crontab"), state.runner), away, make_host)
        assert agent.once().status == "Applied"
        agent.close()


def test_a_revoked_token_is_told_and_the_entries_stay(box: Box) -> None:
    box.push({A: manifest("a")})
    before = box.text()
    box.twin.revoked = True
    with pytest.raises(Revoked, match="revoked"):
        box.once()
    assert box.text() == before


def test_a_pass_reports_the_crontab_with_secrets_masked(make_box: Make) -> None:
    box = make_box(b"API_TOKEN=abc\n# note\n\n0 1 * * * run --password=hunter2\n")
    box.push({A: manifest("a")})
    shown = box.twin.reports[-1]["crontab"]
    assert [line["standing"] for line in shown] == [
        "environment", "comment", "blank", "foreign", "ours", "ours", "managed", "ours",
    ]  # fmt: skip
    assert shown[6]["note"] == "production/a"
    assert not any(secret in str(shown) for secret in ("abc", "hunter2"))


def test_an_unchanged_pass_of_the_daemon_is_a_heartbeat(box: Box) -> None:
    box.push({A: manifest("a")})
    box.once(always_report=False)
    reports = len(box.twin.reports)
    box.once(always_report=False)
    assert (len(box.twin.reports), box.twin.heartbeats) == (reports, 1)


# -- enrolment ------------------------------------------------------------------------------------------


def test_enrolling_tells_the_host_and_leaves_the_crontab_alone(make_box: Make) -> None:
    box = make_box(b"0 1 * * * x\n", labels={"role": "db"})
    request = box.twin.enrolled[0]
    assert (request["name"], request["labels"], request["capabilities"]["zones"]) == ("db01", {"role": "db"}, "cover")
    assert len(request["machine_id"]) == 64
    assert "machine-1" not in request["machine_id"]
    assert box.crontab.read_bytes() == b"0 1 * * * x\n"


def test_enrolling_again_keeps_what_was_applied(box: Box) -> None:
    box.push({A: manifest("a")})
    before = box.text()
    enrolment.enroll(box.state, box.twin.url, ENROLLMENT, str(box.crontab), "db01", {}, "machine-1")
    assert box.once().status == "Kept"
    assert box.text() == before
    assert box.twin.enrolled[0]["machine_id"] == box.twin.enrolled[1]["machine_id"]


def test_a_wrong_enrollment_token_is_refused_in_the_servers_words(twin: Twin, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="unknown or expired"):
        enrolment.enroll(State(tmp_path / "s"), twin.url, "cet_wrong", str(tmp_path / "c"), "", {}, "m")
    assert not State(tmp_path / "s").enrolled


@pytest.mark.parametrize("url", ["ftp://x", "nonsense", "http://u:p@h"])
def test_a_bad_address_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(Refused):
        enrolment.enroll(State(tmp_path / "s"), url, "cet_x", None, "", {}, "m")


def test_a_state_folder_that_a_crontab_line_cannot_name_is_refused(twin: Twin, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="--state"):
        enrolment.enroll(State(tmp_path / "two words"), twin.url, ENROLLMENT, str(tmp_path / "c"), "", {}, "m")
