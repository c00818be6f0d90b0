"""What a schedule will do: its meaning in words, the next runs, nights with a clock change. Pure.

Cron daemons treat a clock change differently: where that matters, each daemon's behaviour is shown.
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
    "debian": "Debian cron and cronie",
    "busybox": "BusyBox crond",
    "systemd": "systemd timers",
    "windows": "Windows Task Scheduler",
}
AT_BOOT = "Runs at each start of the host."
NO_RUN = "No run planned."
UNKNOWN = "Unknown until a host reports its time zone."


@dataclass(frozen=True)
class Slot:
    """One planned run: ISO time, its wall clock in the job's zone (``there``), and in UTC where that differs."""

    at: str
    there: str
    utc: str


@dataclass(frozen=True)
class Night:
    text: str
    state: str


@dataclass(frozen=True)
class Forecast:
    """``reason`` says why there are no ``next_runs``."""

    words: str = ""
    zone: str = ""
    next_runs: tuple[Slot, ...] = ()
    nights: tuple[Night, ...] = ()
    reason: str = UNKNOWN


EMPTY = Forecast()


def zone_of(of_job: str | None, reported: Iterable[str]) -> str:
    """The job's zone, else the one that all its hosts reported; empty if unknown or ambiguous."""
    zones = {zone for zone in reported if zone}
    return of_job or (zones.pop() if len(zones) == 1 else "")


def forecast(job: ScheduledJob, zone: str, hosts: Set[Host], now: datetime) -> Forecast:
    """Forecast for the job on ``hosts``, all in ``zone``; without hosts, for Debian's cron.

    Without a zone it has words only. For an invalid schedule it is empty.
    """
    expressions, there = list(job.schedule), replace(job, timezone=zone)
    crons = sorted({host.clock.policy for host in hosts}) or [DEBIAN]
    try:
        if not zone:
            return Forecast(schedule.words(expressions))
        runs = tuple(slot(at, zone) for at in slots.next_slots(there, hosts, now, NEXT))
        line = slots.line(there, min(hosts, default=NOWHERE))
        effects = nights(line.plain, zone, now, crons) if line else ()
        reason = AT_BOOT if all(one.strip().lower() == "@reboot" for one in expressions) else NO_RUN
        return Forecast(schedule.explain(expressions, zone), zone, runs, effects, reason)
    except (schedule.ScheduleError, ValueError, KeyError, OSError):
        return Forecast()


def slot(at: datetime, zone: str) -> Slot:
    there, utc = at.astimezone(ZoneInfo(zone)), at.astimezone(UTC)

    return Slot(
        at.isoformat(), f"{there:%a %d %b %H:%M}", "" if there.utcoffset() == utc.utcoffset() else f"{utc:%H:%M}"
    )


def nights(plain: Sequence[str], zone: str, now: datetime, crons: Sequence[str] = (DEBIAN,)) -> tuple[Night, ...]:
    """Effects of the next year's clock changes; where cron daemons differ, one entry for each."""
    by_cron = [schedule.change_nights(list(plain), zone, cron, now) for cron in crons]
    effects: list[Night] = []
    for same in zip(*by_cron, strict=True):
        agree = len({night.text for night in same}) == 1
        pairs = [("", same[0])] if agree else [(f"{CRONS[cron]}: ", one) for cron, one in zip(crons, same, strict=True)]
        effects += [Night(prefix + night.text, "ok" if night.outcome == "fine" else "late") for prefix, night in pairs]
    return tuple(effects)
