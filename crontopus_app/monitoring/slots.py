"""Computes when an instance is due. Pure, and the only place that does: lists, calendars, plans and forecasts use it.

An instance is a job on a host. Its slots follow the job's time zone, or else the host's; the host's cron decides what
clock changes do; an ``H`` in the schedule becomes a minute of the instance's own.
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
# A schedule without a slot in 50 years never runs.
NEVER_S = 50 * 366 * 86_400
KEPT = 65_536


@dataclass(frozen=True, order=True)
class Clock:
    """A host's time zone (empty until it reports) and its cron's policy for clock changes."""

    zone: str
    policy: str = DEBIAN


@dataclass(frozen=True, order=True)
class Host:
    """The facts about a host that determine slots."""

    id: str
    clock: Clock


# For a job without hosts, the forecast uses its own zone, or else UTC.
NOWHERE = Host("", Clock("UTC"))


@dataclass(frozen=True)
class ScheduledJob:
    """The facts about a job that determine slots. Without a ``timezone``, the host's applies."""

    job_id: str
    schedule: tuple[str, ...]
    timezone: str | None = None


@dataclass(frozen=True)
class CronLine:
    """A job in one host's crontab: expressions without ``H``, in a known zone."""

    plain: tuple[str, ...]
    zone: str
    policy: str


class _File(Protocol):
    """The used columns of an index row."""

    job_id: str
    schedule: list[str]
    timezone: str | None
    valid: bool
    enabled: bool
    paused: bool


class _Endpoint(Protocol):
    """The used columns of an endpoint row."""

    id: str
    timezone: str
    capabilities: dict[str, Any]


def is_on(file: _File) -> bool:
    """Whether the file's job is scheduled: valid, enabled and not paused."""
    return file.valid and file.enabled and not file.paused


def scheduled(file: _File) -> ScheduledJob:
    return ScheduledJob(file.job_id, tuple(file.schedule), file.timezone)


def host_of(endpoint: _Endpoint) -> Host:
    return Host(endpoint.id, clock_of(endpoint.timezone, endpoint.capabilities))


def policy_of(capabilities: Mapping[str, Any]) -> str:
    """A host's policy for clock changes, as its agent reported it; Debian's before its first report."""
    policy = capabilities.get("dst_policy")
    return policy if isinstance(policy, str) and policy in POLICIES else DEBIAN


def clock_of(timezone: str, capabilities: Mapping[str, Any]) -> Clock:
    return Clock(timezone, policy_of(capabilities))


def between(job: ScheduledJob, hosts: Iterable[Host], start: datetime, end: datetime) -> Iterator[datetime]:
    """The slots in ``start`` ≤ slot < ``end`` of the job on any of the hosts, ascending and without duplicates.

    A host with an unknown zone adds none if the job has no zone of its own.
    """
    begin, stop = math.ceil(start.timestamp()), math.ceil(end.timestamp())
    due = [epochs(line.plain, line.zone, line.policy, begin, stop) for line in _lines(job, hosts)]
    return (datetime.fromtimestamp(at, UTC) for at, _ in groupby(heapq.merge(*due)))


def next_slots(job: ScheduledJob, hosts: Iterable[Host], after: datetime, count: int) -> list[datetime]:
    """The first ``count`` slots later than ``after``. Results are cached."""
    begin = math.floor(after.timestamp())
    slots = {at for line in _lines(job, hosts) for at in _following(line, begin, count)}
    return [datetime.fromtimestamp(at, UTC) for at in sorted(slots)[:count]]


def line(job: ScheduledJob, host: Host) -> CronLine | None:
    """The job in the host's crontab; None if the schedule is invalid or the zone unknown."""
    zone, plain = job.timezone or host.clock.zone, _plain(job, host.id)
    return CronLine(plain, zone, host.clock.policy) if plain and _is_known(zone) else None


def planned(key: str, job: ScheduledJob, host: Host) -> Planned | None:
    """As ``line``, for a forecast of many jobs."""
    cron_line = line(job, host)
    return Planned(key, cron_line.plain, cron_line.zone, cron_line.policy) if cron_line else None


def _lines(job: ScheduledJob, hosts: Iterable[Host]) -> set[CronLine]:
    """The distinct lines of all hosts; equal hosts share a line."""
    return {cron_line for host in set(hosts) or {NOWHERE} if (cron_line := line(job, host))}


# By line: the time after which the slots were computed, and the slots.
_cache: dict[CronLine, tuple[int, tuple[int, ...]]] = {}


def _following(line: CronLine, after: int, count: int) -> Sequence[int]:
    """The line's next ``count`` slots as epoch seconds, from the cache if it has enough."""
    since, slots = _cache.get(line, (after, ()))
    upcoming = slots[bisect_right(slots, after) :] if since <= after else ()
    if len(upcoming) < count:
        computed = epochs(line.plain, line.zone, line.policy, after + 1, after + NEVER_S)
        upcoming = tuple(islice(computed, count))
        if len(_cache) >= KEPT:
            _cache.clear()
        _cache[line] = after, upcoming
    return upcoming[:count]


def _plain(job: ScheduledJob, host_id: str) -> tuple[str, ...]:
    return _resolved(job.schedule, seed(job.job_id, host_id) if _is_hashed(job.schedule) else "")


@lru_cache(maxsize=8192)
def _is_hashed(schedule: tuple[str, ...]) -> bool:
    try:
        return any(expression.hashed for expression in parse_all(schedule))
    except ScheduleError:
        return False


@lru_cache(maxsize=KEPT)
def _resolved(schedule: tuple[str, ...], hashed: str) -> tuple[str, ...]:
    """The expressions without ``H``; empty if one is invalid."""
    try:
        return tuple(resolve(expression, hashed) for expression in schedule)
    except ScheduleError:
        return ()


@lru_cache(maxsize=1024)
def _is_known(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return False
    return True
