"""When an instance is due. Pure, and the only place that says so: lists, calendars, plans and forecasts ask here.

An instance is a job on a host: it is due by the job's time zone, else the host's, as the host's cron treats clock
changes, and where the schedule has an ``H`` at a minute of its own.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby, islice
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from contract.schedule import POLICIES, Planned, ScheduleError, epochs, parse_all, resolve, seed

DEBIAN = "debian"
# What does not come in 50 years never comes.
NEVER_S = 50 * 366 * 86_400
KEPT = 65_536


@dataclass(frozen=True, order=True)
class Clock:
    """How a host keeps time: its zone (empty until it reports) and how its cron treats clock changes."""

    zone: str
    policy: str = DEBIAN


@dataclass(frozen=True, order=True)
class Host:
    """Where a job runs, as far as it matters for when it is due."""

    id: str
    clock: Clock


# A job that no host takes is forecast by its own zone, else by UTC.
NOWHERE = Host("", Clock("UTC"))


@dataclass(frozen=True)
class Timed:
    """A job, as far as it matters for when it is due; without a ``timezone`` it is its host's."""

    job_id: str
    schedule: tuple[str, ...]
    timezone: str | None = None


@dataclass(frozen=True)
class Line:
    """A job as one host's cron has it: plain expressions, in a known zone."""

    plain: tuple[str, ...]
    zone: str
    policy: str


class _File(Protocol):
    """A row of the index."""

    job_id: str
    schedule: list[str]
    timezone: str | None
    valid: bool
    enabled: bool
    paused: bool


class _Endpoint(Protocol):
    """A row of an endpoint."""

    id: str
    timezone: str
    capabilities: dict[str, Any]


def is_on(file: _File) -> bool:
    """Whether the job of this file is due at all."""
    return file.valid and file.enabled and not file.paused


def timed(file: _File) -> Timed:
    return Timed(file.job_id, tuple(file.schedule), file.timezone)


def host_of(endpoint: _Endpoint) -> Host:
    return Host(endpoint.id, clock_of(endpoint.timezone, endpoint.capabilities))


def policy_of(capabilities: Mapping[str, Any]) -> str:
    """How a host's cron treats clock changes, as its agent reported; Debian's while it has not."""
    told = capabilities.get("dst_policy")
    return told if isinstance(told, str) and told in POLICIES else DEBIAN


def clock_of(timezone: str, capabilities: Mapping[str, Any]) -> Clock:
    return Clock(timezone, policy_of(capabilities))


def between(job: Timed, hosts: Iterable[Host], start: datetime, end: datetime) -> Iterator[datetime]:
    """The moments in ``start`` ≤ moment < ``end`` at which the job is due on any of the hosts, ascending, each once.

    A host whose zone is not known adds none to a job that has no zone of its own.
    """
    begin, stop = math.ceil(start.timestamp()), math.ceil(end.timestamp())
    due = [epochs(line.plain, line.zone, line.policy, begin, stop) for line in _lines(job, hosts)]
    return (datetime.fromtimestamp(at, UTC) for at, _ in groupby(heapq.merge(*due)))


def coming(job: Timed, hosts: Iterable[Host], after: datetime, count: int) -> list[datetime]:
    """The first ``count`` moments of ``between`` later than ``after``; known ones are not worked out again."""
    begin = math.floor(after.timestamp())
    found = {at for line in _lines(job, hosts) for at in _following(line, begin, count)}
    return [datetime.fromtimestamp(at, UTC) for at in sorted(found)[:count]]


def line(job: Timed, host: Host) -> Line | None:
    """What the host's cron is told; None where the schedule cannot be read or the zone is not known."""
    zone, plain = job.timezone or host.clock.zone, _plain(job, host.id)
    return Line(plain, zone, host.clock.policy) if plain and _is_known(zone) else None


def planned(key: str, job: Timed, host: Host) -> Planned | None:
    """The same for a forecast of many jobs."""
    found = line(job, host)
    return Planned(key, found.plain, found.zone, found.policy) if found else None


def _lines(job: Timed, hosts: Iterable[Host]) -> set[Line]:
    """Each different line once: most hosts are alike, and then they are due together."""
    return {found for host in set(hosts) or {NOWHERE} if (found := line(job, host))}


_known: dict[Line, tuple[int, tuple[int, ...]]] = {}


def _following(line: Line, after: int, count: int) -> Sequence[int]:
    """The line's next slots, from those worked out earlier while enough of them are to come."""
    since, slots = _known.get(line, (after, ()))
    rest = slots[bisect_right(slots, after) :] if since <= after else ()
    if len(rest) < count:
        found = epochs(line.plain, line.zone, line.policy, after + 1, after + NEVER_S)
        rest = tuple(islice(found, count))
        if len(_known) >= KEPT:
            _known.clear()
        _known[line] = after, rest
    return rest[:count]


def _plain(job: Timed, host_id: str) -> tuple[str, ...]:
    return _resolved(job.schedule, seed(job.job_id, host_id) if _is_hashed(job.schedule) else "")


@lru_cache(maxsize=8192)
def _is_hashed(schedule: tuple[str, ...]) -> bool:
    try:
        return any(one.hashed for one in parse_all(schedule))
    except ScheduleError:
        return False


@lru_cache(maxsize=KEPT)
def _resolved(schedule: tuple[str, ...], hashed: str) -> tuple[str, ...]:
    """Without ``H``; empty where there is nothing that can be read."""
    try:
        return tuple(resolve(one, hashed) for one in schedule)
    except ScheduleError:
        return ()


@lru_cache(maxsize=1024)
def _is_known(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return False
    return True
