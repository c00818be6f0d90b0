"""Writes check-ins, and updates their runs and monitors. The only place that writes runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from contract import wire
from crontopus_app.base.db import storable
from crontopus_app.base.errors import Conflict, CrontopusError, NotFound
from crontopus_app.models import JobIndex
from crontopus_app.monitoring import installed
from crontopus_app.monitoring.counts import counted
from crontopus_app.monitoring.deadlines import EARLY, finish_deadline, missed_run_id, slot_of_ping, slot_of_run
from crontopus_app.monitoring.fold import RunFacts, fold
from crontopus_app.monitoring.intake.rows import STATE, Rows, Sender, SentCheckin
from crontopus_app.monitoring.intake.statements import Row, statements
from crontopus_app.monitoring.state import HEALTH, OVERDUE, MonitorState, RunChanged, after, without

OUTPUT_LIMIT = 256 * 1024
AHEAD = timedelta(minutes=5)


def record(session: Session, sent: Sequence[SentCheckin], now: datetime) -> list[wire.CheckinAnswer | CrontopusError]:
    """Writes check-ins of any sources in their order. Returns an answer or an error for each.

    A duplicate check-in changes nothing and gets the same answer. Another tenant's job or run gives NotFound, a run id
    of another job's run Conflict; neither changes anything. Raises IntegrityError if another process inserted one of
    the rows meanwhile: roll back and call again.
    """
    reading = statements(session)
    with reading.together():
        rows = Rows(reading, [(item.sender.id, item.checkin) for item in sent])
    return write(rows, sent, now)


def write(rows: Rows, sent: Sequence[SentCheckin], now: datetime) -> list[wire.CheckinAnswer | CrontopusError]:
    """As ``record``, with ``rows`` that were selected for these check-ins and possibly others."""
    rows.gather()
    answers = [_write_checkin(rows, item.sender, item.checkin, now) for item in sent]
    rows.write()
    return answers


def _write_checkin(
    rows: Rows, sender: Sender, checkin: wire.Checkin, now: datetime
) -> wire.CheckinAnswer | CrontopusError:
    seen = rows.seen.get((checkin.id, sender.id))
    if seen is not None:
        return wire.CheckinAnswer(run_id=seen, state=rows.status(seen), duplicate=True)
    try:
        existing = rows.runs.get(checkin.run_id)
        if existing is not None:
            _check_owner(existing, sender, checkin)
        run = existing or _new_run(rows, sender, checkin, now)
    except CrontopusError as error:
        return error
    before = _facts(run) if existing else None
    after = fold(before, checkin if existing else _slotted(rows, sender, checkin), now)
    _apply(rows, run, after, now)
    _keep_output(rows, run["id"], checkin, decided=before is None or _ending(before) != _ending(after))
    rows.put_checkin(_row(sender, checkin, now))
    ended = after.status != "running" and (before is None or _attempt(before) != _attempt(after))
    _update_monitor(rows, run, now, is_new=existing is None, ended=ended)
    return wire.CheckinAnswer(run_id=run["id"], state=run["status"], duplicate=False)


def _new_run(rows: Rows, sender: Sender, checkin: wire.Checkin, now: datetime) -> Row:
    name, namespace = _names(rows, sender, checkin.job_id)
    return {
        "id": checkin.run_id,
        "tenant_id": sender.tenant_id,
        "job_id": checkin.job_id,
        "job_name": name,
        "namespace": namespace,
        "source_id": sender.id,
        "endpoint_id": sender.endpoint_id,
        "endpoint_name": sender.name,
        "sort_at": now,
    }


def _slotted(rows: Rows, sender: Sender, checkin: wire.Checkin) -> wire.Checkin:
    """The first ping of a run with the slot that it belongs to, because a ping names none."""
    monitor = rows.monitors.get((checkin.job_id, sender.id))
    if sender.endpoint_id is not None or monitor is None:
        return checkin
    began = checkin.started_at or checkin.at
    return replace(checkin, slot=slot_of_ping(installed.load(monitor["lines"]), _grace(monitor), began))


def _grace(monitor: Row) -> timedelta | None:
    return None if monitor["grace_s"] is None else timedelta(seconds=monitor["grace_s"])


def _names(rows: Rows, sender: Sender, job_id: str) -> tuple[str, str]:
    """The job's name and namespace. The id is the name of a job that is not indexed yet, so that its run is kept."""
    monitor = rows.monitors.get((job_id, sender.id))
    if monitor is not None:
        return monitor["job_name"], monitor["namespace"]
    indexed = rows.jobs.get(job_id, [])
    own = next((job for job in indexed if job["tenant_id"] == sender.tenant_id), None)
    if own is not None:
        return own["name"], own["namespace"]
    if indexed:
        raise NotFound(f"No job {job_id}.")
    return job_id, ""


