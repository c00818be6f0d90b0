"""Who is told of an incident, and when. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from contract.policy_types import Policy, Route

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


@dataclass(frozen=True)
class Told:
    """The channels to tell, under the rules of ``route``; or why nobody is told, until when at the latest.

    ``handling`` is delivered, silenced or nobody.
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


def tell(policy: Policy, subject: Subject, channels: Collection[str], now: datetime, opened_at: datetime) -> Told:
    """Who of ``channels``, the names of those that exist, is told of an incident that is open at ``now``."""
    silence = policy.silenced(now, subject.namespace, subject.job, subject.labels, subject.endpoint)
    if silence is not None:
        why = f" ({silence.reason})" if silence.reason else ""
        return Told("silenced", f"Silenced until {silence.until:%Y-%m-%d %H:%M %Z}{why}.", until=silence.until)
    if not channels:
        return Told("nobody", "There is no channel. Add one on the page Channels.")
    if not policy.routes:
        return _to(DEFAULT, Route(tuple(channels)), channels, now, opened_at)
    routes = policy.routes_for(subject.route, subject.namespace, subject.job, subject.labels, subject.endpoint)
    if not routes and not subject.job:  # a host, a file or a repository: of no namespace that a condition could name
        routes = dict(policy.routes)
    if not routes:
        return Told("nobody", "No route in crontopus.yaml matches it.")
    name, first = next(iter(routes.items()))
    named = tuple(dict.fromkeys(channel for route in routes.values() for channel in route.channels))
    escalations = tuple(each for route in routes.values() for each in route.escalate)
    rules = Route(named, first.when, first.group, first.repeat, escalations)
    return _to(name, rules, channels, now, opened_at)


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
