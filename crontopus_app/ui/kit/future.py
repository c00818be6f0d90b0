"""What a schedule will do: words, next runs in three zones, nights with a clock change. Pure.

Hosts differ in how their cron treats a night with a clock change: where that makes a difference, each is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from contract import schedule

NEXT = 5
CRONS = {
    "debian": "Debian's cron and cronie",
    "busybox": "BusyBox crond",
    "systemd": "systemd timers",
    "windows": "Windows Task Scheduler",
}
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


def zone_of(wanted: str | None, reported: Iterable[str]) -> str:
    """The job's zone, else the one its hosts reported if they agree; an empty string while it is not known."""
    known = {zone for zone in reported if zone}
    return wanted or (known.pop() if len(known) == 1 else "")


def future(
    expressions: Sequence[str], zone: str, seeds: Sequence[str], now: datetime, policies: Iterable[str] = ()
) -> Future:
    """Nothing but words without a zone; an empty future of a schedule that cannot be read.

    ``seeds`` are those of its hosts, which a schedule with an ``H`` runs on at different minutes; ``policies`` are
    their crons', Debian's where none is known.
    """
    crons = sorted(set(policies)) or ["debian"]
    try:
        if not zone:
            return Future(schedule.words(list(expressions)))
        moments = {at for plain in _plain(expressions, seeds) for at in _next(plain, zone, crons, now)}
        coming = tuple(slot(at, zone) for at in sorted(moments)[:NEXT])
        first = next(iter(_plain(expressions, seeds)))
        return Future(schedule.explain(list(expressions), zone), zone, coming, nights(first, zone, now, crons))
    except (schedule.ScheduleError, ValueError, KeyError, OSError):
        return Future()


def _plain(expressions: Sequence[str], seeds: Sequence[str]) -> set[tuple[str, ...]]:
    """The schedule as each host's cron reads it; one where there is no ``H``."""
    return {tuple(schedule.resolve(one, seed) for one in expressions) for seed in seeds or [""]}


def _next(plain: Sequence[str], zone: str, crons: Sequence[str], now: datetime) -> set[datetime]:
    return {at for cron in crons for at in schedule.next_slots(list(plain), zone, cron, now, NEXT)}


def slot(at: datetime, zone: str) -> Slot:
    return Slot(at.isoformat(), f"{at.astimezone(ZoneInfo(zone)):%a %d %b %H:%M}", f"{at.astimezone(UTC):%H:%M}")


def nights(plain: Sequence[str], zone: str, now: datetime, crons: Sequence[str] = ("debian",)) -> tuple[Night, ...]:
    """Both clock changes of the year, those without effect too; where crons differ, what each does."""
    found = [schedule.change_nights(list(plain), zone, cron, now) for cron in crons]
    told: list[Night] = []
    for same in zip(*found, strict=True):
        agreed = len({night.text for night in same}) == 1
        pairs = (
            [("", same[0])] if agreed else [(f"{CRONS[cron]}: ", one) for cron, one in zip(crons, same, strict=True)]
        )
        told += [Night(who + night.text, "ok" if night.outcome == "fine" else "late") for who, night in pairs]
    return tuple(told)
