"""Which period a report is about, and when it is sent. Pure; days are those of the reader's time zone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

KINDS = ("daily", "weekly", "monthly")
# Minutes of the day: reports are sent from 09:00 to 11:00, those of different readers spread over an hour and a half,
# so that the last half hour is left for a server that was away.
BEGIN, END, SPREAD = 9 * 60, 11 * 60, 90


@dataclass(frozen=True)
class Period:
    """``start`` ≤ t < ``end``, from midnight to midnight. ``first`` and ``last`` are its days."""

    kind: str
    first: date
    last: date
    start: datetime
    end: datetime

    @property
    def key(self) -> str:
        """The same for all zones: ``weekly 2026-11-16``."""
        return f"{self.kind} {self.first}"


def zone_of(name: str) -> ZoneInfo:
    """The reader's zone; UTC without one."""
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")


def latest(kind: str, zone: ZoneInfo, now: datetime) -> Period:
    """The latest day, week from Monday, or month that is over."""
    end = now.astimezone(zone).date()
    if kind == "daily":
        return _period(kind, end - timedelta(days=1), end, zone)
    if kind == "weekly":
        end -= timedelta(days=end.weekday())
        return _period(kind, end - timedelta(days=7), end, zone)
    end = end.replace(day=1)
    return _period(kind, (end - timedelta(days=1)).replace(day=1), end, zone)


def _period(kind: str, first: date, end: date, zone: ZoneInfo) -> Period:
    return Period(kind, first, end - timedelta(days=1), _midnight(first, zone), _midnight(end, zone))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """The begin of the day in UTC. Where a clock change skips midnight, the moment of the change."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def is_time(reader: str, zone: ZoneInfo, now: datetime) -> bool:
    """Whether the reader's reports may be sent now."""
    local = now.astimezone(zone)
    own = int.from_bytes(hashlib.sha256(reader.encode()).digest()[:4]) % SPREAD
    return BEGIN + own <= local.hour * 60 + local.minute < END
