"""Says why a job did not run in a slot: an ordered list of tests, of which the first that explains it wins. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from contract.schedule import ScheduleError, change_nights, is_slot
from contract.wire import Evidence
from crontopus_app.monitoring import deadlines
from crontopus_app.monitoring.why_context import commit_of, context
from crontopus_app.monitoring.why_facts import JOB_FILE_DAMAGED, Cause, Facts, JobFacts

MINUTE = timedelta(minutes=1)

Test = Callable[[Facts], Cause | None]


def explain(facts: Facts) -> Cause:
    """The cause with the evidence for it and the other facts, in the order of time."""
    cause = why(facts)
    evidence = [*cause.evidence, *context(facts)]
    distinct = list({(each.at, each.fact): each for each in evidence}.values())
    return Cause(cause.verdict, cause.sentence, sorted(distinct, key=lambda each: each.at or facts.now))


def why(facts: Facts) -> Cause:
    """Why no run of the slot is known, or why its run did not end."""
    tests = TESTS if facts.run is None or facts.run.status != "missed" else TESTS_OF_MISSED
    for test in tests:
        cause = test(facts)
        if cause is not None:
            return cause
    return _unexplained(facts)


def utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _seconds(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _name(facts: Facts) -> str:
    return facts.host.name if facts.host else "The job's source"


# -- the run of the slot -------------------------------------------------------------------------


def _ran(facts: Facts) -> Cause | None:
    run = facts.run
    if run is None or run.status in {"missed", "lost", "skipped"}:
        return None
    started = f"It started at {_seconds(run.started_at)}" if run.started_at else "It ran"
    return Cause("ran", f"{started}: {run.status}.", [Evidence(run.started_at, f"run {run.run_id} started", "runner")])


def _overlap(facts: Facts) -> Cause | None:
    if facts.run is None or facts.run.status != "skipped":
        return None
    skipped = [Evidence(facts.run.received_at, facts.run.error or "the runner skipped the run", "runner")]
    if "extra" in facts.run.flags:
        return Cause(
            "started_twice", "The job was started a second time for the same slot; one run is enough.", skipped
        )
    sentence = "The previous run was still going, and spec.concurrency does not allow a second one."
    return Cause("overlap", sentence, skipped)


def _lost(facts: Facts) -> Cause | None:
    run = facts.run
    if run is None or run.status != "lost":
        return None
    verdict = "host_restarted" if run.error == deadlines.RESTARTED else "end_not_reported"
    started = Evidence(run.started_at, f"run {run.run_id} started", "runner")
    return Cause(verdict, run.error or deadlines.TIME_OVER, [started, Evidence(run.received_at, "lost", "evaluator")])


def _damaged(facts: Facts) -> Cause | None:
    run = facts.damaged
    if run is None:
        return None
    found = Evidence(run.started_at, f"run {run.run_id} ended with exit code {JOB_FILE_DAMAGED}: {run.error}", "runner")
    return Cause("job_file_damaged", f"cron started the runner, but: {run.error}", [found])


# -- the job in Git ------------------------------------------------------------------------------


def _not_in_git(facts: Facts) -> Cause | None:
    gone = facts.job is None and facts.line is None
    return Cause("not_in_git", "The job is not in Git any more.") if gone else None


def _no_such_time(facts: Facts) -> Cause | None:
    schedule, zone, policy = _timing(facts)
    try:
        if not schedule or is_slot(schedule, zone, policy, facts.at):
            return None
        night = next(iter(change_nights(schedule, zone, policy, facts.at - timedelta(days=1))), None)
    except ScheduleError:
        return None
    local = facts.at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    if night is None or local.date() != night.local.date():
        return None
    if not {f"{wall:%H:%M}" for wall in (local, local - night.shift)} & set(night.walls):
        return None
    return Cause("no_such_time", f"No such slot. {night.text}", [Evidence(night.at, f"clock change in {zone}", "tz")])


def _not_due(facts: Facts) -> Cause | None:
    schedule, zone, policy = _timing(facts)
    try:
        if not schedule or is_slot(schedule, zone, policy, facts.at):
            return None
    except ScheduleError:
        return None
    local = f"{facts.at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
    return Cause("not_due", f"The job is not due at {local} in {zone}: its schedule is {'; '.join(schedule)}.")


def _timing(facts: Facts) -> tuple[tuple[str, ...], str, str]:
    """The schedule at the time of the slot, its zone and policy; without a schedule if it is not known."""
    line, job = facts.line, facts.job
    if line is not None:
        return line.schedule, line.zone, line.policy
    if job is None or not job.valid or (job.commit_at is not None and job.commit_at > facts.at):
        return (), facts.zone, facts.policy
    return job.schedule, facts.zone, facts.policy


def _invalid(facts: Facts) -> Cause | None:
    job = facts.job
    if job is None or job.valid or facts.line is not None:
        return None
    return Cause("invalid_manifest", "The job's manifest in Git is invalid.", [_committed(job, "made it invalid")])


def _switched(facts: Facts, off: str, on: str, *, is_off: bool) -> Cause | None:
    """Whether the job was ``off`` in the slot, by the commits that switched it, or else by its state now."""
    if facts.job is None:
        return None
    switches = [switch for switch in facts.job.switches if switch.word in {off, on}]
    before = [switch for switch in switches if switch.at <= facts.at]
    after = [switch for switch in switches if switch.at > facts.at]
    if before:
        last = before[-1]
        by = Evidence(last.at, f"commit {last.commit[:10]} by {last.author}: {off}", "Git")
        return (
            Cause(off, f"The job was {off} since {utc(last.at)}, by {last.author}.", [by]) if last.word == off else None
        )
    if after:
        return Cause(off, f"The job was {off} until {utc(after[0].at)}.") if after[0].word == on else None
    if not is_off:
        return None
    known = facts.job.commit_at is not None and facts.job.commit_at <= facts.at
    return Cause(off, f"The job is {off}.", [_committed(facts.job, f"is {off}")]) if known else None


def _paused(facts: Facts) -> Cause | None:
    return _switched(facts, "paused", "resumed", is_off=facts.job is not None and facts.job.paused)


def _disabled(facts: Facts) -> Cause | None:
    return _switched(facts, "disabled", "enabled", is_off=facts.job is not None and not facts.job.enabled)


def _not_monitored(facts: Facts) -> Cause | None:
    if facts.job is None or facts.job.monitored:
        return None
    return Cause(
        "not_monitored", "The job sends no check-ins (spec.checkin.enabled: false): whether it ran is unknown."
    )


def _committed(job: JobFacts, did: str) -> Evidence:
    return Evidence(job.commit_at, f"commit {job.commit[:10]} by {job.author}: the manifest {did}", "Git")


# -- the line on the host ------------------------------------------------------------------------


def _retired(facts: Facts) -> Cause | None:
    if facts.retired_at is None or facts.retired_at > facts.at:
        return None
    return Cause("retired", f"The job does not run on {_name(facts)} any more, since {utc(facts.retired_at)}.")


def _revoked(facts: Facts) -> Cause | None:
    if facts.host is None or not facts.host.revoked:
        return None
    return Cause("endpoint_revoked", f"The endpoint {facts.host.name} is revoked: its agent changes nothing any more.")


def _not_installable(facts: Facts) -> Cause | None:
    if facts.line is not None or facts.host is None or facts.outcome not in {"Blocked", "Failed"}:
        return None
    reason = facts.reason or "the agent gave no reason"
    return Cause("not_installable", f"{facts.host.name} had no line of the job: {reason.rstrip('.')}.")


def _freeze(facts: Facts) -> Cause | None:
    if facts.line is not None or not facts.frozen or facts.host is None:
        return None
    return Cause("freeze", f"{facts.host.name} had no line of the job, and agents applied nothing: {facts.frozen}.")


def _maintenance(facts: Facts) -> Cause | None:
    if not facts.maintenance or facts.run is not None:
        return None
    return Cause("maintenance", f"{_name(facts)} was in maintenance, so no run was expected: {facts.maintenance}.")


def _drift(facts: Facts) -> Cause | None:
    """A change of the job's line outside Crontopus that was there in the slot."""
    for change in facts.host.drift if facts.host else ():
        modified, seen = _moment(change.get("modified_at")), _moment(change.get("seen_at"))
        named = facts.job_id and facts.job_id in f"{change.get('expected')} {change.get('found')}"
        if not named or modified is None or seen is None or not modified <= facts.at < seen:
            continue
        done = {"line_changed": "changed", "line_missing": "removed"}.get(str(change.get("kind")))
        if done is not None:
            by = f" by {change['owner']}" if change.get("owner") else ""
            sentence = (
                f"The job's line on {_name(facts)} was {done} outside Crontopus{by}, not later than {utc(modified)}."
            )
            noticed = Evidence(seen, f"the agent found the line {done}", "agent")
            return Cause("drift", sentence, [Evidence(modified, "crontab modified", "agent"), noticed])
    return None


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None


