"""What a schedule will do: words, next runs in three zones, nights with a clock change. Pure.

Hosts differ in how their cron treats a night with a clock change: where that makes a difference, each is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from contract import schedule
from crontopus_app.monitoring import slots
from crontopus_app.monitoring.slots import DEBIAN, NOWHERE, Host, ScheduledJob

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
class Forecast:
    words: str = ""
    zone: str = UNKNOWN
    next_runs: tuple[Slot, ...] = ()
    nights: tuple[Night, ...] = ()


NOTHING = Forecast()


def zone_of(wanted: str | None, reported: Iterable[str]) -> str:
    """The job's zone, else the one its hosts reported if they agree; an empty string while it is not known."""
    known = {zone for zone in reported if zone}
    return wanted or (known.pop() if len(known) == 1 else "")


def forecast(job: ScheduledJob, zone: str, hosts: Set[Host], now: datetime) -> Forecast:
    """What the job does on these hosts, which all keep time by ``zone``; without any, as Debian's cron would.

    Nothing but words without a zone; an empty future of a schedule that cannot be read.
    """
    expressions, there = list(job.schedule), replace(job, timezone=zone)
    crons = sorted({host.clock.policy for host in hosts}) or [DEBIAN]
    try:
        if not zone:
            return Forecast(schedule.words(expressions))
        runs = tuple(slot(at, zone) for at in slots.next_slots(there, hosts, now, NEXT))
        line = slots.line(there, min(hosts, default=NOWHERE))
        found = nights(line.plain, zone, now, crons) if line else ()
        return Forecast(schedule.explain(expressions, zone), zone, runs, found)
    except (schedule.ScheduleError, ValueError, KeyError, OSError):
        return Forecast()


def slot(at: datetime, zone: str) -> Slot:
    return Slot(at.isoformat(), f"{at.astimezone(ZoneInfo(zone)):%a %d %b %H:%M}", f"{at.astimezone(UTC):%H:%M}")


def nights(plain: Sequence[str], zone: str, now: datetime, crons: Sequence[str] = (DEBIAN,)) -> tuple[Night, ...]:
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
