"""What the components of the kit are shown with: every state once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from contract import wire
from crontopus_app.ui.kit import charts, code, terminal
from crontopus_app.ui.kit.durations import Durations, durations
from crontopus_app.ui.kit.strip import Cell

AT = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
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
CELLS = [Cell(state, f"Tue 24 Nov 02:00 · {state}", "/runs") for state in (*STATES, "ok", "ok")]
CELLS += [Cell("none", "Wed 25 Nov 02:00 · no run was reported")]
DURATIONS: Durations = durations(RUNS, 3600.0)
LINES = code.file(FILE, PROBLEMS)
DIFFERENCE = code.between(FILE, FILE.replace("30 1", "0 2").replace("1h", "2h"))
PIECES = terminal.pieces(OUTPUT)
TAIL = terminal.pieces("dumped 13 of 14 databases\n")