def _line_removed(facts: Facts) -> Cause | None:
    ended = [line for line in facts.lines if line.ended_by(facts.at)]
    if facts.line is not None or not ended or facts.host is None:
        return None
    until = ended[-1].until or facts.at
    return Cause("line_removed", f"The job's line had been removed from {facts.host.name} before: at {utc(until)}.")


def _not_applied(facts: Facts) -> Cause | None:
    if facts.line is not None or facts.host is None:
        return None
    later = next((line for line in facts.lines if line.since > facts.at), None)
    if later is None:
        return Cause("not_applied", f"{facts.host.name} has not reported a line of the job.")
    reported = f"{facts.host.name} reported the job's line at {_seconds(later.since)}"
    sentence = f"{reported}{commit_of(facts, later)}, after the slot."
    committed = [_committed(facts.job, "was last changed")] if facts.job else []
    return Cause("not_applied", sentence, [Evidence(later.since, "line installed", "agent"), *committed])


def _line_changed(facts: Facts) -> Cause | None:
    until = facts.line.until if facts.line else None
    if until is None or until - facts.at > MINUTE:
        return None
    return Cause("line_changed", f"The line was replaced or removed within a minute of the slot: at {_seconds(until)}.")


# -- the host ------------------------------------------------------------------------------------


def _never_seen(facts: Facts) -> Cause | None:
    if facts.host is None or facts.host.last_seen_at is not None:
        return None
    return Cause("host_never_seen", f"{facts.host.name} has never been in contact.")


