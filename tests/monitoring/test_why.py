"""Each cause of a run that did not happen has a row here, with the facts that show it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from crontopus_app.monitoring import deadlines
from crontopus_app.monitoring.installed import InstalledLine
from crontopus_app.monitoring.why import explain, why
from crontopus_app.monitoring.why_facts import NEXT, Facts, HostFacts, JobFacts, SlotRun, Switch
from tests.cast import JOB_ID, NOON

HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
SLOT = NOON + HOUR
LATER = SLOT + HOUR
BERLIN = "Europe/Berlin"
LINE = InstalledLine(NOON - DAY, None, ("0 13 * * *",), "UTC", "debian")
HOST = HostFacts("db01", last_seen_at=LATER)
JOB = JobFacts(("0 13 * * *",), commit="c" * 40, author="Ann", commit_at=NOON - DAY)
MISSED = SlotRun("missed", "run-1", received_at=SLOT + 5 * MINUTE, error="db01 was in contact and had the line.")
# The line was installed, the host in contact, and nothing ran: a missed run is recorded.
FACTS = Facts(SLOT, LATER, HOST, MISSED, (LINE,), timedelta(minutes=5), job_id=JOB_ID, job=JOB)
# The same without the missed run, and with nothing settled.
OPEN = replace(FACTS, run=None)
BARE = replace(OPEN, lines=())


def drifted(kind: str = "line_missing", text: str = f"run-job {JOB_ID}") -> HostFacts:
    modified, seen = SLOT - 10 * MINUTE, SLOT + MINUTE
    change = {"kind": kind, "expected": text, "found": "", "owner": "bob"}
    return replace(HOST, drift=[change | {"modified_at": modified.isoformat(), "seen_at": seen.isoformat()}])


def switched(*pairs: tuple[datetime, str]) -> JobFacts:
    return replace(JOB, switches=[Switch(at, word, "Bob", "d" * 40) for at, word in pairs])


def run(status: str, error: str = "") -> SlotRun:
    return SlotRun(status, "run-2", SLOT + timedelta(seconds=1), None, SLOT + MINUTE, error)


def silent(start: datetime, end: datetime, *, restarted: bool = False) -> HostFacts:
    return replace(HOST, silent_from=start, silent_until=end, restarted=restarted)


def on_clock_change(local: str, policy: str = "debian", schedule: str = "30 2 * * *") -> Facts:
    """A slot at this time, given with its zone, of a job in Berlin."""
    at = datetime.fromisoformat(local)
    line = InstalledLine(at - 30 * DAY, None, (schedule,), BERLIN, policy)
    return replace(OPEN, at=at, now=at + DAY, lines=(line,), zone=BERLIN)


TABLE = [
    ("ran", replace(OPEN, run=run("success")), "It started at 2026-11-23 13:00:01 UTC: success."),
    ("ran", replace(OPEN, run=run("running")), "running"),
    ("overlap", replace(OPEN, run=run("skipped")), "previous run was still going"),
    ("started_twice", replace(OPEN, run=replace(run("skipped"), flags=["extra"])), "a second time for the same slot"),
    ("host_restarted", replace(OPEN, run=run("lost", deadlines.RESTARTED)), "restarted during the run"),
    ("end_not_reported", replace(OPEN, run=run("lost", deadlines.TIME_OVER)), "did not report its end"),
    ("job_file_damaged", replace(FACTS, damaged=run("failed", "no such file")), "no such file"),
    # 29 March 2026: 02:00 becomes 03:00. Debian's cron runs the job at 03:00, BusyBox' not at all.
    ("no_such_time", on_clock_change("2026-03-29T02:30+01:00"), "29 March 2026: 02:30 does not exist that night"),
    ("no_such_time", on_clock_change("2026-03-29T01:30+00:00", "busybox"), "No run takes place."),
    # 25 October 2026: 02:30 happens twice, and Debian's cron runs the job at the first.
    ("no_such_time", on_clock_change("2026-10-25T02:30+01:00"), "The job runs once, at the first."),
    ("not_due", on_clock_change("2026-03-29T05:00+02:00"), "not due at 2026-03-29 05:00 in Europe/Berlin"),
    ("not_due", replace(OPEN, at=SLOT + MINUTE), "its schedule is 0 13 * * *."),
    ("not_due", replace(BARE, at=SLOT + MINUTE), "its schedule is 0 13 * * *."),
    ("not_in_git", replace(BARE, job=None), "not in Git"),
    ("retired", replace(BARE, retired_at=SLOT - HOUR), "does not run on db01 any more, since 2026-11-23 12:00 UTC"),
    ("endpoint_revoked", replace(BARE, host=replace(HOST, revoked=True)), "db01 is revoked"),
    ("paused", replace(BARE, job=replace(JOB, paused=True)), "The job is paused."),
    ("paused", replace(BARE, job=switched((SLOT - HOUR, "paused"), (LATER, "resumed"))), "12:00 UTC, by Bob"),
    ("paused", replace(BARE, job=switched((LATER, "resumed"))), "paused until 2026-11-23 14:00 UTC"),
    ("disabled", replace(BARE, job=replace(JOB, enabled=False)), "The job is disabled."),
    ("disabled", replace(BARE, job=switched((SLOT - HOUR, "disabled"))), "by Bob"),
    ("invalid_manifest", replace(BARE, job=replace(JOB, valid=False)), "invalid"),
    ("not_monitored", replace(BARE, job=replace(JOB, monitored=False)), "sends no check-ins"),
    ("host_never_seen", replace(BARE, host=HostFacts("db01", is_silent=True)), "never been in contact"),
    ("not_installable", replace(BARE, outcome="Blocked", reason="needs root"), "had no line of the job: needs root."),
    ("freeze", replace(BARE, frozen="fri 12:00-14:00 UTC"), "agents applied nothing: fri 12:00-14:00 UTC"),
    ("maintenance", replace(OPEN, maintenance="until 15:00 (disks)"), "no run was expected: until 15:00 (disks)."),
    ("drift", replace(FACTS, host=drifted()), "removed outside Crontopus by bob, not later than 2026-11-23 12:50 UTC"),
    ("drift", replace(BARE, host=drifted("line_changed")), "changed outside Crontopus"),
    ("line_removed", replace(OPEN, lines=(replace(LINE, until=SLOT - HOUR),)), "removed from db01 before: at"),
    ("not_applied", replace(OPEN, lines=(replace(LINE, since=SLOT + timedelta(seconds=3)),), commit="abcdef0123456"),
     "db01 reported the job's line at 2026-11-23 13:00:03 UTC (commit abcdef0123), after the slot."),
    ("not_applied", BARE, "db01 has not reported a line of the job."),
    ("line_changed", replace(FACTS, lines=(replace(LINE, until=SLOT + timedelta(seconds=5)),)), "13:00:05 UTC"),
    ("not_yet", replace(OPEN, now=SLOT + MINUTE), "a start counts until 2026-11-23 13:05:00 UTC"),
    ("not_yet", replace(OPEN, now=SLOT - MINUTE), "in the future"),
    ("host_silent", replace(OPEN, host=replace(HOST, last_seen_at=NOON, is_silent=True)), "since 2026-11-23 12:00"),
    ("host_off", replace(FACTS, host=silent(NOON, LATER, restarted=True)), "and has restarted: it was off."),
    ("host_cut_off", replace(FACTS, host=silent(NOON, LATER)), "without a restart, and reported no run afterwards."),
    ("spool_waiting", replace(OPEN, host=replace(HOST, spool=1)), "1 check-in waits on db01"),
    ("spool_waiting", replace(OPEN, host=replace(HOST, spool=3)), "3 check-ins wait on db01"),
    ("not_settled", OPEN, "has not confirmed since the slot"),
    ("not_recorded", replace(OPEN, settled_until=SLOT), "no record of the slot"),
    ("not_recorded", replace(OPEN, now=SLOT + 8 * DAY), "no record of the slot"),
    ("no_ping", replace(FACTS, host=None, lines=()), "No ping came."),
    ("no_ping", replace(BARE, host=None), "No ping came."),
    ("contact_unknown", replace(FACTS, host=silent(LATER, LATER + HOUR)), MISSED.error),
    ("contact_unknown", replace(FACTS, run=SlotRun("missed"), host=silent(LATER, LATER + HOUR)), "not known any more"),
    ("unexplained", FACTS, "db01 was in contact and had the line, but reported no run."),
    ("unexplained", replace(FACTS, host=silent(NOON - DAY, NOON)), "was in contact"),
]  # fmt: skip


@pytest.mark.parametrize(("verdict", "facts", "words"), TABLE, ids=[f"{row[0]}-{n}" for n, row in enumerate(TABLE)])
def test_each_cause_is_found(verdict: str, facts: Facts, words: str) -> None:
    cause = explain(facts)
    assert (cause.verdict, words in cause.sentence) == (verdict, True), cause
    assert cause.next == NEXT[verdict]
    assert cause.evidence == sorted(cause.evidence, key=lambda each: each.at or facts.now)
    assert any(each.at == facts.at for each in cause.evidence)


def test_each_verdict_has_a_row_in_the_table_and_in_the_documentation() -> None:
    assert {verdict for verdict, _, _ in TABLE} == set(NEXT)
    text = Path("docs/monitoring.md").read_text().split("## Why a job did not run")[1].split("## ")[0]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(NEXT)


@pytest.mark.parametrize(
    "host",
    [
        drifted(text="run-job of another job"),
        replace(HOST, drift=[{"kind": "line_missing", "expected": JOB_ID, "modified_at": None, "seen_at": None}]),
        drifted("line_added"),
        silent(SLOT - HOUR, SLOT),
    ],
)
def test_what_does_not_concern_the_slot_explains_nothing(host: HostFacts) -> None:
    assert why(replace(FACTS, host=host)).verdict == "unexplained"


@pytest.mark.parametrize(
    "job",
    [
        switched((SLOT - HOUR, "paused"), (SLOT - MINUTE, "resumed")),
        replace(switched((LATER, "paused")), paused=True),
        replace(JOB, paused=True, commit_at=LATER),
    ],
)
def test_a_job_that_was_paused_at_another_time_was_not_paused_then(job: JobFacts) -> None:
    assert why(replace(BARE, job=job)).verdict == "not_applied"


def test_a_missed_run_proves_that_its_line_was_installed() -> None:
    """Also if the line is not known any more, and the job is paused or gone since."""
    gone = replace(FACTS, lines=(), job=None, retired_at=NOON, outcome="Failed", frozen="always")
    assert why(gone).verdict == "unexplained"


def test_the_evidence_names_line_contact_silence_and_other_runs() -> None:
    facts = replace(FACTS, host=silent(NOON, LATER, restarted=True), beside=[SlotRun("running", "run-3", NOON)])
    said = [each.fact for each in explain(facts).evidence]
    assert said == [
        "line installed: 0 13 * * * in UTC",
        "db01 went silent",
        "run run-3 of the job started; it ran at that time",
        "the slot",
        "recorded as missed",
        "last contact with db01",
        "db01 was back after a restart",
    ]
