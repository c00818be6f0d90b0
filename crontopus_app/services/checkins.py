"""Check-ins of endpoints, as the API hands them in."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlmodel import Session

from contract import wire
from crontopus_app.errors import BadInput, CrontopusError, NotFound
from crontopus_app.models import Endpoint
from crontopus_app.monitoring import ingest

KINDS = frozenset({"start", "success", "fail", "log", "heartbeat", "skipped"})
BATCH = 500
LEGACY_KINDS = {"running": "start", "started": "start", "success": "success", "failure": "fail", "failed": "fail"}


def record(session: Session, endpoint: Endpoint, checkin: wire.Checkin, now: datetime) -> wire.CheckinAnswer:
    """Writes one check-in. Raises BadInput, NotFound, Conflict."""
    return ingest.record(session, endpoint, _clean(checkin), now)


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
        raise _bad("status", f"status is one of {', '.join(sorted(LEGACY_KINDS))}, not {told.status!r}.")
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
        raise _bad("kind", f"kind is one of {', '.join(sorted(KINDS))}, not {checkin.kind!r}.")
    if checkin.attempt < 1:
        raise _bad("attempt", "attempt counts from 1.")
    for name in ("at", "slot", "started_at"):
        moment = getattr(checkin, name)
        if moment is not None and moment.tzinfo is None:
            raise _bad(name, f"{name} needs a zone, such as 2026-01-31T02:00:00+00:00.")
    ids = {name: _uuid(name, getattr(checkin, name)) for name in ("id", "job_id", "run_id")}
    texts = {name: _text(getattr(checkin, name)) for name in ("error", "commit", "line_hash", "boot_id")}
    return replace(checkin, flags=[_text(flag) for flag in checkin.flags], **ids, **texts)


def _text(text: str) -> str:
    """Without NUL, which PostgreSQL cannot store, and of a bounded length."""
    return text.replace("\0", "\u2400")[:2000]


def _uuid(field: str, value: str) -> str:
    try:
        return str(uuid.UUID(value))
    except ValueError as error:
        raise _bad(field, f"{field} must be a UUID.") from error


def _bad(field: str, message: str) -> BadInput:
    return BadInput(message, problems=[wire.Problem(code="bad_value", message=message, field=field)])
