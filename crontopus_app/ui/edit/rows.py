"""Data beside the editor: errors by line and field, forecast by zone, plan by host, save status. Pure."""

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
ACTIONS = {"create": "Added on", "update": "Changed on", "delete": "Removed from", "none": "Unchanged on"}


@dataclass(frozen=True)
class EditHead:
    """The edited job, or a new one; namespaces and zones to suggest."""

    new: bool = True
    namespace: str = ""
    name: str = ""
    href: str = "/jobs"
    namespaces: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()


@dataclass(frozen=True)
class Zoned:
    """The schedule's forecast on the hosts of one zone."""

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
    """Status of the last save of the job ``place``: ``state`` is saving, waiting, done or failed."""

    state: str = ""
    text: str = ""
    commit: str = ""
    hosts: str = ""
    href: str = ""
    link: str = ""
    place: str = ""


def check(plan: Plan, yaml: str, form: Form, clocks: Sequence[Clock], now: datetime, note: str) -> Check:
    """Errors, advice and forecast of the manifest; ``note`` is why the form cannot change it."""
    zones = _zoned(plan, form, clocks, now)
    rest = zones[ZONES:]
    more = f"and {words.plural(len(rest), 'more zone', 'more zones')}" if rest else ""
    meaning = next((one.forecast.words for one in zones if one.forecast.words), "")
    marked = marks(yaml, [*plan.errors, *plan.lints])
    return Check(meaning, zones[:ZONES], more, _wrong(plan.errors), marked, note, len(plan.errors))


def _wrong(errors: Iterable[wire.Problem]) -> dict[str, str]:
    """The first error of each form field; empty for a valid field."""
    messages = dict.fromkeys(NAMES, "")
    for error in errors:
        name = field_at(error.field)
        if name and not messages[name]:
            messages[name] = _at_field(name, error)
    return messages


def _at_field(name: str, error: wire.Problem) -> str:
    """The message without the manifest path at its start: it is shown at the field."""
    message = words.plain(_PATH.sub("", error.message, count=1))
    if name == "selector" and message == "must not be empty":
        label = error.field.rpartition(".")[2]
        return f'"{label}" needs a value, e.g. {label}=db'
    return message


def _zoned(plan: Plan, form: Form, clocks: Sequence[Clock], now: datetime) -> tuple[Zoned, ...]:
    """Forecasts by zone, most hosts first; while no host runs the job, for the zones of all hosts."""
    manifest = plan.manifest or {}
    schedule = manifest.get("schedule") or [part.strip() for part in form.schedule.split(";") if part.strip()]
    expressions = [schedule] if isinstance(schedule, str) else list(schedule)
    own_zone = manifest.get("timezone") or form.timezone
    job = ScheduledJob(plan.job_id, tuple(expressions), own_zone)
    runs_it = [one for one in plan.endpoints if one.action != "delete"]
    groups: dict[str, list[EndpointPlan]] = {}
    for one in runs_it:
        groups.setdefault(own_zone or one.timezone, []).append(one)
    if not runs_it:
        by_zone = {own_zone or clock.zone: [] for clock in clocks} or {own_zone: []}
        return tuple(_of_clocks(job, zone, clocks, now) for zone in by_zone)
    ordered = sorted(groups.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return tuple(_of_hosts(job, zone, hosts, now) for zone, hosts in ordered)


def _of_hosts(job: ScheduledJob, zone: str, hosts: list[EndpointPlan], now: datetime) -> Zoned:
    made = forecast(job, zone, {one.host for one in hosts}, now)
    return Zoned(words.hosts([host.endpoint_name for host in hosts]), made)


def _of_clocks(job: ScheduledJob, zone: str, clocks: Sequence[Clock], now: datetime) -> Zoned:
    hosts = {slots.Host("", one) for one in clocks if job.timezone or one.zone == zone}
    return Zoned("", forecast(job, zone, hosts, now))


def plan_shown(plan: Plan, blanks: Sequence[str] = ()) -> PlanShown:
    """The plan by host, changed hosts only. An invalid manifest has none; ``blanks`` are fields to fill in first."""
    if plan.action == "invalid":
        need = f"fill in {' and '.join(blanks)}" if blanks else "fix the errors"
        return PlanShown(f"{need} to see it")
    changing = [one for one in plan.endpoints if one.action != "none"]
    hosts = tuple(_host(one) for one in changing[:SHOWN])
    rest = len(changing) - len(hosts)
    more = f"and {words.plural(rest, 'more host', 'more hosts')}" if rest else ""
    names = " or ".join(f'"{name}"' for name in plan.unknown[:3])
    unknown = f"No host is called {names}." if names and not plan.nobody else ""
    return PlanShown(_counted(plan, changing), hosts, more, plan.nobody, unknown)


def _counted(plan: Plan, changing: list[EndpointPlan]) -> str:
    """``added on 2 hosts, removed from 1 host``."""
    if plan.action == "none" and not changing:
        same = len(plan.endpoints)
        return f"nothing changes on {words.plural(same, 'host')}" if same else "nothing changes"
    counts = []
    for action, text in (("create", "added on"), ("update", "changed on"), ("delete", "removed from")):
        count = sum(1 for one in changing if one.action == action)
        counts += [f"{text} {words.plural(count, 'host')}"] if count else []
    return ", ".join(counts) or "no host"


def _host(one: EndpointPlan) -> HostPlan:
    lines = diff(one.before, one.after)
    same = one.action == "update" and not any(line.sign.strip() for line in lines)
    note = one.note or ("same crontab line, new command" if same and lines else "")
    href = f"/endpoints/{one.endpoint_id}"
    return HostPlan(one.endpoint_name, href, ACTIONS[one.action], colours.ACTION[one.action], tuple(lines), note)


def diff(before: Sequence[str], after: Sequence[str]) -> list[DiffLine]:
    """Removed, unchanged and added lines."""
    removed = [DiffLine("-", text, "bad") for text in before if text not in after]
    unchanged = [DiffLine(" ", text, "") for text in before if text in after]
    return removed + unchanged + [DiffLine("+", text, "add") for text in after if text not in before]


def saved(change: wire.ChangeStatus, place: str) -> SaveStatus:
    """Status of a change: pending, failed, or committed and applied on so many hosts."""
    job: dict[str, Any] = {"href": f"/jobs/{place}", "link": "Open job", "place": place}
    if change.state == "failed":
        return SaveStatus("failed", words.plain(change.error or "The change was rejected."), place=place)
    if change.state == "pending":
        return SaveStatus("waiting", words.plain(f"Committing … {change.error or ''}".strip()), **job)
    none = "no host runs it"
    hosts = f"on {change.applied} of {words.plural(change.expected, 'host')}" if change.expected else none
    return SaveStatus("done", "Saved as", (change.commit or "")[:7], hosts, **job)
