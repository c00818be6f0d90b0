"""Check-ins of endpoints, as the API hands them in."""

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
from crontopus_app.monitoring.intake import senders as callers
from crontopus_app.monitoring.intake.rows import Rows, Sender, Told
from crontopus_app.monitoring.intake.senders import Caller
from crontopus_app.monitoring.intake.statements import statements

log = logging.getLogger(__name__)

KINDS = frozenset({"start", "success", "fail", "log", "heartbeat", "skipped"})
# How often a transaction that another process was in the way of is begun again.
AGAIN = 2
FLAGS, FLAG_LENGTH = 20, 100
# Thousands of them add up to less than a column holds.
MOST_LOST = 2**50
MOMENTS, IDS = ("at", "slot", "started_at"), ("id", "job_id", "run_id")
TEXTS = ("error", "commit", "line_hash", "boot_id")
CANONICAL = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Whoever holds a lock of a check-in's for long holds up many.
LOCK_MS = 200
LEGACY_KINDS = {"running": "start", "started": "start", "success": "success", "failure": "fail", "failed": "fail"}


@dataclass(frozen=True)
class Asked:
    """One check-in, unchecked, and the endpoint that sent it."""

    caller: Caller
    checkin: wire.Checkin


Answer = wire.CheckinAnswer | Exception


def record(asked: Sequence[Asked], now: datetime) -> list[Answer]:
    """Writes check-ins of any endpoints in one transaction; for each its answer, or why it is refused.

    BadInput, NotFound, Conflict, NotAuthenticated or Forbidden where the token has ended meanwhile, and Busy where
    somebody else holds the tenant's rows, harm no other; Unavailable is everybody's, and nothing is written then.
    What the database cannot take is found by halves.
    """
    try:
        return _together(asked, now)
    except Unavailable as error:
        return _of_each_tenant(asked, now) if locked_out(error) else [error] * len(asked)
    except Exception as error:
        if len(asked) == 1:
            return [error]
        log.warning("%d check-ins cannot be written together: %s", len(asked), error)
        half = len(asked) // 2
        return record(asked[:half], now) + record(asked[half:], now)


def _of_each_tenant(asked: Sequence[Asked], now: datetime) -> list[Answer]:
    """As ``record``, where a lock of one of the tenants could not be had."""
    tenants = [one.caller.tenant_id for one in asked]
    if len(set(tenants)) == 1:
        return [Busy()] * len(asked)
    answers = {
        tenant: iter(record([one for one in asked if one.caller.tenant_id == tenant], now)) for tenant in set(tenants)
    }
    return [next(answers[tenant]) for tenant in tenants]


def _together(asked: Sequence[Asked], now: datetime) -> list[Answer]:
    """As ``record``, again where another process was in the way.

    PostgreSQL lets two processes find a run (or a check-in) missing and both insert it: the second one waits for the
    first one's commit, fails, and here looks again, now finding it.
    """
    for _ in range(AGAIN):
        try:
            return _once(asked, now)
        except (Unavailable, DBAPIError) as error:
            if not raced(error):
                raise
    return _once(asked, now)


def _once(asked: Sequence[Asked], now: datetime) -> list[Answer]:
    with patience(callers.PATIENCE_S), writing() as session:
        return _write(session, asked, now)


def _write(session: Session, asked: Sequence[Asked], now: datetime) -> list[Answer]:
    checked = [_checked(one.checkin) for one in asked]
    good = [(one.caller, told) for one, told in zip(asked, checked, strict=True) if isinstance(told, wire.Checkin)]
    reading = statements(session)
    with reading.together():
        reading.limit(LOCK_MS)
        standing = callers.senders(reading, {one.caller for one in asked})
        rows = Rows(reading, [(caller.id, checkin) for caller, checkin in good])
    senders = standing()
    told = [_told(senders[one.caller], checkin) for one, checkin in zip(asked, checked, strict=True)]
    answers = iter(ingest.write(rows, [one for one in told if isinstance(one, Told)], now))
    return [next(answers) if isinstance(one, Told) else one for one in told]


def _told(sender: Sender | CrontopusError, checkin: wire.Checkin | BadInput) -> Told | CrontopusError:
    if isinstance(sender, CrontopusError):
        return sender
    return checkin if isinstance(checkin, BadInput) else Told(sender, checkin)


def _checked(checkin: wire.Checkin) -> wire.Checkin | BadInput:
    try:
        return _clean(checkin)
    except BadInput as error:
        return error


def from_legacy(session: Session, caller: Caller, told: wire.LegacyCheckin, now: datetime) -> wire.Checkin:
    """The first Crontopus' check-in: a run that is told whole, once it has ended (or has begun).

    Raises BadInput, NotFound.
    """
    if told.endpoint_id != caller.id:
        raise NotFound("This token belongs to another endpoint.")
    kind = LEGACY_KINDS.get(told.status)
    if kind is None:
        raise bounds.bad("status", f"status is one of {', '.join(sorted(LEGACY_KINDS))}, not {told.status!r}.")
    return wire.Checkin(
        id=str(uuid.uuid4()),
        job_id=ingest.endpoint_job(session, caller.tenant_id, told.namespace, told.job_name),
        run_id=str(uuid.uuid4()),
        kind=kind,
        at=now,
        duration_s=told.duration,
        exit_code=told.exit_code,
        output=wire.CheckinOutput(head=told.output) if told.output is not None else None,
        error=told.error_message or "",
    )


def _clean(checkin: wire.Checkin) -> wire.Checkin:
    """The check-in with its ids in one spelling; raises BadInput naming the field."""
    if checkin.kind not in KINDS:
        raise bounds.bad("kind", f"kind is one of {', '.join(sorted(KINDS))}, not {checkin.kind!r}.")
    _check_numbers(checkin)
    clean: dict[str, Any] = {name: bounds.instant(name, getattr(checkin, name)) for name in MOMENTS}
    clean |= {name: _uuid(name, getattr(checkin, name)) for name in IDS}
    clean |= {name: bounds.text(text) for name in TEXTS if (text := getattr(checkin, name))}
    if checkin.flags:
        clean["flags"] = [bounds.text(flag, FLAG_LENGTH) for flag in checkin.flags[:FLAGS]]
    changed = {name: value for name, value in clean.items() if value is not getattr(checkin, name)}
    return replace(checkin, **changed) if changed else checkin


def _check_numbers(checkin: wire.Checkin) -> None:
    """Raises BadInput for a number that its column cannot hold."""
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
