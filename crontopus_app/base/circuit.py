"""Remembers that a part is silent, so that not everybody waits for it in turn."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from time import monotonic


class Circuit:
    """After ``fail`` it lets nobody through for ``rest_s`` seconds, then one in each such time, until ``succeed``."""

    def __init__(self, rest_s: float, now: Callable[[], float] = monotonic) -> None:
        self._rest_s, self._now = rest_s, now
        self._lock = Lock()
        self._until = 0.0
        self.failed = False

    def lets_through(self) -> bool:
        with self._lock:
            if not self.failed:
                return True
            now = self._now()
            if now < self._until:
                return False
            self._until = now + self._rest_s
            return True

    def fail(self) -> None:
        with self._lock:
            self.failed, self._until = True, self._now() + self._rest_s

    def succeed(self) -> None:
        with self._lock:
            self.failed = False
