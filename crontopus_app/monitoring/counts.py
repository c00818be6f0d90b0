"""Counts of a monitor's ended runs, for ever. Pure.

They are kept with the monitor, so that neither reading them nor removing old runs reads runs. They never go down: each
end of an attempt counts once. A run that fails, is tried again and succeeds counts under both outcomes, and so does a
missed or lost run that is reported later after all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

OUTCOMES = ("success", "failed", "timeout", "lost", "missed", "skipped")
# Their commands ran from begin to end, so they have a duration.
TIMED = frozenset({"success", "failed", "timeout"})
# Upper limits of durations in seconds; the last bucket is for longer ones.
LIMITS_S = (1, 5, 15, 60, 300, 900, 3600, 14400, 43200)


def counted(counts: Mapping[str, Any], outcome: str, duration_s: float | None = None) -> dict[str, Any]:
    """``counts`` with one more attempt: numbers by outcome, all ``seconds``, and numbers by duration (``buckets``)."""
    more = {**counts, outcome: counts.get(outcome, 0) + 1}
    if outcome in TIMED and duration_s is not None:
        seconds = max(0.0, duration_s)
        buckets = list(counts.get("buckets") or [0] * (len(LIMITS_S) + 1))
        buckets[bisect_left(LIMITS_S, seconds)] += 1
        more |= {"seconds": counts.get("seconds", 0.0) + seconds, "buckets": buckets}
    return more
