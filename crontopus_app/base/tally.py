"""Rates of very many requests: counted in the process, and settled with the other processes through Redis."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from threading import Lock

from redis.exceptions import RedisError

from crontopus_app.base import rates
from crontopus_app.base.rates import Rate, Spent

log = logging.getLogger(__name__)

SETTLE_S = 1.0
# Whoever has used less than this share of a rate here is not looked for in other processes.
SHARE = 0.01


@dataclass
class _Window:
    """Requests of one key until ``ends``: ``here`` are those of this process that Redis does not know."""

    ends: float
    settled: int = 0
    here: int = 0

    @property
    def used(self) -> int:
        return self.settled + self.here


class Tally:
    """Requests by key against one rate. ``now`` is a monotonic time in seconds.

    Several processes together let more through than the rate: what comes within ``SETTLE_S``, and a hundredth each.
    While Redis is away each process keeps to the rate by itself.
    """

    def __init__(self) -> None:
        self._windows: dict[str, _Window] = {}
        self._lock = Lock()
        self._settles_at = 0.0

    def spend(self, rate: Rate, key: str, now: float) -> Spent:
        """Counts one request of ``key``; raises RateLimited past the rate."""
        with self._lock:
            window = self._windows.get(key)
            if window is None or window.ends <= now:
                window = self._windows[key] = _Window(now + rate.seconds)
            window.here += 1
            used, left = window.used, max(1, round(window.ends - now))
        if used > rate.count:
            raise rates.refused(rate, left)
        return Spent(used, left)

    def settle(self, rate: Rate, now: float) -> None:
        """Tells Redis what was counted here and learns what was counted elsewhere; at most once in ``SETTLE_S``."""
        if now < self._settles_at:
            return
        self._settles_at = now + SETTLE_S
        counted = self._counted(rate, now)
        try:
            spent = rates.add(rate, counted)
        except RedisError as error:
            log.warning("Redis is away, %s is limited by this process alone: %s", rate.name, error)
            return
        with self._lock:
            for key, (used, left) in spent.items():
                window = self._windows[key]
                window.settled, window.here, window.ends = used, window.here - counted[key], now + left

    def _counted(self, rate: Rate, now: float) -> dict[str, int]:
        """What Redis does not know yet. Windows that have ended are dropped."""
        with self._lock:
            self._windows = {key: window for key, window in self._windows.items() if window.ends > now}
            return {
                key: window.here
                for key, window in self._windows.items()
                if window.here and window.used >= rate.count * SHARE
            }
