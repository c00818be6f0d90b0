"""The slots of many jobs together, and the moments at which several start at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import groupby
from operator import itemgetter

from contract.dialect import Expressions, ScheduleError
from contract.schedule_slots import epochs


@dataclass(frozen=True)
class Planned:
    """A job on a host. ``key`` identifies it to the caller; ``expressions`` must be resolved (no ``H``)."""

    key: str
    expressions: Expressions
    zone: str
    policy: str = "debian"


@dataclass(frozen=True)
class Due:
    """The keys of all jobs that are due at one moment, in the order of the input."""

    at: datetime
    keys: tuple[str, ...]


def forecast(jobs: Iterable[Planned], start: datetime, end: datetime) -> list[Due]:
    """Each moment in ``start`` ≤ moment < ``end`` at which a job is due, ascending. Raises ``ScheduleError``."""
    if start.tzinfo is None or end.tzinfo is None:
        raise ScheduleError("The start and the end of a forecast need a time zone.")
    begin, stop = int(start.timestamp()), int(end.timestamp())
    due = [(at, job.key) for job in jobs for at in epochs(job.expressions, job.zone, job.policy, begin, stop)]
    due.sort(key=itemgetter(0))
    moments = groupby(due, key=itemgetter(0))
    return [Due(datetime.fromtimestamp(at, timezone.utc), tuple(key for _, key in group)) for at, group in moments]


def collisions(dues: Iterable[Due], at_least: int = 2) -> list[Due]:
    """The moments with ``at_least`` jobs or more: most jobs first, then by time."""
    crowded = [due for due in dues if len(due.keys) >= at_least]
    return sorted(crowded, key=lambda due: (-len(due.keys), due.at))