def _check_owner(run: Row, sender: Sender, checkin: wire.Checkin) -> None:
    if run["tenant_id"] != sender.tenant_id or run["source_id"] != sender.id:
        raise NotFound(f"No run {checkin.run_id}.")
    if run["job_id"] != checkin.job_id:
        raise Conflict("This run id belongs to a run of another job. Use a new run id for each run.")


_FACTS = tuple(field.name for field in fields(RunFacts) if field.name != "flags")


def _facts(run: Row) -> RunFacts:
    return RunFacts(flags=frozenset(run["flags"]), **{name: run[name] for name in _FACTS})


def _ending(facts: RunFacts) -> tuple[Any, ...]:
    return (facts.status, facts.attempt, facts.finished_at)


def _attempt(facts: RunFacts) -> tuple[int, str]:
    return (facts.attempt, facts.status)


def _apply(rows: Rows, run: Row, facts: RunFacts, now: datetime) -> None:
    for name in _FACTS:
        run[name] = getattr(facts, name)
    run["flags"] = sorted(facts.flags)
    moment = facts.started_at or facts.finished_at or run["sort_at"]
    # Otherwise a run of a host whose clock is far ahead would stay the newest run for days.
    run["sort_at"] = moment if moment <= now + AHEAD else now
    run["received_at"] = now
    monitor = rows.monitors.get((run["job_id"], run["source_id"]))
    if monitor is not None and monitor["finish_by"]:
        _flag_late_finish(monitor, run)
    rows.put_run(run)


def _flag_late_finish(monitor: Row, run: Row) -> None:
    """Flags a run that ended after its ``finishBy``; not a later one that ended in time after all."""
    deadline, ended = _finish_deadline(monitor, run), run["finished_at"]
    is_late = deadline is not None and ended is not None and run["status"] != "skipped" and ended > deadline
    flags = {flag for flag in run["flags"] if flag != "late_finish"}
    run["flags"] = sorted(flags | {"late_finish"} if is_late else flags)


def _keep_output(rows: Rows, run_id: str, checkin: wire.Checkin, *, decided: bool) -> None:
    """Stores the output of the check-in that decided the run's status. Until then, output of ``log`` is appended."""
    output = checkin.output
    if output is None or not (decided or checkin.kind == "log"):
        return
    row = rows.outputs.get(run_id) or {"run_id": run_id, "head": "", "tail": "", "lost_bytes": 0}
    if checkin.kind == "log":
        joined = row["tail"] + output.head + output.tail
        row["lost_bytes"] += output.lost_bytes + max(0, len(joined) - OUTPUT_LIMIT)
        row["tail"] = storable(joined[-OUTPUT_LIMIT:])
    else:
        row["head"], row["tail"] = storable(output.head[:OUTPUT_LIMIT]), storable(output.tail[-OUTPUT_LIMIT:])
        cut = max(0, len(output.head) - OUTPUT_LIMIT) + max(0, len(output.tail) - OUTPUT_LIMIT)
        row["lost_bytes"] = output.lost_bytes + cut
    rows.put_output(row)


def _row(sender: Sender, checkin: wire.Checkin, now: datetime) -> Row:
    facts = {name: getattr(checkin, name) for name in ("duration_s", "exit_code", "signal")}
    return {
        "id": checkin.id,
        "source_id": sender.id,
        "tenant_id": sender.tenant_id,
        "run_id": checkin.run_id,
        "kind": checkin.kind,
        "attempt": checkin.attempt,
        "at": checkin.at,
        "received_at": now,
        "seq": checkin.seq,
        "boot_id": checkin.boot_id,
        "line_hash": checkin.line_hash,
        "facts": facts,
    }


