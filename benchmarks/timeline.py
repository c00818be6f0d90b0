"""Time and size of the timeline of a day with 30 jobs, 96 runs and 96 slots each.

python benchmarks/timeline.py

The drawing and its JSON, as each renewal of the Overview makes them; without the query, which ``console.py`` measures.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from statistics import median

from crontopus_app.queries.timeline import Day, Lane, TimelineRun
from crontopus_app.ui.kit import day_chart

LANES, EACH, TURNS = 30, 96, 50
TARGET_MS = 50.0
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
STATES = ("success", "success", "success", "failed")


def main() -> None:
    day = Day(tuple(_lane(number) for number in range(LANES)), LANES)
    base = _rows(day)
    after = Day((_with_a_run(day.lanes[0]), *day.lanes[1:]), LANES)
    print(f"{LANES} lanes of {EACH} runs and {EACH} slots: drawn and made text, median of {TURNS}")
    took = [
        _told("every lane is sent", lambda: [asdict(row) for row in _rows(day)]),
        _told("one lane changed", lambda: {k: asdict(row) for k, row in day_chart.changed(base, _rows(after)).items()}),
        _told("what runs, one a lane", lambda: [asdict(bar) for bar in day_chart.going(_running(day), NOW)]),
    ]
    if max(took) > TARGET_MS:
        raise SystemExit(f"misses its target of {TARGET_MS:.0f} ms")


def _rows(day: Day) -> list[day_chart.LaneRow]:
    return [day_chart.lane_row(lane, NOW) for lane in day.lanes]


def _lane(number: int) -> Lane:
    quarter = timedelta(hours=12) / EACH
    marks = [_mark(NOW - quarter * (each + 1), STATES[(number + each) % len(STATES)]) for each in range(EACH)]
    slots = tuple(NOW + quarter * (each + 1) for each in range(EACH))
    return Lane(str(uuid.UUID(int=number)), f"job-{number}", "production", "ok", tuple(marks), slots)


def _mark(begun: datetime, status: str) -> TimelineRun:
    return TimelineRun(str(uuid.uuid4()), status, late=False, host="db01", begun=begun, seconds=90.0)


def _with_a_run(lane: Lane) -> Lane:
    return replace(lane, marks=(_mark(NOW - timedelta(minutes=2), "success"), *lane.marks))


def _running(day: Day) -> Day:
    begun = [replace(_mark(NOW - timedelta(minutes=5), "running"), seconds=None) for _ in day.lanes]
    return Day(tuple(replace(lane, marks=(mark,)) for lane, mark in zip(day.lanes, begun, strict=True)), LANES)


def _told(what: str, make: Callable[[], object]) -> float:
    """Prints the result. Returns its median in ms."""
    took, size = [], 0
    for _ in range(TURNS):
        begun = time.perf_counter()
        size = len(json.dumps(make()))
        took.append(1000 * (time.perf_counter() - begun))
    print(f"{what:<24}{median(took):>8.1f} ms{size / 1000:>9.1f} kB")
    return median(took)


if __name__ == "__main__":
    main()
