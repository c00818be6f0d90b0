"""A tenant's decoded policy."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any
from zoneinfo import ZoneInfo

from contract import time_intervals
from contract.time_intervals import TimeInterval

# Of incidents, the least severe first.
SEVERITIES = ("info", "warning", "error", "critical")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class When:
    """Conditions that must all hold; an empty one always holds. Patterns are shell patterns on `namespace/name`."""

    namespaces: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def holds(self, namespace: str, name: str, labels: Mapping[str, str], endpoint: str = "") -> bool:
        return (
            (not self.namespaces or namespace in self.namespaces)
            and _any(self.jobs, f"{namespace}/{name}")
            and _any(self.endpoints, endpoint)
            and all(labels.get(key) in values for key, values in self.labels.items())
        )


def _any(patterns: tuple[str, ...], text: str) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns)


@dataclass(frozen=True)
class Group:
    """Incidents with the same values of ``by`` share a message: the first after ``wait``, others after ``interval``."""

    by: tuple[str, ...] = ()
    wait: timedelta = timedelta(seconds=30)
    interval: timedelta = timedelta(minutes=5)


@dataclass(frozen=True)
class Escalation:
    """So long after an incident opened, ``channels`` are told too, unless somebody has acknowledged it."""

    after: timedelta
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Route:
    """The channels that receive problems of the jobs for which the conditions hold.

    ``repeat``: an open incident that nobody acknowledged is told again after this time; None: never. ``hours``: outside
    of them the route tells nobody; empty: always. ``severity``: the least severe that it tells of.
    """

    channels: tuple[str, ...]
    when: When = When()
    group: Group = Group()
    repeat: timedelta | None = timedelta(hours=4)
    escalate: tuple[Escalation, ...] = ()
    hours: tuple[TimeInterval, ...] = ()
    severity: str = ""

    def tells(self, severity: str) -> bool:
        """Whether it tells of incidents of this severity; of one without, always."""
        return SEVERITIES.index(severity or "critical") >= SEVERITIES.index(self.severity or "info")


@dataclass(frozen=True)
class Silence:
    """From ``starts`` (None: since ever) to ``until``, matching jobs send no notifications."""

    until: datetime
    starts: datetime | None = None
    when: When = When()
    reason: str = ""

    def holds(self, now: datetime) -> bool:
        return (self.starts is None or self.starts <= now) and now < self.until


@dataclass(frozen=True)
class Maintenance:
    """Work on hosts or jobs, from ``starts`` to ``until``, or again and again ``during`` some times.

    Nothing that begins in it is a problem before it ends, and runs that are due in it may be missed.
    """

    starts: datetime | None = None
    until: datetime | None = None
    during: tuple[TimeInterval, ...] = ()
    when: When = When()
    reason: str = ""

    def holds(self, now: datetime) -> bool:
        if self.during and not time_intervals.holds(self.during, now):
            return False
        return (self.starts is None or self.starts <= now) and (self.until is None or now < self.until)

    def ends(self, now: datetime) -> datetime:
        """When it no longer holds, or when to look again, if it holds at ``now``."""
        ends = [time_intervals.changes_at(self.during, now)] if self.during else []
        return min(ends + ([self.until] if self.until is not None else []))

    def __str__(self) -> str:
        parts = [f"from {self.starts.isoformat()}"] if self.starts is not None else []
        parts += [f"until {self.until.isoformat()}"] if self.until is not None else []
        window = " ".join(parts) or "a window that recurs"
        return f"{window} ({self.reason})" if self.reason else window


@dataclass(frozen=True)
class Inhibition:
    """While an incident of a ``cause`` job or host is open, incidents of what ``mutes`` covers are not told.

    ``equal``: only those with the same value of these.
    """

    when: When
    mutes: When
    equal: tuple[str, ...] = ()


@dataclass(frozen=True)
class Freeze:
    """A window in which agents apply nothing: a single one (two datetimes), or a weekly one (two times of day)."""

    starts: Any
    until: Any
    days: tuple[str, ...] = ()
    timezone: str = ""
    reason: str = ""

    def holds(self, now: datetime) -> bool:
        if isinstance(self.starts, datetime):
            return bool(self.starts <= now < self.until)
        local = now.astimezone(ZoneInfo(self.timezone))
        return self._within_day(local) if self.starts < self.until else self._overnight(local)

    def _within_day(self, local: datetime) -> bool:
        return self._starts_on(local) and self.starts <= f"{local:%H:%M}" < self.until

    def _overnight(self, local: datetime) -> bool:
        """Whether ``local`` is in a window that ends on the day after its start."""
        clock = f"{local:%H:%M}"
        if clock >= self.starts:
            return self._starts_on(local)
        return clock < self.until and self._starts_on(local - timedelta(days=1))

    def _starts_on(self, local: datetime) -> bool:
        return not self.days or DAYS[local.weekday()] in self.days

    def __str__(self) -> str:
        if isinstance(self.starts, datetime):
            window = f"from {self.starts.isoformat()} to {self.until.isoformat()}"
        else:
            window = f"{', '.join(self.days) or 'daily'} {self.starts}-{self.until} {self.timezone}"
        return f"{window} ({self.reason})" if self.reason else window


@dataclass(frozen=True)
class Prune:
    max_share: float = 0.5


@dataclass(frozen=True)
class Retention:
    """How long runs and their output are kept; None: the installation's setting."""

    runs: timedelta | None = None
    success_output: timedelta | None = None
    failure_output: timedelta | None = None


