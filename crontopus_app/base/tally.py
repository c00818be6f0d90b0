"""Rate limits for very frequent requests: counted in the process, synchronised between processes through Redis."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from threading import Lock

from redis.exceptions import RedisError

from crontopus_app.base import rates
from crontopus_app.base.rates import Rate, Spent

log = logging.getLogger(__name__)

SETTLE_S = 1.0
# Keys that used less than this share of a rate in this process are not synchronised.
SHARE = 0.01


@dataclass
class _Window:
    """Requests of one key until ``ends``. ``unsettled`` counts those of this process that Redis does not know yet."""

    ends: float
    settled: int = 0
    unsettled: int = 0

    @property
    def used(self) -> int:
        return self.settled + self.unsettled


class Tally:
    """Counts requests by key against one rate. ``now`` is a monotonic time in seconds.

    Several processes together allow more than the rate: the requests within ``SETTLE_S``, and 1 % per process.
    While Redis is unavailable, each process applies the rate to its own requests.
    """

    def __init__(self) -> None:
        self._windows: dict[str, _Window] = {}
        self._lock = Lock()
        self._settles_at = 0.0

    def spend(self, rate: Rate, key: str, now: float) -> Spent:
        """Counts one request of ``key``; raises RateLimited above the rate."""
        with self._lock:
            window = self._windows.get(key)
            if window is None or window.ends <= now:
                window = self._windows[key] = _Window(now + rate.seconds)
            window.unsettled += 1
            used, left = window.used, max(1, round(window.ends - now))
        if used > rate.count:
            raise rates.limited(rate, left)
        return Spent(used, left)

    def settle(self, rate: Rate, now: float) -> None:
        """Adds this process's counts to Redis and reads the totals of all processes; at most once per ``SETTLE_S``."""
        if now < self._settles_at:
            return
        self._settles_at = now + SETTLE_S
        counted = self._counted(rate, now)
        try:
            spent = rates.add(rate, counted)
        except RedisError as error:
            log.warning("Redis is unavailable, each process limits %s on its own: %s", rate.name, error)
            return
        with self._lock:
            for key, (used, left) in spent.items():
                window = self._windows[key]
                window.settled, window.unsettled, window.ends = used, window.unsettled - counted[key], now + left

    def _counted(self, rate: Rate, now: float) -> dict[str, int]:
        """The unsettled requests by key. Drops windows that have ended."""
        with self._lock:
            self._windows = {key: window for key, window in self._windows.items() if window.ends > now}
            return {
                key: window.unsettled
                for key, window in self._windows.items()
                if window.unsettled and window.used >= rate.count * SHARE
            }
