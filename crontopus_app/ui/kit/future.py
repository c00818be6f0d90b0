"""What a schedule will do: words, next runs in three zones, nights with a clock change. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from contract import schedule

NEXT = 5
POLICY = "debian"
UNKNOWN = "unknown until the host reports"


@dataclass(frozen=True)
class Slot:
    """One run to come: the instant (the browser says it in its own zone), and its wall clock in two others."""

    at: str
    there: str
    utc: str


@dataclass(frozen=True)
class Night:
    text: str
    state: str


@dataclass(frozen=True)
class Future:
    words: str = ""
    zone: str = UNKNOWN
    coming: tuple[Slot, ...] = ()
    nights: tuple[Night, ...] = ()


NOTHING = Future()


def zone_of(wanted: str | None, reported: Sequence[str]) -> str:
    """The job's zone, else the one its hosts reported if they agree; an empty string while it is not known."""
    known = {zone for zone in reported if zone}
    return wanted or (known.pop() if len(known) == 1 else "")


def future(expressions: Sequence[str], zone: str, seed: str, now: datetime) -> Future:
    """Nothing but words without a zone; an empty future of a schedule that cannot be read."""
    try:
        if not zone:
            return Future(schedule.words(list(expressions)))
        plain = [schedule.resolve(one, seed) for one in expressions]
        coming = tuple(slot(at, zone) for at in schedule.next_slots(plain, zone, POLICY, now, NEXT))
        return Future(schedule.explain(list(expressions), zone), zone, coming, nights(plain, zone, now))
    except (schedule.ScheduleError, ValueError, KeyError, OSError):
        return Future()


def slot(at: datetime, zone: str) -> Slot:
    return Slot(at.isoformat(), f"{at.astimezone(ZoneInfo(zone)):%a %d %b %H:%M}", f"{at.astimezone(UTC):%H:%M}")


def nights(plain: Sequence[str], zone: str, now: datetime) -> tuple[Night, ...]:
    """Both clock changes of the year, those without effect too: that is worth knowing as well."""
    found = schedule.change_nights(list(plain), zone, POLICY, now)
    return tuple(Night(night.text, "ok" if night.outcome == "fine" else "late") for night in found)
