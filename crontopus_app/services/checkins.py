"""Check-ins of endpoints, as the API hands them in."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from contract import wire
from crontopus_app.errors import BadInput, CrontopusError, NotFound
from crontopus_app.models import Endpoint
from crontopus_app.monitoring import ingest
from crontopus_app.services import values

KINDS = frozenset({"start", "success", "fail", "log", "heartbeat", "skipped"})
BATCH = 500
FLAGS, FLAG_LENGTH = 20, 100
# Thousands of them add up to less than a column holds.
MOST_LOST = 2**50
LEGACY_KINDS = {"running": "start", "started": "start", "success": "success", "failure": "fail", "failed": "fail"}


def record(session: Session, endpoint: Endpoint, checkin: wire.Checkin, now: datetime) -> wire.CheckinAnswer:
    """Writes one check-in. Raises BadInput, NotFound, Conflict.

    PostgreSQL lets two processes find a run (or a check-in) missing and both insert it: the second one waits for the
    first one's commit, fails, and here looks again, now finding it.
    """
    cleaned = _clean(checkin)
    try:
        with session.begin_nested():
            return ingest.record(session, endpoint, cleaned, now)
    except IntegrityError:
        with session.begin_nested():
            return ingest.record(session, endpoint, cleaned, now)


def record_batch(
    session: Session, endpoint: Endpoint, checkins: Sequence[wire.Checkin], now: datetime
) -> list[wire.CheckinAnswer]:
    """Writes up to 500 in their order; one that is refused is answered ``refused`` and stops none of the others."""
    if len(checkins) > BATCH:
        raise BadInput(f"A batch has at most {BATCH} check-ins; this one has {len(checkins)}.")
    return [_record_or_refuse(session, endpoint, checkin, now) for checkin in checkins]


def _record_or_refuse(session: Session, endpoint: Endpoint, checkin: wire.Checkin, now: datetime) -> wire.CheckinAnswer:
    try:
        with session.begin_nested():
            return record(session, endpoint, checkin, now)
    except CrontopusError:
        return wire.CheckinAnswer(run_id=checkin.run_id, state="refused", duplicate=False)


def record_legacy(session: Session, endpoint: Endpoint, told: wire.LegacyCheckin, now: datetime) -> wire.CheckinAnswer:
    """The first Crontopus' check-in: a run that is told whole, once it has ended (or has begun)."""
    if told.endpoint_id != endpoint.id:
        raise NotFound("This token belongs to another endpoint.")
    kind = LEGACY_KINDS.get(told.status)
    if kind is None:
        raise values.bad("status", f"status is one of {', '.join(sorted(LEGACY_KINDS))}, not {told.status!r}.")
    checkin = wire.Checkin(
        id=str(uuid.uuid4()),
        job_id=ingest.endpoint_job(session, endpoint.tenant_id, told.namespace, told.job_name),
        run_id=str(uuid.uuid4()),
        kind=kind,
        at=now,
        duration_s=told.duration,
        exit_code=told.exit_code,
        output=wire.CheckinOutput(head=told.output) if told.output is not None else None,
        error=told.error_message or "",
    )
    return record(session, endpoint, checkin, now)


def _clean(checkin: wire.Checkin) -> wire.Checkin:
    """The check-in with its ids in one spelling; raises BadInput naming the field."""
    if checkin.kind not in KINDS:
        raise values.bad("kind", f"kind is one of {', '.join(sorted(KINDS))}, not {checkin.kind!r}.")
    _check_numbers(checkin)
    moments = {name: values.instant(name, getattr(checkin, name)) for name in ("at", "slot", "started_at")}
    ids = {name: _uuid(name, getattr(checkin, name)) for name in ("id", "job_id", "run_id")}
    texts = {name: values.text(getattr(checkin, name)) for name in ("error", "commit", "line_hash", "boot_id")}
    flags = [values.text(flag, FLAG_LENGTH) for flag in checkin.flags[:FLAGS]]
    return replace(checkin, flags=flags, **moments, **ids, **texts)


def _check_numbers(checkin: wire.Checkin) -> None:
    """Raises BadInput for a number that its column cannot hold."""
    values.whole("attempt", checkin.attempt, least=1)
    values.whole("exit_code", checkin.exit_code)
    values.whole("signal", checkin.signal)
    values.whole("seq", checkin.seq, most=values.INT64)
    values.finite("duration_s", checkin.duration_s)
    if checkin.output is not None:
        values.whole("output.lost_bytes", checkin.output.lost_bytes, most=MOST_LOST, least=0)


def _uuid(field: str, value: str) -> str:
    try:
        return str(uuid.UUID(value))
    except ValueError as error:
        raise values.bad(field, f"{field} must be a UUID.") from error