@dataclass(frozen=True)
class Policy:
    """A tenant's settings for all its jobs. ``Policy()`` holds the defaults."""

    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    routes: Mapping[str, Route] = field(default_factory=dict)
    silences: tuple[Silence, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    inhibit: tuple[Inhibition, ...] = ()
    freeze: tuple[Freeze, ...] = ()
    prune: Prune = Prune()
    drift: str = "heal"
    retention: Retention = Retention()

    @property
    def prune_max_share(self) -> float:
        return self.prune.max_share

    def defaults_for(self, namespace: str) -> dict[str, Any]:
        """The spec fields for ``decode(…, defaults=…)``: those of `*`, overridden by those of the namespace."""
        return merged(self.defaults.get("*", {}), self.defaults.get(namespace, {}))

    def frozen(self, now: datetime) -> str:
        """The freeze window that holds at ``now``, in words; empty if none does."""
        return next((str(window) for window in self.freeze if window.holds(now)), "")

    def silenced(
        self, now: datetime, namespace: str, name: str, labels: Mapping[str, str], endpoint: str = ""
    ) -> Silence | None:
        """The first silence that covers the job (on the endpoint) at ``now``, or None."""
        covering = (
            each for each in self.silences if each.holds(now) and each.when.holds(namespace, name, labels, endpoint)
        )
        return next(covering, None)

    def maintained(
        self, now: datetime, namespace: str, name: str, labels: Mapping[str, str], endpoint: str = ""
    ) -> Maintenance | None:
        """The maintenance that covers the job (on the endpoint) at ``now``, or None."""
        covering = (
            each for each in self.maintenance if each.holds(now) and each.when.holds(namespace, name, labels, endpoint)
        )
        return next(covering, None)

    def routes_for(
        self, route: str | None, namespace: str, name: str, labels: Mapping[str, str], endpoint: str = ""
    ) -> dict[str, Route]:
        """The manifest's route, or every route whose conditions hold if it names none."""
        named = {route: self.routes[route]} if route and route in self.routes else self.routes
        return {key: each for key, each in named.items() if each.when.holds(namespace, name, labels, endpoint)}


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """A new map of both; ``above`` wins, and nested maps are merged recursively."""
    result = copy.deepcopy(dict(below))
    for name, value in above.items():
        current = result.get(name)
        if isinstance(current, Mapping) and isinstance(value, Mapping):
            result[name] = merged(current, value)
        else:
            result[name] = copy.deepcopy(value)
    return result
