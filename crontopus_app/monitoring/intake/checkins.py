"""Validates, authenticates and writes check-ins of endpoints."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from contract import wire
from crontopus_app.base import bounds
from crontopus_app.base.db import locked_out, raced, writing
from crontopus_app.base.errors import BadInput, Busy, CrontopusError, NotFound, Unavailable
from crontopus_app.base.postgres import patience
from crontopus_app.monitoring.intake import ingest
from crontopus_app.monitoring.intake.rows import Rows, Sender, SentCheckin
from crontopus_app.monitoring.intake.senders import PATIENCE_S, Caller, authenticate
from crontopus_app.monitoring.intake.statements import statements

log = logging.getLogger(__name__)

KINDS = frozenset({"start", "success", "fail", "log", "heartbeat", "skipped"})
# Repetitions of a transaction that failed because of a concurrent one.
RETRIES = 2
FLAGS, FLAG_LENGTH = 20, 100
# Small enough that thousands of them add up to less than a column can hold.
MOST_LOST = 2**50
MOMENTS, IDS = ("at", "slot", "started_at"), ("id", "job_id", "run_id")
TEXTS = ("error", "commit", "line_hash", "boot_id")
CANONICAL = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Check-ins wait only this long for a lock, because many wait behind them.
LOCK_MS = 200
LEGACY_KINDS = {"running": "start", "started": "start", "success": "success", "failure": "fail", "failed": "fail"}


@dataclass(frozen=True)
class ReceivedCheckin:
    """An unchecked check-in, and the endpoint that sent it."""

    caller: Caller
    checkin: wire.Checkin


Outcome = wire.CheckinAnswer | Exception


def record(received: Sequence[ReceivedCheckin], now: datetime) -> list[Outcome]:
    """Writes check-ins of any endpoints in one transaction. Returns the answer or the error of each.

    These errors affect only their own check-in: BadInput, NotFound, Conflict, NotAuthenticated and Forbidden (the token
    was revoked meanwhile), and Busy (another transaction has locked the tenant's rows). With Unavailable, nothing is
    written. A check-in that the database rejects is isolated by bisection.
    """
    try:
        return _together(received, now)
    except Unavailable as error:
        return _of_each_tenant(received, now) if locked_out(error) else [error] * len(received)
    except Exception as error:
        if len(received) == 1:
            return [error]
        log.warning("Writing %d check-ins in one transaction failed, trying each half: %s", len(received), error)
        half = len(received) // 2
        return record(received[:half], now) + record(received[half:], now)


def _of_each_tenant(received: Sequence[ReceivedCheckin], now: datetime) -> list[Outcome]:
    """As ``record``, one transaction per tenant, because a lock of one of the tenants timed out."""
    tenants = [item.caller.tenant_id for item in received]
    if len(set(tenants)) == 1:
        return [Busy()] * len(received)
    answers = {
        tenant: iter(record([item for item in received if item.caller.tenant_id == tenant], now))
        for tenant in set(tenants)
    }
    return [next(answers[tenant]) for tenant in tenants]


def _together(received: Sequence[ReceivedCheckin], now: datetime) -> list[Outcome]:
    """As ``record``, repeated after a conflict with another process.

    On PostgreSQL two processes may both find a run (or a check-in) missing and insert it. The second insert waits for
    the first one's commit and fails; the repetition finds the row.
    """
    for _ in range(RETRIES):
        try:
            return _once(received, now)
        except (Unavailable, DBAPIError) as error:
            if not raced(error):
                raise
    return _once(received, now)


def _once(received: Sequence[ReceivedCheckin], now: datetime) -> list[Outcome]:
    with patience(PATIENCE_S), writing() as session:
        return _write(session, received, now)


def _write(session: Session, received: Sequence[ReceivedCheckin], now: datetime) -> list[Outcome]:
    checked = [_checked(item.checkin) for item in received]
    pairs = list(zip(received, checked, strict=True))
    valid = [(item.caller.id, checkin) for item, checkin in pairs if isinstance(checkin, wire.Checkin)]
    reading = statements(session)
    with reading.together():
        reading.limit(LOCK_MS)
        authenticated = authenticate(reading, {item.caller for item in received})
        rows = Rows(reading, valid)
    senders = authenticated()
    accepted = [_sent(senders[item.caller], checkin) for item, checkin in pairs]
    answers = iter(ingest.write(rows, [item for item in accepted if isinstance(item, SentCheckin)], now))
    return [next(answers) if isinstance(item, SentCheckin) else item for item in accepted]


def _sent(sender: Sender | CrontopusError, checkin: wire.Checkin | BadInput) -> SentCheckin | CrontopusError:
    if isinstance(sender, CrontopusError):
        return sender
    return checkin if isinstance(checkin, BadInput) else SentCheckin(sender, checkin)


def _checked(checkin: wire.Checkin) -> wire.Checkin | BadInput:
    try:
        return _clean(checkin)
    except BadInput as error:
        return error


def from_legacy(session: Session, caller: Caller, legacy: wire.LegacyCheckin, now: datetime) -> wire.Checkin:
    """Converts a check-in in the format of the first Crontopus. Raises BadInput, NotFound."""
    if legacy.endpoint_id != caller.id:
        raise NotFound("endpoint_id is not the endpoint of this token.")
    kind = LEGACY_KINDS.get(legacy.status)
    if kind is None:
        raise bounds.bad("status", f"status must be one of {', '.join(sorted(LEGACY_KINDS))}, not {legacy.status!r}.")
    return wire.Checkin(
        id=str(uuid.uuid4()),
        job_id=ingest.endpoint_job(session, caller.tenant_id, legacy.namespace, legacy.job_name),
        run_id=str(uuid.uuid4()),
        kind=kind,
        at=now,
        duration_s=legacy.duration,
        exit_code=legacy.exit_code,
        output=wire.CheckinOutput(head=legacy.output) if legacy.output is not None else None,
        error=legacy.error_message or "",
    )


def _clean(checkin: wire.Checkin) -> wire.Checkin:
    """The check-in with normalised values; raises BadInput that names the invalid field."""
    if checkin.kind not in KINDS:
        raise bounds.bad("kind", f"kind must be one of {', '.join(sorted(KINDS))}, not {checkin.kind!r}.")
    _check_numbers(checkin)
    clean: dict[str, Any] = {name: bounds.instant(name, getattr(checkin, name)) for name in MOMENTS}
    clean |= {name: _uuid(name, getattr(checkin, name)) for name in IDS}
    clean |= {name: bounds.text(text) for name in TEXTS if (text := getattr(checkin, name))}
    if checkin.flags:
        clean["flags"] = [bounds.text(flag, FLAG_LENGTH) for flag in checkin.flags[:FLAGS]]
    changed = {name: value for name, value in clean.items() if value is not getattr(checkin, name)}
    return replace(checkin, **changed) if changed else checkin


def _check_numbers(checkin: wire.Checkin) -> None:
    """Raises BadInput for numbers that their columns cannot hold."""
    bounds.whole("attempt", checkin.attempt, least=1)
    bounds.whole("exit_code", checkin.exit_code)
    bounds.whole("signal", checkin.signal)
    bounds.whole("seq", checkin.seq, most=bounds.INT64)
    bounds.finite("duration_s", checkin.duration_s)
    if checkin.output is not None:
        bounds.whole("output.lost_bytes", checkin.output.lost_bytes, most=MOST_LOST, least=0)


def _uuid(field: str, value: str) -> str:
    if CANONICAL.fullmatch(value):
        return value
    try:
        return str(uuid.UUID(value))
    except ValueError as error:
        raise bounds.bad(field, f"{field} must be a UUID.") from error