def _still_silent(facts: Facts) -> Cause | None:
    host = facts.host
    if host is None or not host.is_silent or host.last_seen_at is None or host.last_seen_at > facts.at:
        return None
    sentence = (
        f"{host.name} has been silent since {utc(host.last_seen_at)}. Whether the job ran is known when it is back."
    )
    return Cause("host_silent", sentence)


def _silent(facts: Facts) -> Cause | None:
    host = facts.host
    if host is None or host.silent_from is None or host.silent_until is None:
        return None
    if not host.silent_from <= facts.at < host.silent_until:
        return None
    silence = f"{host.name} was silent from {host.silent_from:%Y-%m-%d %H:%M} to {host.silent_until:%Y-%m-%d %H:%M} UTC"
    if host.restarted:
        return Cause("host_off", f"{silence} and has restarted: it was off.")
    return Cause("host_cut_off", f"{silence} without a restart, and reported no run afterwards.")


# -- not settled yet -----------------------------------------------------------------------------


def _not_yet(facts: Facts) -> Cause | None:
    if facts.now < facts.at:
        return Cause("not_yet", f"The slot is in the future: {utc(facts.at)}.")
    line = facts.line
    slots = deadlines.due_slots([line] if line else [], facts.grace, facts.at - timedelta(seconds=1))
    slot = next(slots, None)
    if slot is None or slot.at != facts.at or slot.deadline <= facts.now:
        return None
    return Cause("not_yet", f"It is not late yet: a start counts until {_seconds(slot.deadline)}.")


def _spool_waiting(facts: Facts) -> Cause | None:
    host = facts.host
    if host is None or not host.spool:
        return None
    waiting = "1 check-in waits" if host.spool == 1 else f"{host.spool} check-ins wait"
    return Cause("spool_waiting", f"{waiting} on {host.name}. The run may be among them.")


def _not_settled(facts: Facts) -> Cause | None:
    is_settled = facts.settled_until is not None and facts.settled_until >= facts.at
    if facts.line is None or is_settled or facts.at < facts.now - deadlines.REMEMBERED:
        return None
    return Cause("not_settled", f"{_name(facts)} has not confirmed since the slot that no check-in waits there.")


def _not_recorded(facts: Facts) -> Cause | None:
    if facts.run is not None or facts.line is None:
        return None
    return Cause("not_recorded", f"There is no record of the slot at {utc(facts.at)}, neither a run nor a missed one.")


def _no_ping(facts: Facts) -> Cause | None:
    return Cause("no_ping", "No ping came.") if facts.host is None else None


def _contact_unknown(facts: Facts) -> Cause | None:
    """Only the latest silence of a host is kept: before it, the host may have been silent too."""
    host, run = facts.host, facts.run
    if host is None or host.silent_from is None or host.silent_from <= facts.at:
        return None
    recorded = run.error if run else ""
    sentence = f"{host.name} reported no run. Whether it was in contact then is not known any more."
    noted = [Evidence(run.received_at, recorded, "evaluator")] if run and recorded else []
    return Cause("contact_unknown", recorded or sentence, noted)


def _unexplained(facts: Facts) -> Cause:
    return Cause("unexplained", f"{_name(facts)} was in contact and had the line, but reported no run.")


# The first that explains wins: what is specific comes before what is general.
TESTS: Sequence[Test] = (
    _ran,
    _overlap,
    _lost,
    _damaged,
    _no_such_time,
    _not_due,
    _not_in_git,
    _retired,
    _revoked,
    _paused,
    _disabled,
    _invalid,
    _not_monitored,
    _never_seen,
    _not_installable,
    _freeze,
    _drift,
    _line_removed,
    _not_applied,
    _not_yet,
    _line_changed,
    _maintenance,
    _still_silent,
    _silent,
    _spool_waiting,
    _not_settled,
    _not_recorded,
    _no_ping,
    _contact_unknown,
)
# For a slot that is recorded as missed, the line was installed, and the host has confirmed that nothing waits there.
TESTS_OF_MISSED: Sequence[Test] = (_no_ping, _damaged, _drift, _line_changed, _silent, _contact_unknown)
