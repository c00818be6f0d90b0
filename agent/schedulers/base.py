"""The few functions that every scheduler offers."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Protocol


class Scheduler(Protocol):
    """A crontab somewhere. ``read`` gives None when there is none; every other trouble is SchedulerFailed."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> Path | None:
        """The file behind it, where it can be seen."""
        ...

    def read(self) -> bytes | None: ...

    def write(self, data: bytes) -> None:
        """Replace all of it, atomically; afterwards ``read`` gives ``data``."""
        ...

    def clear(self) -> None:
        """Back to having none."""
        ...

    def mark(self) -> Hashable:
        """Cheap to ask; differs after anybody changed the crontab."""
        ...
