"""What a job did in thirty days, as a strip of slots or of days. Pure."""

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
MOST = 60  # slots that have a cell each
FEWEST = 14  # places, so that three slots do not fill the whole width
GRACE = timedelta(minutes=2)
NOTHING = "no run was reported"
COUNTED = ("success", "failed", "timeout", "lost", "missed")


@dataclass(frozen=True)
class HistoryStrip:
    """``unit`` says what a cell is; ``columns`` how many places there are; ``success`` the share of what ended well."""

    cells: tuple[Cell, ...] = ()
    columns: int = DAYS
    unit: str = ""
    success: str = ""
    durations: Durations = field(default_factory=Durations)


EMPTY = HistoryStrip()


def by_slot(slots: Sequence[datetime], runs: Sequence[PastRun], zone: str, now: datetime) -> list[Cell]:
    """A cell a slot, oldest first. A run that belongs to no known slot has a cell of its own."""
    known = set(slots)
    at_slot: dict[datetime, list[PastRun]] = {}
    for run in runs:
        at_slot.setdefault(_slot_of(run, slots, known), []).append(run)
    due = [at for at in slots if at in at_slot or at <= now - GRACE]
    return [_of_slot(at, at_slot.get(at, []), zone) for at in sorted({*due, *at_slot})]


def _slot_of(run: PastRun, slots: Sequence[datetime], known: set[datetime]) -> datetime:
    """The slot that the runner named, else the last one before the run began, else the minute it began in."""
    if run.slot is not None:
        return run.slot.replace(second=0, microsecond=0)
    minute = run.at.replace(second=0, microsecond=0)
    before = [at for at in slots if at <= run.at] if minute not in known else [minute]
    return before[-1] if before else minute


def _of_slot(at: datetime, runs: Sequence[PastRun], zone: str) -> Cell:
    when = f"{at.astimezone(ZoneInfo(zone)):%a %d %b %H:%M}"
    if not runs:
        return Cell("none", f"{when} · {NOTHING}")
    worst = min(runs, key=lambda run: colours.badness(colours.of_run(run.status)))
    count = Counter(run.status for run in runs)
    said = worst.status if len(runs) == 1 else ", ".join(f"{number} {status}" for status, number in count.most_common())
    return Cell(colours.of_run(worst.status), f"{when} · {said}", f"/runs/{worst.run_id}")


def by_day(tallies: Iterable[StatusCount], bounds: Sequence[datetime], zone: str, runs: str) -> list[Cell]:
    """A cell a day, from the first with a run to the last; ``bounds`` are the days' begins and the last one's end.

    ``runs`` is the address of the job's runs: a day on which all went well leads to those of that day.
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
    said = ", ".join(f"{tally.count:,} {tally.status}" for tally in most)
    all_of_it = f"{runs}&since={begin:%Y-%m-%dT%H:%MZ}&until={end:%Y-%m-%dT%H:%MZ}"
    return Cell(
        colours.of_run(worst.status), f"{date} · {said}", f"/runs/{worst.run_id}" if worst.run_id else all_of_it
    )


def success(counts: Counter[str]) -> str:
    """The share of runs that went well; a slot that was missed counts, one that was skipped does not."""
    ended = sum(counts[status] for status in COUNTED)
    # Cut, not rounded: 100.0 % is said of nothing but all.
    return f"success {1000 * counts['success'] // ended / 10} %" if ended else ""


def columns(expected: int, cells: int) -> int:
    """How many places the strip has: as many as 30 days have slots, so that its cells keep their width."""
    return max(expected, cells, FEWEST)


def days(now: datetime, zone: str) -> list[datetime]:
    """The begins of the thirty days of the zone's calendar that end today, and the end of today."""
    today = now.astimezone(ZoneInfo(zone)).date()
    midnights = (datetime.combine(today + timedelta(days=off), time(), ZoneInfo(zone)) for off in range(1 - DAYS, 2))
    return [midnight.astimezone(UTC) for midnight in midnights]
