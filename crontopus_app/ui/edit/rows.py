"""Form and YAML on one truth: the YAML. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from contract import schedule, wire
from contract.manifest import Decoded, Manifest, decode, from_fields, path_of
from crontopus_app.errors import CrontopusError
from crontopus_app.git.edit import edit
from crontopus_app.ui.kit.future import NOTHING, Future, future, zone_of

PLACES = {
    "schedule": "spec.schedule",
    "timezone": "spec.timezone",
    "command": "spec.command",
    "workdir": "spec.workingDir",
    "limit": "spec.checkin.maxRuntime",
}
FIELDS = {place: name for name, place in PLACES.items()} | {
    "metadata.name": "name",
    "metadata.namespace": "namespace",
}


@dataclass(frozen=True)
class Form:
    """The fields of the form, as typed."""

    name: str = ""
    namespace: str = "production"
    schedule: str = "0 2 * * *"
    timezone: str = ""
    command: str = ""
    workdir: str = ""
    limit: str = ""


@dataclass(frozen=True)
class Told:
    where: str
    message: str
    state: str


@dataclass(frozen=True)
class Wrong:
    """What is wrong at each input of the form; empty where nothing is."""

    name: str = ""
    namespace: str = ""
    schedule: str = ""
    timezone: str = ""
    command: str = ""
    workdir: str = ""
    limit: str = ""


@dataclass(frozen=True)
class Check:
    """What is said beside the form while one types."""

    future: Future = NOTHING
    wrong: Wrong = Wrong()
    problems: tuple[Told, ...] = ()
    valid: bool = False


def fresh(form: Form) -> str:
    """A new manifest of the form."""
    body: dict[str, Any] = {"name": form.name or "job", "schedule": form.schedule, "command": form.command}
    if form.timezone:
        body["timezone"] = form.timezone
    data, _ = from_fields({**body, "namespace": form.namespace or "production"}, tenant="")
    return changed(data.decode(), {"workdir": form.workdir, "limit": form.limit})


def changed(yaml: str, wanted: Mapping[str, str]) -> str:
    """The file with some fields set, empty ones removed; everything else, comments too, is as it was."""
    values = {PLACES[name]: _value(name, text) for name, text in wanted.items() if name in PLACES}
    if "name" in wanted:
        values["metadata.name"] = wanted["name"] or "job"
    try:
        return edit(yaml.encode(), values).decode()
    except (CrontopusError, ValueError):
        return yaml


def _value(name: str, text: str) -> Any:
    """Several expressions are typed with semicolons between."""
    text = text.strip()
    if name == "schedule" and ";" in text:
        return [part.strip() for part in text.split(";") if part.strip()]
    return text or None


def form_of(yaml: str, form: Form) -> Form:
    """The form as the YAML says it; fields that the YAML cannot tell keep what was typed."""
    manifest = decode(yaml.encode(), path_of(form.namespace or "default", "job"), "", placed=False).manifest
    if manifest is None:
        return form
    limit = manifest.checkin.max_runtime
    told = replace(
        form,
        name=manifest.name,
        schedule="; ".join(manifest.schedule),
        timezone=manifest.timezone or "",
        command=manifest.command,
        workdir=manifest.working_dir or "",
    )
    return told if limit is not None else replace(told, limit="")


def with_field(form: Form, name: str, text: str) -> Form:
    """The form with one field changed; raises KeyError for a field it has not."""
    if name not in {field.name for field in fields(Form)}:
        raise KeyError(name)
    return replace(form, **{name: text})


def check(yaml: str, form: Form, tenant: str, now: datetime, reported: Sequence[str] = ()) -> Check:
    """Words, next runs, clock changes, errors and lints of the file; ``reported`` are the zones of its hosts."""
    decoded = decode(yaml.encode(), path_of(form.namespace or "default", form.name or "job"), tenant)
    problems = tuple(told(one) for one in (*decoded.errors, *decoded.lints))
    return Check(_future(decoded, form, now, reported), wrong(decoded.errors), problems, valid=not decoded.errors)


def wrong(errors: Sequence[wire.Problem]) -> Wrong:
    """The first error of each input."""
    found: dict[str, str] = {}
    for error in errors:
        field = next((name for place, name in FIELDS.items() if f"{error.field}.".startswith(f"{place}.")), "")
        if field:
            found.setdefault(field, error.message)
    return Wrong(**found)


def told(problem: wire.Problem) -> Told:
    where = f"line {problem.line}" if problem.line else problem.field
    return Told(where, problem.message, "failed" if problem.severity == "error" else "late")


def _future(decoded: Decoded, form: Form, now: datetime, reported: Sequence[str]) -> Future:
    wanted = decoded.manifest.timezone if decoded.manifest else form.timezone
    seed = schedule.seed(decoded.manifest.id if decoded.manifest else "new", "")
    return future(_expressions(decoded.manifest, form), zone_of(wanted, reported), seed, now)


def _expressions(manifest: Manifest | None, form: Form) -> Sequence[str]:
    return list(manifest.schedule) if manifest else [part.strip() for part in form.schedule.split(";") if part.strip()]
