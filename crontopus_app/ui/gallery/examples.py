"""Example data for the component kit: every state once."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from contract import wire
from crontopus_app.monitoring.slots import ScheduledJob
from crontopus_app.queries.timeline import Day, Lane, TimelineRun
from crontopus_app.ui.kit import charts, code, day_chart, editor, forecast, run_table, terminal
from crontopus_app.ui.kit.durations import Durations, durations
from crontopus_app.ui.kit.strip import Cell

AT = datetime(2026, 3, 24, 1, 0, tzinfo=UTC)
STATES = ("ok", "running", "late", "failed", "missed", "unknown", "paused", "skipped")
STATUSES = ("success",) * 9 + ("failed", "success", "timeout", "success", "missed", "lost", "running")
FILE = 'spec:\n  schedule: "30 1 * * *"\n  command: pg_dump --all\n  checkin:\n    maxRuntime: 1h\n'
OUTPUT = (
    "\x1b[1mbackup\x1b[0m of \x1b[36m14\x1b[0m databases\n\x1b[32mok\x1b[0m orders\n"
    "\x1b[33mslow\x1b[0m invoices\n\x1b[31mfailed\x1b[0m audit\n"
)
PROBLEMS = (
    wire.Problem("x", "between 01:00 and 03:00 the clock changes twice a year", line=2, severity="lint"),
    wire.Problem("x", "no such program on 2 of 3 hosts", line=3),
)


def run(number: int, status: str) -> wire.Run:
    at = AT - timedelta(days=number)
    took = None if status in ("missed", "running") else 2400.0 + 137 * (number * 7 % 9)
    return wire.Run(
        id=f"r{number}", job_id="j", job_name="nightly-backup", namespace="production", endpoint_id="e",
        endpoint_name="db01", status=status, flags=[], slot=at, started_at=at, finished_at=None, received_at=at,
        duration_s=took, exit_code=0, signal=None, attempt=1, commit="4f1c2ab",
    )  # fmt: skip


RUNS = [run(number, status) for number, status in enumerate(STATUSES)]
BARS = charts.bars(RUNS, 20)
CELLS = [Cell(state, f"Tue 24 Mar 02:00 · {state}", "/runs") for state in (*STATES, "ok", "ok")]
CELLS += [Cell("none", "Wed 25 Mar 02:00 · no run reported")]
DURATIONS: Durations = durations(RUNS, 3600.0)
LINES = code.file(FILE, PROBLEMS)
DIFFERENCE = code.between(FILE, FILE.replace("30 1", "0 2").replace("1h", "2h"))
PIECES = terminal.pieces(OUTPUT)
TAIL = terminal.pieces("dumped 13 of 14 databases\n")
TABLE = run_table.rows(RUNS[8:13])
AHEAD = forecast.forecast(ScheduledJob("j", ("30 2 * * *",)), "Europe/Berlin", set(), AT)
MARKS = list(editor.marks(FILE, [PROBLEMS[0], wire.Problem("x", "no such program on 2 of 3 hosts", line=3, column=12)]))


def _ran(hours: float, minutes: float | None, status: str = "success", *, late: bool = False) -> TimelineRun:
    """A run that began ``hours`` before the middle of the day; without ``minutes`` it is running."""
    begun = AT - timedelta(hours=hours)
    status, seconds = ("running", None) if minutes is None else (status, minutes * 60)
    return TimelineRun(str(uuid.uuid5(uuid.NAMESPACE_OID, f"{begun}{status}")), status, late, "db01", begun, seconds)


def _coming(first: float, every: float, count: int) -> tuple[datetime, ...]:
    return tuple(AT + timedelta(hours=first + every * number) for number in range(count))


_HALF_HOURS = tuple(_ran(11.8 - number / 2, 9, late=number == 16) for number in range(23))
LANES = (
    Lane("1", "invoice-export", "production", "failing", (_ran(5.9, 14, "failed"), _ran(11.4, 11)), _coming(0.2, 6, 2)),
    Lane("2", "stats-mail", "staging", "missed", (_ran(3, 0, "missed"),), _coming(5, 9, 1)),
    Lane("3", "geo-import", "staging", "late", (_ran(2, None, late=True), _ran(6.2, 48)), _coming(2, 4, 3)),
    Lane("4", "etl-orders", "production", "running", (_ran(0.4, None), *_HALF_HOURS), _coming(0.25, 0.5, 23)),
    Lane("5", "heartbeat", "default", "ok", tuple(_ran(number / 12, 2) for number in range(1, 144)),
         _coming(1 / 60, 1 / 60, 715)),
    Lane("6", "cert-renewal-of-every-host-in-the-fleet", "production", "ok", (_ran(9, 1), _ran(10, 1, "lost")), ()),
    Lane("7", "old-sync", "staging", "paused", (), ()),
)  # fmt: skip
DAY = [day_chart.lane_row(lane, AT) for lane in LANES]
GOING = day_chart.going(Day(LANES, len(LANES)), AT)
GRID = day_chart.grid(AT)
