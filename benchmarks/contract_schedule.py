"""Time to parse schedules, find the next slot, forecast a fleet, cover a zone, and start the command line."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from zoneinfo import available_timezones

from croniter import croniter
from cronsim import CronSim

from contract.cover import cover
from contract.dialect import parse
from contract.schedule import Planned, epochs, forecast, next_slots, slots
from contract.schedule_zones import changes, load

NOW = datetime(2026, 11, 23, tzinfo=timezone.utc)
BERLIN = "Europe/Berlin"
YEARS = (round(NOW.timestamp()), round(NOW.timestamp()) + 2 * 366 * 86400)


def main() -> None:
    print("| what | figure |\n|---|---|")
    for what, figure in (*_slots(), _forecast(), *_covers(), _start()):
        print(f"| {what} | {figure} |")


def _slots() -> list[tuple[str, str]]:
    next_slots("0 2 * * *", BERLIN, "debian", NOW, 1)
    expressions = [f"{number % 60} {number // 60 % 24} * * {number % 7}" for number in range(5000)]
    parsing = _seconds(lambda: [parse(expression) for expression in expressions]) / len(expressions)
    ours = _each(lambda: next_slots("17 2 * * *", BERLIN, "debian", NOW, 1))
    begin, end = YEARS
    many = sum(1 for _ in epochs("*/5 * * * *", BERLIN, "debian", begin, end))
    streaming = _seconds(lambda: sum(1 for _ in epochs("*/5 * * * *", BERLIN, "debian", begin, end))) / many
    local = NOW.astimezone(load(BERLIN))
    return [
        ("parse an expression", f"{parsing * 1e6:.1f} µs"),
        ("next slot, from the expression's text", f"{ours * 1e6:.1f} µs"),
        ("the same with cronsim alone", f"{_each(lambda: next(CronSim('17 2 * * *', local))) * 1e6:.1f} µs"),
        ("the same with croniter", f"{_each(lambda: croniter('17 2 * * *', local).get_next(datetime)) * 1e6:.1f} µs"),
        ("one of many slots (every 5 minutes, two years)", f"{streaming * 1e6:.2f} µs"),
    ]


def _fleet() -> list[Planned]:
    """10,000 jobs of a typical fleet: most daily, some hourly, some every few minutes."""
    kinds = ("{m} {h} * * *",) * 12 + ("{m} {h} * * {d}",) * 3 + ("{m} * * * *",) * 3 + ("*/15 * * * *", "*/5 * * * *")
    zones = (BERLIN, "UTC", "America/New_York", "Asia/Kolkata")
    return [
        Planned(
            f"job-{n}", kinds[n % len(kinds)].format(m=n * 7 % 60, h=n * 11 % 24, d=n % 7), zones[n // 20 % len(zones)]
        )
        for n in range(10_000)
    ]


def _forecast() -> tuple[str, str]:
    fleet = _fleet()
    parse.cache_clear()
    begin = time.perf_counter()
    dues = forecast(fleet, NOW, NOW + timedelta(hours=24))
    seconds = time.perf_counter() - begin
    return (
        "24 h forecast of 10,000 jobs (target < 2 s)",
        f"{seconds:.2f} s, {sum(len(due.keys) for due in dues):,} slots",
    )


def _covers() -> list[tuple[str, str]]:
    daily = _each(lambda: cover("0 2 * * *", BERLIN, "America/New_York", "debian", _another_day()), 20)
    busy = _each(lambda: cover("*/5 * * * *", BERLIN, "Asia/Kathmandu", "debian", _another_day()), 3)
    zones = [name for name in sorted(available_timezones()) if name not in ("localtime", "Factory")]
    changing = [name for name in zones if next(changes(name, *YEARS), None)]
    sweep = _seconds(lambda: [_check(name) for name in changing])
    wrong = sum(not _check(name) for name in changing)
    return [
        ("cover of a daily job, 400 days", f"{daily * 1e3:.1f} ms"),
        ("cover of a job of every 5 minutes, 400 days", f"{busy * 1e3:.0f} ms"),
        (f"cover checked in all {len(changing)} zones that change", f"{sweep:.1f} s, {wrong} wrong"),
    ]


_days = iter(range(10_000))


def _another_day() -> datetime:
    """A start date that no cache contains."""
    return NOW + timedelta(days=next(_days))


def _check(host: str) -> bool:
    """Whether the lines for a job in New York fire on this host once at each slot."""
    job = "America/New_York" if host != "America/New_York" else "UTC"
    window = (NOW, NOW + timedelta(days=400))
    wanted = list(slots("30 1,2 * * *", job, "debian", *window))
    lines = cover("30 1,2 * * *", job, host, "debian", NOW)
    true_slots = set(wanted)
    fired = sorted(at for line in lines for at in slots(line, host, "debian", *window) if at in true_slots)
    return fired == wanted


def _start() -> tuple[str, str]:
    command = [sys.executable, "-m", "cli.main", "manifest", "next", "0 2 * * *", "--tz", BERLIN]
    subprocess.run(command, check=True, capture_output=True)
    runs = [_seconds(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(5)]
    return "`crontopus manifest next`, start to end (target < 300 ms)", f"{min(runs) * 1e3:.0f} ms"


def _each(call: Callable[[], object], times: int = 2000) -> float:
    return _seconds(lambda: [call() for _ in range(times)]) / times


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