def _update_monitor(rows: Rows, run: Row, now: datetime, *, is_new: bool, ended: bool) -> None:
    monitor = rows.monitors.get((run["job_id"], run["source_id"]))
    if monitor is None:
        return
    before = MonitorState(**{name: monitor[name] for name in STATE})
    if is_new and _is_settled(monitor, run["slot"]):
        before = _ran_after_all(rows, monitor, before, run, now)
    changed = vars(after(before, RunChanged(run["id"], run["status"], _order_in_time(run, now))))
    changed = changed | {
        "next_deadline": _next_deadline(monitor, run, now),
        "alert_at": _alert_at(monitor, changed, run, now),
        **(_counts(monitor, run, now) if ended else {}),
    }
    if any(monitor[name] != value for name, value in changed.items()):
        rows.put_monitor(monitor | changed | {"updated_at": now})


def _counts(monitor: Row, run: Row, now: datetime) -> Row:
    """The monitor's counts with an attempt that has ended, and its last success."""
    changed: Row = {"counts": counted(monitor["counts"], run["status"], run["duration_s"])}
    if run["status"] == "success":
        at = run["finished_at"] if run["finished_at"] <= now + AHEAD else now
        changed["last_success_at"] = max(at, monitor["last_success_at"] or at)
    return changed


def _alert_at(monitor: Row, changed: Row, run: Row, now: datetime) -> datetime | None:
    """When the monitor is to be compared with its incident: now, if the run may open, change or close one."""
    decides = run["status"] in HEALTH and (run["status"] != "success" or monitor["incident_id"] is not None)
    return now if decides or changed["state"] != monitor["state"] else monitor["alert_at"]


def _is_settled(monitor: Row, slot: datetime | None) -> bool:
    """Whether the evaluator may have recorded the slot, or the next one, as missed."""
    return slot is not None and monitor["settled_until"] is not None and slot <= monitor["settled_until"] + EARLY


def _ran_after_all(rows: Rows, monitor: Row, state: MonitorState, run: Row, now: datetime) -> MonitorState:
    """Removes the missed run of the slot of which ``run`` is. Returns the monitor's state without it."""
    slot = slot_of_run(installed.load(monitor["lines"]), _grace(monitor), run["slot"])
    missed = missed_run_id(monitor["id"], slot)
    rows.remove_missed(missed)
    if missed not in (state.health_run_id, state.last_run_id):
        return state
    decided = rows.newest_decided(run)
    others = [RunChanged(each["id"], each["status"], _order_in_time(each, now)) for each in decided]
    return without(state, missed, others)


def _order_in_time(run: Row, now: datetime) -> datetime:
    """The time that orders the run among the monitor's others: not before its slot, else a run that started early by a
    wrong clock would come before the missed run that it replaces."""
    slot = run["slot"]
    return max(run["sort_at"], slot) if slot is not None and slot <= now + AHEAD else run["sort_at"]


def _next_deadline(monitor: Row, run: Row, now: datetime) -> datetime | None:
    """The monitor's next deadline, not later than the time by which a running run must have ended.

    Now if a run has ended that may have been the one that takes too long.
    """
    current = monitor["next_deadline"]
    if run["status"] != "running" and monitor["state"] in OVERDUE:
        return now
    if run["status"] != "running" or run["started_at"] is None:
        return current
    limit = monitor["run_limit_s"]
    longest = None if limit is None else run["started_at"] + timedelta(seconds=limit)
    return min((at for at in (current, longest, _finish_deadline(monitor, run)) if at is not None), default=None)


def _finish_deadline(monitor: Row, run: Row) -> datetime | None:
    if not monitor["finish_by"]:
        return None
    return finish_deadline(installed.load(monitor["lines"]), monitor["finish_by"], run["slot"])


def endpoint_job(session: Session, tenant_id: str, namespace: str, name: str) -> str:
    """The id of the job of this name; raises NotFound."""
    by_name = (JobIndex.tenant_id == tenant_id, JobIndex.namespace == namespace, JobIndex.name == name)
    job_id = session.exec(select(JobIndex.job_id).where(*by_name).order_by(col(JobIndex.path))).first()
    if job_id is None:
        raise NotFound(f"No job {namespace}/{name}.")
    return job_id
