"""Passes with a real repository and a real crontab file."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.enroll import leave
from agent.schedulers import Crontab, CrontabFile, crontab_text
from agent.state import backups
from contract.wire import PassReport
from tests.agent.conftest import Box, make_host
from tests.agent.twin import manifest

VECTORS = sorted((Path(__file__).parents[1] / "vectors" / "crontabs").glob("*.crontab"))
CASES = Path(__file__).parents[1] / "vectors" / "cases"
ID = "5b0c7c9e-6c2b-4a55-9b59-0a4b1f1b6f5e"
A, B, C = "production/a.yaml", "production/b.yaml", "production/c.yaml"
Make = Callable[..., Box]


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_every_crontab_survives_enrol_sync_change_and_leave(path: Path, make_box: Make) -> None:
    original = path.read_bytes()
    foreign, _ = crontab_text.take_first_crontopus(original)
    box = make_box(original)
    assert box.crontab.read_bytes() == original
    box.push({A: manifest("a"), B: manifest("b")})
    assert crontab_text.without(box.crontab.read_bytes()) == foreign
    box.push({A: manifest("a", schedule="5 5 * * 1")})
    assert crontab_text.without(box.crontab.read_bytes()) == foreign
    assert "5 5 * * 1 " in box.crontab.read_bytes().decode("latin-1")
    leave(box.state, Crontab(CrontabFile(box.crontab), box.state.runner))
    assert box.crontab.read_bytes() == foreign
    assert not box.state.folder.exists()


def test_the_block_looks_as_documented(box: Box) -> None:
    report = box.push({A: manifest("a", id=ID)})
    assert box.text() == (
        f"{crontab_text.BEGIN.decode()}# production/a {report.head[:8]}\n"
        f"0 2 * * * {box.state.runner} {ID}\n{crontab_text.END.decode()}"
    )
    assert (report.status, report.applied, box.outcomes(report)) == ("Applied", report.head, {A: "Applied"})


def test_a_second_pass_changes_nothing(box: Box) -> None:
    box.push({A: manifest("a")})
    before = box.crontab.stat()
    report = box.once()
    assert (report.status, box.outcomes(report)) == ("Kept", {A: "Kept"})
    assert box.crontab.stat().st_mtime_ns == before.st_mtime_ns
    assert len(backups(box.state.backups)) == 1


def test_a_report_says_which_schedule_is_installed(box: Box) -> None:
    def installed(report: PassReport) -> dict[str, list[str] | None]:
        return {entry.path: entry.schedule for entry in report.entries}

    first = box.push({A: manifest("a"), B: manifest("b", schedule="H 3 * * *")})
    assert installed(first)[A] == ["0 2 * * *"]
    (resolved,) = installed(first)[B] or [""]
    assert re.fullmatch(r"\d+ 3 \* \* \*", resolved)
    assert {entry.zone for entry in first.entries} == {box.agent.host.zone}
    assert installed(box.push({A: manifest("a", schedule="0 4 * * *")}))[A] == ["0 4 * * *"]
    assert installed(box.push({A: "not a manifest"}))[A] == ["0 4 * * *"]
    assert installed(box.push({A: manifest("a", spec="  paused: true\n")}))[A] == []
    assert installed(box.push({A: manifest("a", spec="  checkin: {enabled: false}\n")}))[A] == []
    assert installed(box.push({A: None}))[A] == []


def test_another_commit_leaves_the_lines_of_unchanged_jobs_alone(box: Box) -> None:
    first = box.push({A: manifest("a"), B: manifest("b")})
    second = box.push({B: manifest("b", command="echo other")})
    assert f"# production/a {first.head[:8]}\n" in box.text()
    assert f"# production/b {second.head[:8]}\n" in box.text()
    assert box.outcomes(second) == {A: "Kept", B: "Applied"}


def test_the_runner_and_its_files_are_there_and_closed(box: Box) -> None:
    box.push({A: manifest("a", id=ID, command="echo hi", spec='  args: ["a  b"]\n')})
    job = json.loads((box.state.jobs / f"{ID}.json").read_bytes())
    assert (job["v"], job["job_id"], job["command"], job["args"]) == (1, ID, "echo hi", ["a  b"])
    assert (job["schedule"], job["commit"], job["gate"]) == (["0 2 * * *"], box.twin.head, None)
    assert json.loads((box.state.folder / "runner.json").read_bytes())["token"] == "ep_secret"
    assert box.state.runner.read_bytes().split(b"\n")[0].endswith(b" -IS")
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in box.state.folder.rglob("*") if path.is_file()}
    loose = {str(path) for path, mode in modes.items() if mode & 0o077 and "repo" not in path.parts}
    assert loose == {str(box.state.runner)}
    assert stat.S_IMODE(box.state.folder.stat().st_mode) == 0o700


def test_a_repository_that_moved_is_followed_to_the_address_the_server_gives(box: Box) -> None:
    box.push({A: manifest("a")})
    box.twin.move("/forge/crontopus/elsewhere.git")
    box.agent.learn(box.agent.control.watch("", 0.0, 0, "").git)
    report = box.push({B: manifest("b")})
    assert (report.status, report.applied) == ("Applied", box.twin.head)
    assert box.state.identity().git_url == f"{box.twin.url}/forge/crontopus/elsewhere.git"


def test_tokens_travel_in_headers_only(box: Box) -> None:
    box.push({A: manifest("a")})
    assert "Bearer ep_secret" in box.twin.authorizations
    assert not any(secret in path for path in box.twin.paths for secret in ("ep_", "cet_", "git_0"))
    assert "ep_secret" not in box.text()
    config = (box.state.repo / "config").read_text()
    assert "git_0" not in config


def test_a_removed_manifest_removes_its_line_and_its_job_file(box: Box) -> None:
    box.push({A: manifest("a", id=ID), B: manifest("b")})
    report = box.push({A: None})
    assert ID not in box.text()
    assert not (box.state.jobs / f"{ID}.json").exists()
    assert box.outcomes(report) == {A: "Applied", B: "Kept"}


def test_a_bad_file_is_never_a_removal(box: Box) -> None:
    box.push({A: manifest("a"), B: manifest("b")})
    before = box.text()
    report = box.push({A: "spec: [broken"})
    assert box.text() == before
    assert box.outcomes(report) == {A: "Failed", B: "Kept"}
    assert "last valid version stays" in box.reasons(report)
    assert box.outcomes(box.once())[A] == "Failed"
    repaired = box.push({A: manifest("a", schedule="1 1 * * *")})
    assert "1 1 * * * " in box.text()
    assert box.outcomes(repaired)[A] == "Applied"


def test_a_file_that_never_was_good_is_reported_and_breaks_nothing(box: Box) -> None:
    report = box.push({A: "\x00", B: manifest("b")})
    assert box.outcomes(report) == {A: "Failed", B: "Applied"}
    assert "production/b" in box.text()


def test_two_files_with_one_id_keep_the_last_good_one(box: Box) -> None:
    box.push({A: manifest("a", id=ID)})
    before = box.text()
    report = box.push({B: manifest("b", id=ID)})
    assert box.text() == before
    assert box.outcomes(report) == {A: "Failed", B: "Failed"}
    assert B in next(entry.reason for entry in report.entries if entry.path == A)
    assert A in next(entry.reason for entry in report.entries if entry.path == B)
    cured = box.push({B: manifest("b")})
    assert box.outcomes(cured) == {A: "Kept", B: "Applied"}


def test_a_renamed_manifest_keeps_its_line(box: Box) -> None:
    box.push({A: manifest("a", id=ID), C: manifest("c")})
    box.push({A: None, "production/moved/a.yaml": manifest("a", id=ID)})
    assert box.text().count(ID) == 1
    assert (box.state.jobs / f"{ID}.json").exists()


def test_only_manifests_below_a_namespace_count(box: Box) -> None:
    report = box.push({A: manifest("a"), "README.md": "x", "loose.yaml": "x", ".forgejo/workflows/ci.yaml": "on: push"})
    assert box.outcomes(report) == {A: "Applied"}


def test_selectors_decide_where_a_job_runs(make_box: Make) -> None:
    box = make_box(labels={"role": "db"})
    here = "  agent: {selector: {role: [db, web]}}\n"
    other = "  agent: {selector: {role: [web]}}\n"
    report = box.push({A: manifest("a", spec=here), B: manifest("b", spec=other)})
    assert "production/a" in box.text()
    assert "production/b" not in box.text()
    assert box.outcomes(report) == {A: "Applied"}


def test_a_job_assigned_elsewhere_leaves_this_host(box: Box) -> None:
    box.push({A: manifest("a"), B: manifest("b")})
    report = box.push({A: manifest("a", spec="  agent: {endpoints: [web01]}\n")})
    assert "production/a" not in box.text()
    assert "selector" in box.reasons(report)


def test_a_disabled_job_is_on_no_host(box: Box) -> None:
    box.push({A: manifest("a", spec="  enabled: false\n"), B: manifest("b")})
    assert "production/a" not in box.text()


def test_a_paused_job_is_a_commented_line(box: Box) -> None:
    box.push({A: manifest("a", id=ID, spec="  paused: true\n")})
    assert f"\n#0 2 * * * {box.state.runner} {ID}\n" in box.text()
    assert " paused\n" in box.text()
    assert box.once().status == "Kept"
    box.push({A: manifest("a", id=ID)})
    assert f"\n0 2 * * * {box.state.runner} {ID}\n" in box.text()


def test_another_user_is_blocked_unless_the_agent_is_root(make_box: Make) -> None:
    text = {A: manifest("a", spec="  user: backup\n"), B: manifest("b", spec="  user: ana\n")}
    plain = make_box()
    report = plain.push(text)
    assert plain.outcomes(report) == {A: "Blocked", B: "Applied"}
    assert "root" in plain.reasons(report)
    root = make_box(name="root", root=True, user="root")
    assert root.outcomes(root.once()) == {A: "Applied", B: "Applied"}


def test_a_hashed_schedule_is_the_same_at_every_pass(box: Box) -> None:
    box.push({A: manifest("a", schedule="H H * * *")})
    line = crontab_text.lines(box.crontab.read_bytes())[2]
    minute, hour = line.split()[:2]
    assert 0 <= int(minute) < 60
    assert 0 <= int(hour) < 24
    (box.state.folder / "memory.json").unlink()
    box.once()
    assert crontab_text.lines(box.crontab.read_bytes())[2] == line


def test_losing_the_memory_costs_one_pass_and_no_byte(box: Box) -> None:
    box.push({A: manifest("a"), B: manifest("b")})
    before = box.text()
    (box.state.folder / "memory.json").write_text("{damaged")
    box.once()
    assert box.text() == before


def test_a_job_file_taken_away_comes_back(box: Box) -> None:
    box.push({A: manifest("a", id=ID), B: manifest("b")})
    content = (box.state.jobs / f"{ID}.json").read_bytes()
    (box.state.jobs / f"{ID}.json").unlink()
    box.once()
    assert (box.state.jobs / f"{ID}.json").read_bytes() == content


def test_lines_of_the_first_crontopus_move_into_the_block_and_are_taken_over(make_box: Make) -> None:
    box = make_box((VECTORS[0].parent / "old_crontopus.crontab").read_bytes())
    box.push({A: manifest("a", id=ID)})
    inside = crontab_text.block(box.crontab.read_bytes()) or b""
    assert b"CRONTOPUS:" + ID.encode() not in box.crontab.read_bytes()
    assert f"{box.state.runner} {ID}\n".encode() in inside
    assert b"\n15 4 * * * /opt/x.sh # CRONTOPUS:1f0e2d3c-4b5a-4978-8675-645342312011\n" in inside
    assert box.once().status == "Kept"
    box.push({B: manifest("b", id="1f0e2d3c-4b5a-4978-8675-645342312011")})
    assert b"/opt/x.sh" not in box.crontab.read_bytes()


def test_a_host_without_crontab_has_none_again_after_leaving(make_box: Make) -> None:
    box = make_box(None)
    box.push({A: manifest("a")})
    assert box.crontab.exists()
    leave(box.state, Crontab(CrontabFile(box.crontab), box.state.runner))
    assert not box.crontab.exists()


def test_a_changed_zone_of_the_host_is_rendered_and_reported_by_the_next_pass(box: Box) -> None:
    report = box.push({A: manifest("a", schedule="0 9 * * *", spec="  timezone: Asia/Tokyo\n")})
    assert "\n0 0 * * * " in box.text()
    box.host = make_host(zone="Asia/Tokyo")
    report = box.once()
    assert "\n0 9 * * * " in box.text()
    assert (report.status, report.timezone, report.utc_offset) == ("Applied", "Asia/Tokyo", 9 * 3600)


ZONED = (CASES / "cron-tz-above-block" / "crontab.before").read_bytes()


def test_below_a_cron_tz_the_block_has_the_hosts_zone_and_gives_the_other_back(make_box: Make) -> None:
    box = make_box(ZONED, cron_tz=True, zone="Europe/Berlin")
    report = box.push({A: manifest("a", id=ID)})
    entry = f"# production/a {report.head[:8]}\n0 2 * * * {box.state.runner} {ID}\n".encode()
    inside = [crontab_text.HOST_ZONE, b"CRON_TZ=Europe/Berlin\n", entry]
    inside += [crontab_text.ZONE_AGAIN, b"CRON_TZ=Asia/Kolkata\n"]
    block = crontab_text.BEGIN + b"".join(inside) + crontab_text.END
    assert box.crontab.read_bytes() == ZONED + block
    assert box.once().status == "Kept"
    for damaged in (block.replace(crontab_text.END, b""), block.replace(crontab_text.BEGIN, b"")):
        box.crontab.write_bytes(ZONED + damaged + b"0 8 * * * below\n")
        box.once()
        assert box.crontab.read_bytes() == ZONED + block + b"0 8 * * * below\n"
    box.crontab.write_bytes(ZONED.replace(b"CRON_TZ=", b"#CRON_TZ=") + block)
    box.once()
    assert b"\nCRON_TZ" not in box.crontab.read_bytes()
    box.crontab.write_bytes(ZONED + block)
    leave(box.state, Crontab(CrontabFile(box.crontab), box.state.runner))
    assert box.crontab.read_bytes() == ZONED


@pytest.mark.parametrize("facts", [{"cron_tz": False}, {"cron_tz": True, "zone": "Asia/Kolkata"}])
def test_a_cron_tz_that_changes_nothing_is_left_alone(make_box: Make, facts: dict[str, Any]) -> None:
    box = make_box(ZONED, **facts)
    box.push({A: manifest("a")})
    assert box.crontab.read_bytes().count(b"CRON_TZ") == 1


def test_defaults_of_the_policy_fill_what_a_manifest_leaves_out(box: Box) -> None:
    policy = "defaults:\n  production:\n    nice: 7\n"
    box.push({A: manifest("a", id=ID), "crontopus.yaml": policy})
    assert json.loads((box.state.jobs / f"{ID}.json").read_bytes())["nice"] == 7
    box.push({"crontopus.yaml": policy.replace("7", "9")})
    assert json.loads((box.state.jobs / f"{ID}.json").read_bytes())["nice"] == 9


def test_a_freeze_applies_nothing_and_says_until_when(box: Box) -> None:
    box.push({A: manifest("a")})
    before = box.text()
    freeze = "freeze:\n  - {from: 2026-11-23T00:00:00Z, until: 2026-11-24T00:00:00Z, reason: Black Friday}\n"
    report = box.push({B: manifest("b"), "crontopus.yaml": freeze})
    assert (report.status, box.text()) == ("Waiting", before)
    assert "Black Friday" in report.message
    assert box.outcomes(report) == {A: "Kept", B: "Waiting"}


def test_two_files_with_one_name_are_both_refused_and_the_line_that_is_there_stays(box: Box) -> None:
    """The server rejects both files, so a host that installed one would run an unmonitored job."""
    box.push({A: manifest("a", id=ID)})
    before = box.text()
    other = A.replace("/a.yaml", "/x/a.yaml")
    report = box.push({other: manifest("a", id="7d8f5a53-2c5e-4f43-9f0a-0d3a2f3f3a11")})
    assert box.text() == before
    assert box.outcomes(report) == {A: "Failed", other: "Failed"}
    assert "name production/a is also used by" in box.reasons(report)
