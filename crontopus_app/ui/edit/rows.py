"""What stands beside the editor: errors at their lines and inputs, what the schedule will do, and the plan. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contract import wire
from crontopus_app.monitoring import slots
from crontopus_app.monitoring.slots import Clock, ScheduledJob
from crontopus_app.queries.plans import EndpointPlan, Plan
from crontopus_app.ui.edit.form import NAMES, Form, field_at
from crontopus_app.ui.kit import colours, words
from crontopus_app.ui.kit.editor import LineMark, marks
from crontopus_app.ui.kit.forecast import Forecast, forecast

SHOWN = 8
ZONES = 3
_PATH = re.compile(r"^`[\w.\[\]-]+` ")
ACTIONS = {"create": "gets it", "update": "changes", "delete": "loses it", "none": "stays as it is"}


@dataclass(frozen=True)
class EditHead:
    """What the page is about: a new job, or the one of this place."""

    new: bool = True
    namespace: str = ""
    name: str = ""
    href: str = "/jobs"
    namespaces: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()


@dataclass(frozen=True)
class Zoned:
    """What the schedule does on the hosts of one zone."""

    hosts: str
    forecast: Forecast


@dataclass(frozen=True)
class Check:
    words: str = ""
    zones: tuple[Zoned, ...] = ()
    more: str = ""
    wrong: dict[str, str] = field(default_factory=dict)
    marks: tuple[LineMark, ...] = ()
    note: str = ""
    errors: int = 0


@dataclass(frozen=True)
class DiffLine:
    sign: str
    text: str
    css: str


@dataclass(frozen=True)
class HostPlan:
    name: str
    href: str
    label: str
    state: str
    lines: tuple[DiffLine, ...]
    note: str


@dataclass(frozen=True)
class PlanShown:
    summary: str = ""
    hosts: tuple[HostPlan, ...] = ()
    more: str = ""
    nobody: str = ""
    unknown: str = ""


@dataclass(frozen=True)
class SaveStatus:
    """How far the last save is: ``state`` is saving, waiting, done or failed; ``place`` whose it is."""

    state: str = ""
    text: str = ""
    commit: str = ""
    hosts: str = ""
    href: str = ""
    link: str = ""
    place: str = ""


def check(plan: Plan, yaml: str, form: Form, clocks: Sequence[Clock], now: datetime, note: str) -> Check:
    """What is said of the manifest; ``note`` is why the form cannot change it."""
    zones = _zoned(plan, form, clocks, now)
    rest = zones[ZONES:]
    more = f"and {words.plural(len(rest), 'more zone', 'more zones')}" if rest else ""
    told = next((one.forecast.words for one in zones if one.forecast.words), "")
    marked = marks(yaml, [*plan.errors, *plan.lints])
    return Check(told, zones[:ZONES], more, _wrong(plan.errors), marked, note, len(plan.errors))


def _wrong(errors: Iterable[wire.Problem]) -> dict[str, str]:
    """The first error of each input; every input has its place, an empty one where all is well."""
    found = dict.fromkeys(NAMES, "")
    for error in errors:
        name = field_at(error.field)
        if name and not found[name]:
            found[name] = _at_field(error.message)
    return found


def _at_field(message: str) -> str:
    """Without the path that it begins with: the field itself is above it."""
    return _PATH.sub("", message, count=1).replace("`", "")


def _zoned(plan: Plan, form: Form, clocks: Sequence[Clock], now: datetime) -> tuple[Zoned, ...]:
    """By zone, most hosts first; while no host is known to take it, by the zones of all."""
    manifest = plan.manifest or {}
    given = manifest.get("schedule") or [part.strip() for part in form.schedule.split(";") if part.strip()]
    expressions = [given] if isinstance(given, str) else list(given)
    wanted = manifest.get("timezone") or form.timezone
    job = ScheduledJob(plan.job_id, tuple(expressions), wanted)
    takers = [one for one in plan.endpoints if one.action != "delete"]
    groups: dict[str, list[EndpointPlan]] = {}
    for one in takers:
        groups.setdefault(wanted or one.timezone, []).append(one)
    if not takers:
        by_zone = {wanted or clock.zone: [] for clock in clocks} or {wanted: []}
        return tuple(_of_clocks(job, zone, clocks, now) for zone in by_zone)
    ordered = sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return tuple(_of_hosts(job, zone, hosts, now) for zone, hosts in ordered)


def _of_hosts(job: ScheduledJob, zone: str, hosts: list[EndpointPlan], now: datetime) -> Zoned:
    told = forecast(job, zone, {one.host for one in hosts}, now)
    return Zoned(words.hosts([host.endpoint_name for host in hosts]), told)


def _of_clocks(job: ScheduledJob, zone: str, clocks: Sequence[Clock], now: datetime) -> Zoned:
    hosts = {slots.Host("", one) for one in clocks if job.timezone or one.zone == zone}
    return Zoned("", forecast(job, zone, hosts, now))


def plan_shown(plan: Plan, waits: Sequence[str] = ()) -> PlanShown:
    """Host by host, those on which something changes; a manifest with errors has none, one with blanks ``waits``."""
    if plan.action == "invalid":
        needs = f"{' and '.join(waits)} {'is' if len(waits) == 1 else 'are'} filled in"
        return PlanShown(f"told when {needs if waits else 'the errors are mended'}")
    changing = [one for one in plan.endpoints if one.action != "none"]
    hosts = tuple(_host(one) for one in changing[:SHOWN])
    rest = len(changing) - len(hosts)
    more = f"and {words.plural(rest, 'more host', 'more hosts')}" if rest else ""
    unknown = f"No host is named {' or '.join(plan.unknown[:3])}." if plan.unknown and not plan.nobody else ""
    return PlanShown(_counted(plan, changing), hosts, more, plan.nobody, unknown)


def _counted(plan: Plan, changing: list[EndpointPlan]) -> str:
    """``new on 2 hosts, removed from 1 host``."""
    if plan.action == "none" and not changing:
        same = len(plan.endpoints)
        return f"nothing changes on {words.plural(same, 'host')}" if same else "nothing changes"
    told = []
    for action, text in (("create", "new on"), ("update", "changes on"), ("delete", "removed from")):
        count = sum(1 for one in changing if one.action == action)
        told += [f"{text} {words.plural(count, 'host')}"] if count else []
    return ", ".join(told) or "no host"


def _host(one: EndpointPlan) -> HostPlan:
    lines = diff(one.before, one.after)
    same = one.action == "update" and not any(line.sign.strip() for line in lines)
    note = one.note or ("its line stays, what it runs changes" if same and lines else "")
    href = f"/endpoints/{one.endpoint_id}"
    return HostPlan(one.endpoint_name, href, ACTIONS[one.action], colours.ACTION[one.action], tuple(lines), note)


def diff(before: Sequence[str], after: Sequence[str]) -> list[DiffLine]:
    """Lines that go, stay and come."""
    gone = [DiffLine("-", text, "bad") for text in before if text not in after]
    stays = [DiffLine(" ", text, "") for text in before if text in after]
    return gone + stays + [DiffLine("+", text, "add") for text in after if text not in before]


def saved(told: wire.ChangeStatus, place: str) -> SaveStatus:
    """How far a change is: on its way, committed, and on how many hosts."""
    job: dict[str, Any] = {"href": f"/jobs/{place}", "link": "Open the job", "place": place}
    if told.state == "failed":
        return SaveStatus("failed", told.error or "The change was refused.", place=place)
    if told.state == "pending":
        return SaveStatus("waiting", f"On its way to Git. {told.error or ''}".strip(), **job)
    none = "no host takes it"
    hosts = f"on {told.applied} of {words.plural(told.expected, 'host')}" if told.expected else none
    return SaveStatus("done", "Saved as", (told.commit or "")[:7], hosts, **job)
