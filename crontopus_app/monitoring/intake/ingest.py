"""The one place that writes runs: check-ins come in, runs and monitors follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from contract import wire
from crontopus_app.base.db import storable
from crontopus_app.base.errors import Conflict, CrontopusError, NotFound
from crontopus_app.models import JobIndex
from crontopus_app.monitoring.fold import RunFacts, fold
from crontopus_app.monitoring.intake.rows import STANDING, Rows, Sender, Told
from crontopus_app.monitoring.intake.statements import Row, statements
from crontopus_app.monitoring.state import Ran, Standing, after

OUTPUT_LIMIT = 256 * 1024
AHEAD = timedelta(minutes=5)


def record(session: Session, told: Sequence[Told], now: datetime) -> list[wire.CheckinAnswer | CrontopusError]:
    """Writes check-ins of any sources, in their order, as if each came alone; one answer or refusal for each.

    One whose id was seen before changes nothing and is answered the same. Refused with NotFound is another tenant's
    job or run, with Conflict a run id that is another run's; a refusal changes nothing. Raises IntegrityError where
    another process wrote one of the rows meanwhile: roll back and call again.
    """
    asked = statements(session)
    with asked.together():
        rows = Rows(asked, [(one.sender.id, one.checkin) for one in told])
    return write(rows, told, now)


def write(rows: Rows, told: Sequence[Told], now: datetime) -> list[wire.CheckinAnswer | CrontopusError]:
    """As ``record``, of check-ins (or some of them) whose ``rows`` have been asked for."""
    rows.gather()
    answers = [_one(rows, one.sender, one.checkin, now) for one in told]
    rows.write()
    return answers


def _one(rows: Rows, sender: Sender, checkin: wire.Checkin, now: datetime) -> wire.CheckinAnswer | CrontopusError:
    seen = rows.seen.get((checkin.id, sender.id))
    if seen is not None:
        return wire.CheckinAnswer(run_id=seen, state=rows.status(seen), duplicate=True)
    try:
        known = rows.runs.get(checkin.run_id)
        if known is not None:
            _check_owner(known, sender, checkin)
        run = known or _new_run(rows, sender, checkin, now)
    except CrontopusError as error:
        return error
    before = _facts(run) if known else None
    after = fold(before, checkin, now)
    _apply(rows, run, after, now)
    _keep_output(rows, run["id"], checkin, decided=before is None or _ending(before) != _ending(after))
    rows.put_checkin(_row(sender, checkin, now))
    _update_monitor(rows, run, now)
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


def _names(rows: Rows, sender: Sender, job_id: str) -> tuple[str, str]:
    """Name and namespace of the job. One that is not indexed yet is kept under its id rather than lost."""
    monitor = rows.monitors.get((job_id, sender.id))
    if monitor is not None:
        return monitor["job_name"], monitor["namespace"]
    indexed = rows.jobs.get(job_id, [])
    mine = next((job for job in indexed if job["tenant_id"] == sender.tenant_id), None)
    if mine is not None:
        return mine["name"], mine["namespace"]
    if indexed:
        raise NotFound("There is no such job.")
    return job_id, ""


def _check_owner(run: Row, sender: Sender, checkin: wire.Checkin) -> None:
    if run["tenant_id"] != sender.tenant_id or run["source_id"] != sender.id:
        raise NotFound("There is no such run.")
    if run["job_id"] != checkin.job_id:
        raise Conflict("This run id belongs to a run of another job: each run needs an id of its own.")


_FACTS = tuple(field.name for field in fields(RunFacts) if field.name != "flags")


def _facts(run: Row) -> RunFacts:
    return RunFacts(flags=frozenset(run["flags"]), **{name: run[name] for name in _FACTS})


def _ending(facts: RunFacts) -> tuple[Any, ...]:
    return (facts.status, facts.attempt, facts.finished_at)


def _apply(rows: Rows, run: Row, facts: RunFacts, now: datetime) -> None:
    for name in _FACTS:
        run[name] = getattr(facts, name)
    run["flags"] = sorted(facts.flags)
    moment = facts.started_at or facts.finished_at or run["sort_at"]
    # A clock that is far ahead must not hold the monitor's last run, and the top of every page, for days.
    run["sort_at"] = moment if moment <= now + AHEAD else now
    run["received_at"] = now
    rows.put_run(run)


def _keep_output(rows: Rows, run_id: str, checkin: wire.Checkin, *, decided: bool) -> None:
    """The output told by the check-in that settled the run; what ``log`` tells is added until then."""
    told = checkin.output
    if told is None or not (decided or checkin.kind == "log"):
        return
    kept = rows.outputs.get(run_id) or {"run_id": run_id, "head": "", "tail": "", "lost_bytes": 0}
    if checkin.kind == "log":
        joined = kept["tail"] + told.head + told.tail
        kept["lost_bytes"] += told.lost_bytes + max(0, len(joined) - OUTPUT_LIMIT)
        kept["tail"] = storable(joined[-OUTPUT_LIMIT:])
    else:
        kept["head"], kept["tail"] = storable(told.head[:OUTPUT_LIMIT]), storable(told.tail[-OUTPUT_LIMIT:])
        cut = max(0, len(told.head) - OUTPUT_LIMIT) + max(0, len(told.tail) - OUTPUT_LIMIT)
        kept["lost_bytes"] = told.lost_bytes + cut
    rows.put_output(kept)


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


def _update_monitor(rows: Rows, run: Row, now: datetime) -> None:
    monitor = rows.monitors.get((run["job_id"], run["source_id"]))
    if monitor is None:
        return
    before = Standing(**{name: monitor[name] for name in STANDING})
    stands = after(before, Ran(run["id"], run["status"], run["sort_at"]))
    if stands != before:
        rows.put_monitor(monitor | vars(stands) | {"updated_at": now})


def endpoint_job(session: Session, tenant_id: str, namespace: str, name: str) -> str:
    """The id of the job of this name; raises NotFound."""
    where = (JobIndex.tenant_id == tenant_id, JobIndex.namespace == namespace, JobIndex.name == name)
    found = session.exec(select(JobIndex.job_id).where(*where).order_by(col(JobIndex.path))).first()
    if found is None:
        raise NotFound(f"There is no job {namespace}/{name}.")
    return found
