"""A crontab in memory, for tests."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

from agent.errors import SchedulerFailed
from agent.schedulers.base import CHANGED_MEANWHILE


class MemoryCrontab:
    name = "memory"
    path: Path | None = None

    def __init__(self, data: bytes | None = None) -> None:
        self.data = data
        self.writes = 0

    def read(self) -> bytes | None:
        return self.data

    def write(self, data: bytes, before: bytes | None = None) -> None:
        if before is not None and (self.read() or b"") != before:
            raise SchedulerFailed(CHANGED_MEANWHILE)
        self.data = data
        self.writes += 1

    def clear(self) -> None:
        self.data = None

    def mark(self) -> Hashable:
        return self.data
