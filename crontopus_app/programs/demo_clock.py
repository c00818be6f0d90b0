"""The demo clock: runs the lines of a crontab file like cron, for ``make demo`` only.

It replaces cron, so that the machine's own crontab is not changed. It supports five fields, nicknames except
``@reboot``, and ``NAME=value`` lines. Lines for which ``skipped`` is true never run, so that their jobs are missed.
"""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from contract.schedule import ScheduleError, is_slot

ASSIGNMENT = re.compile(r"^\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$")
MINUTE = timedelta(minutes=1)
CRON_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "SHELL": "/bin/sh"}


@dataclass(frozen=True)
class DueLine:
    """A line that cron would run, with the variables set above it."""

    expression: str
    command: str
    environment: Mapping[str, str]


def lines(crontab: str) -> Iterator[DueLine]:
    """The lines of a crontab that cron runs, in order."""
    environment: dict[str, str] = {}
    for text in crontab.splitlines():
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        assignment = ASSIGNMENT.match(text)
        if assignment:
            environment[assignment[1]] = assignment[2].strip().strip("\"'")
            continue
        fields = 1 if text.lstrip().startswith("@") else 5
        words = text.split(None, fields)
        if len(words) == fields + 1:
            yield DueLine(" ".join(words[:fields]), words[fields], dict(environment))


def due(line: DueLine, minute: datetime, zone: str) -> bool:
    """Whether cron would run the line in this minute; False for an invalid line."""
    try:
        return line.expression != "@reboot" and is_slot([line.expression], zone, "debian", minute)
    except ScheduleError:
        return False


class DemoClock:
    """Runs due lines until ``stop`` is set, and then ends the processes that it started."""

    def __init__(self, crontab: Path, *, home: Path, zone: str, skipped: Callable[[str], bool]) -> None:
        self.crontab = crontab
        self.environment = {**CRON_ENVIRONMENT, "HOME": str(home), "LOGNAME": "demo"}
        self.zone = zone
        self.skipped = skipped
        self.running: list[subprocess.Popen[bytes]] = []

    def run(self, stop: threading.Event, now: Callable[[], datetime]) -> None:
        """Runs due lines at the start of each minute."""
        minute = now().replace(second=0, microsecond=0)
        while not stop.wait(max(0.0, (minute + MINUTE - now()).total_seconds())):
            minute = now().replace(second=0, microsecond=0)
            self.tick(minute)
        self.end()

    def tick(self, minute: datetime) -> None:
        """Starts the lines that are due in this minute."""
        self.running = [process for process in self.running if process.poll() is None]
        if not self.crontab.exists():
            return
        for line in lines(self.crontab.read_text(errors="replace")):
            if due(line, minute, self.zone) and not self.skipped(line.command):
                self.running.append(self._start(line))

    def _start(self, line: DueLine) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["/bin/sh", "-c", f"exec {line.command}"],
            env={**self.environment, **line.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end(self) -> None:
        """Sends SIGTERM to running processes, as a shutdown does; the runner reports it."""
        for process in self.running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.running:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
