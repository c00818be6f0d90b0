"""Who is told of an incident, and when. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from contract.policy_types import Inhibition, Policy, Route, When
from contract.time_intervals import changes_at, holds

# The route of a tenant whose crontopus.yaml has none: all channels.
DEFAULT = "every channel"
NO_RULES = Route(())


@dataclass(frozen=True)
class Subject:
    """What routes, silences and groups look at."""

    namespace: str = ""
    job: str = ""
    endpoint: str = ""
    cause: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    route: str | None = None
    severity: str = ""

    def matches(self, when: When) -> bool:
        return when.holds(self.namespace, self.job, self.labels, self.endpoint)


@dataclass(frozen=True)
class Told:
    """The channels to tell, under the rules of ``route``; or why nobody is told, until when at the latest.

    ``handling`` is delivered, maintenance, silenced, inhibited, later (outside of the hours) or nobody.
    """

    handling: str
    reason: str
    channels: tuple[str, ...] = ()
    route: str = ""
    rules: Route = NO_RULES
    until: datetime | None = None

    def group_key(self, subject: Subject) -> str:
        """Equal for incidents that share a message."""
        return "\n".join([self.route, *(f"{name}={_value(subject, name)}" for name in self.rules.group.by)])


def _value(subject: Subject, name: str) -> str:
    if name.startswith("label:"):
        return subject.labels.get(name.removeprefix("label:"), "")
    return {
        "namespace": subject.namespace,
        "endpoint": subject.endpoint,
        "cause": subject.cause,
        "job": f"{subject.namespace}/{subject.job}",
    }[name]


def tell(
    policy: Policy,
    subject: Subject,
    channels: Collection[str],
    now: datetime,
    opened_at: datetime,
    others: Iterable[Subject] = (),
) -> Told:
    """Who of ``channels``, the names of those that exist, is told of an incident that is open at ``now``.

    ``others``: what else has an open incident.
    """
    held = _held_back(policy, subject, now, others)
    if held is not None:
        return held
    if not channels:
        return Told("nobody", "There is no channel. Add one on the page Channels.")
    if not policy.routes:
        return _to(DEFAULT, Route(tuple(channels)), channels, now, opened_at)
    routes = policy.routes_for(subject.route, subject.namespace, subject.job, subject.labels, subject.endpoint)
    if not routes and not subject.job:  # a host, a file or a repository: of no namespace that a condition could name
        routes = dict(policy.routes)
    if not routes:
        return Told("nobody", "No route in crontopus.yaml matches it.")
    severe = {name: route for name, route in routes.items() if route.tells(subject.severity)}
    if not severe:
        return Told("nobody", f"No route tells of problems of severity {subject.severity}.")
    on_duty = {name: route for name, route in severe.items() if not route.hours or holds(route.hours, now)}
    if not on_duty:
        begins = min(changes_at(route.hours, now) for route in severe.values())
        return Told("later", f"Outside the hours of {_listed(severe)}.", until=begins)
    return _to(next(iter(on_duty)), _combined(on_duty), channels, now, opened_at)


def _held_back(policy: Policy, subject: Subject, now: datetime, others: Iterable[Subject]) -> Told | None:
    """Why nobody is told now, whatever the routes say; None if nothing holds it back."""
    job = subject.namespace, subject.job, subject.labels, subject.endpoint
    work = policy.maintained(now, *job)
    if work is not None:
        until = work.ends(now)
        return Told("maintenance", f"In maintenance until {until:%Y-%m-%d %H:%M %Z}{_why(work.reason)}.", until=until)
    silence = policy.silenced(now, *job)
    if silence is not None:
        reason = f"Silenced until {silence.until:%Y-%m-%d %H:%M %Z}{_why(silence.reason)}."
        return Told("silenced", reason, until=silence.until)
    for rule in policy.inhibit:
        other = next((each for each in others if _inhibits(rule, each, subject)), None)
        if other is not None:
            return Told("inhibited", f"Not told while {_name(other)} has an open incident.")
    return None


def _inhibits(rule: Inhibition, other: Subject, subject: Subject) -> bool:
    """Whether the other's incident mutes this one. What the rule's ``when`` covers itself is never muted by it."""
    covered = other.matches(rule.when) and subject.matches(rule.mutes) and not subject.matches(rule.when)
    return covered and all(_value(other, name) == _value(subject, name) for name in rule.equal)


def _name(subject: Subject) -> str:
    job = f"{subject.namespace}/{subject.job}" if subject.job else ""
    return " on ".join(part for part in (job, subject.endpoint) if part) or subject.cause


def _why(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _listed(names: Iterable[str]) -> str:
    named = list(names)
    return f"the route {named[0]}" if len(named) == 1 else f"the routes {', '.join(named)}"


def _combined(routes: Mapping[str, Route]) -> Route:
    """The rules of the first route, with the channels of all."""
    named = tuple(dict.fromkeys(channel for route in routes.values() for channel in route.channels))
    escalations = tuple(each for route in routes.values() for each in route.escalate)
    return replace(next(iter(routes.values())), channels=named, escalate=escalations)


def _to(name: str, rules: Route, existing: Collection[str], now: datetime, opened_at: datetime) -> Told:
    late = [each for each in rules.escalate if opened_at + each.after <= now]
    wanted = tuple(dict.fromkeys([*rules.channels, *(channel for each in late for channel in each.channels)]))
    found = tuple(channel for channel in wanted if channel in existing)
    missing = [channel for channel in wanted if channel not in existing]
    lacks = f" There is no channel {', '.join(missing)}." if missing else ""
    if not found:
        return Told("nobody", f"The route {name} names no channel that exists.{lacks}")
    by = "Every channel is told" if name == DEFAULT else f"The route {name} tells"
    return Told("delivered", f"{by}: {', '.join(found)}.{lacks}", found, name, rules)


def steps(told: Told) -> list[str]:
    """When which channels are told, in words."""
    if told.handling != "delivered":
        return []
    rules = told.rules
    by = f", one message for each {', '.join(rules.group.by)}" if rules.group.by else ", one message for all"
    lines = [f"after {_span(rules.group.wait.total_seconds())}: {', '.join(told.channels)}{by}"]
    for each in rules.escalate:
        lines.append(f"after {_span(each.after.total_seconds())}, unless acknowledged: {', '.join(each.channels)} too")
    if rules.repeat is not None:
        lines.append(f"every {_span(rules.repeat.total_seconds())} until acknowledged: a reminder")
    return lines


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
