"""A job's last thirty days as a strip of squares, one per slot or per day. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from crontopus_app.monitoring.stats import PastRun, StatusCount
from crontopus_app.ui.kit import colours
from crontopus_app.ui.kit.durations import Durations
from crontopus_app.ui.kit.strip import Cell

DAYS = 30
MOST = 60  # more slots than this are shown by day
FEWEST = 14  # columns, so that three slots do not fill the whole width
GRACE = timedelta(minutes=2)
NOTHING = "no run reported"
COUNTED = ("success", "failed", "timeout", "lost", "missed")


@dataclass(frozen=True)
class HistoryStrip:
    """``unit`` says what a square is; ``success`` is the share of successful runs; ``columns`` sets the width."""

    cells: tuple[Cell, ...] = ()
    columns: int = DAYS
    unit: str = ""
    success: str = ""
    durations: Durations = field(default_factory=Durations)


EMPTY = HistoryStrip()


def by_slot(slots: Sequence[datetime], runs: Sequence[PastRun], zone: str, now: datetime) -> list[Cell]:
    """One cell per slot, oldest first. A run of no known slot gets a cell of its own."""
    slot_set = set(slots)
    at_slot: dict[datetime, list[PastRun]] = {}
    for run in runs:
        at_slot.setdefault(_slot_of(run, slots, slot_set), []).append(run)
    due = [at for at in slots if at in at_slot or at <= now - GRACE]
    return [_of_slot(at, at_slot.get(at, []), zone) for at in sorted({*due, *at_slot})]


def _slot_of(run: PastRun, slots: Sequence[datetime], slot_set: set[datetime]) -> datetime:
    """The slot reported by the runner, else the last slot before the run's start, else the start's minute."""
    if run.slot is not None:
        return run.slot.replace(second=0, microsecond=0)
    minute = run.at.replace(second=0, microsecond=0)
    before = [at for at in slots if at <= run.at] if minute not in slot_set else [minute]
    return before[-1] if before else minute


def _of_slot(at: datetime, runs: Sequence[PastRun], zone: str) -> Cell:
    when = f"{at.astimezone(ZoneInfo(zone)):%a %d %b %H:%M}"
    if not runs:
        return Cell("none", f"{when} · {NOTHING}")
    worst = min(runs, key=lambda run: colours.badness(colours.of_run(run.status)))
    count = Counter(run.status for run in runs)
    many = ", ".join(f"{number} {status}" for status, number in count.most_common())
    text = worst.status if len(runs) == 1 else many
    return Cell(colours.of_run(worst.status), f"{when} · {text}", f"/runs/{worst.run_id}")


def by_day(tallies: Iterable[StatusCount], bounds: Sequence[datetime], zone: str, runs: str) -> list[Cell]:
    """One cell per day, from the first day with a run on; ``bounds`` are the starts of the days and the last one's end.

    ``runs`` is the address of the job's runs: a day without a failure links to its runs there.
    """
    days: dict[datetime, list[StatusCount]] = {}
    for tally in tallies:
        days.setdefault(tally.at, []).append(tally)
    spans = list(pairwise(bounds))
    first = next((number for number, (begin, _) in enumerate(spans) if begin in days), len(spans))
    return [_of_day(begin, end, days.get(begin, []), zone, runs) for begin, end in spans[first:]]


def _of_day(begin: datetime, end: datetime, tallies: Sequence[StatusCount], zone: str, runs: str) -> Cell:
    date = f"{begin.astimezone(ZoneInfo(zone)):%a %d %b}"
    if not tallies:
        return Cell("none", f"{date} · {NOTHING}")
    worst = min(tallies, key=lambda tally: colours.badness(colours.of_run(tally.status)))
    most = sorted(tallies, key=lambda tally: -tally.count)
    text = ", ".join(f"{tally.count:,} {tally.status}" for tally in most)
    of_day = f"{runs}&since={begin:%Y-%m-%dT%H:%MZ}&until={end:%Y-%m-%dT%H:%MZ}"
    return Cell(colours.of_run(worst.status), f"{date} · {text}", f"/runs/{worst.run_id}" if worst.run_id else of_day)


def success(counts: Counter[str]) -> str:
    """``success 99.5 %`` of the ended runs; missed slots count, skipped ones do not. Empty without runs."""
    ended = sum(counts[status] for status in COUNTED)
    # Rounded down: only all is 100 %.
    return f"success {1000 * counts['success'] // ended / 10} %" if ended else ""


def columns(expected: int, cells: int) -> int:
    """Number of columns: the slots expected in 30 days, so that cells keep their width."""
    return max(expected, cells, FEWEST)


def days(now: datetime, zone: str) -> list[datetime]:
    """Starts of the last thirty days in ``zone``, today included, and the end of today; aware UTC."""
    today = now.astimezone(ZoneInfo(zone)).date()
    midnights = (datetime.combine(today + timedelta(days=off), time(), ZoneInfo(zone)) for off in range(1 - DAYS, 2))
    return [midnight.astimezone(UTC) for midnight in midnights]
