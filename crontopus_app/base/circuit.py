"""A circuit breaker: after a timeout of a component, callers fail at once instead of waiting in turn."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from time import monotonic


class Circuit:
    """Opens on ``fail``: for ``rest_s`` seconds no call is allowed, then one per ``rest_s``, until ``succeed``."""

    def __init__(self, rest_s: float, now: Callable[[], float] = monotonic) -> None:
        self._rest_s, self._now = rest_s, now
        self._lock = Lock()
        self._until = 0.0
        self.failed = False

    def allows(self) -> bool:
        """Whether a call may be tried now. While open, True once per ``rest_s``."""
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
