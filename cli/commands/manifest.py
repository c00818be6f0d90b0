"""``crontopus manifest``: check, explain and predict without a server. Each command imports what it needs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.output import plain, show_json, table

if TYPE_CHECKING:
    from contract.manifest import Manifest, Problem
    from contract.schedule import Planned

_POLICIES = ("debian", "busybox", "systemd", "windows")
_policy_option = click.option(
    "--policy", type=click.Choice(_POLICIES), default="debian", show_default=True, help="The host's scheduler."
)
_from_option = click.option(
    "--from", "start", metavar="TIME", help="Start, as an ISO 8601 time; without an offset, in the zone of --tz."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("manifest")
def manifest_group() -> None:
    """Check and explain manifests and schedules offline."""


@manifest_group.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, allow_dash=True))
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "json", "github")),
    default="text",
    show_default=True,
    help="github: workflow commands for GitHub and Forgejo Actions.",
)
def validate(paths: tuple[str, ...], form: str) -> None:
    """Check files, folders or - (standard input). Exit code 1 if there is an error; a lint is no error."""
    from cli.manifest_files import check

    checked = check(paths)
    problems = [problem for each in checked for problem in (*each.errors, *each.lints)]
    if form == "json":
        show_json({"checked": len(checked), "problems": [vars(problem) for problem in problems]})
    elif form == "github":
        _as_github(problems)
    else:
        _as_text(problems, len(checked))
    if any(each.errors for each in checked):
        sys.exit(1)


def _as_text(problems: list[Problem], checked: int) -> None:
    for problem in problems:
        place = f"{problem.path}:{problem.line}:{problem.column}"
        click.echo(f"{place}: {'' if problem.severity == 'error' else 'lint: '}{plain(problem.message)}")
    errors = sum(problem.severity == "error" for problem in problems)
    click.echo(f"{checked} checked, errors: {errors}, lints: {len(problems) - errors}", err=True)


def _as_github(problems: list[Problem]) -> None:
    """Prints workflow commands, which GitHub and Forgejo Actions show beside the line."""
    for problem in problems:
        level = "error" if problem.severity == "error" else "warning"
        place = f"file={_property(problem.path)},line={problem.line},col={problem.column},title={problem.code}"
        click.echo(f"::{level} {place}::{_data(plain(problem.message))}")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


@manifest_group.command()
@click.argument("what")
@click.option("--tz", help="The time zone. Default: the manifest's, else this machine's.")
@_policy_option
def explain(what: str, tz: str | None, policy: str) -> None:
    """Explain a manifest (file, or - for standard input) or an expression, with the next year's clock changes."""
    from contract import schedule

    is_file = what == "-" or Path(what).is_file()
    manifest = _read(what) if is_file else None
    expressions = list(manifest.schedule) if manifest else [what]
    zone = tz or (manifest and manifest.timezone) or _own_zone()
    with _schedule_errors():
        click.echo(schedule.explain(expressions, zone))
        if manifest:
            expressions = [schedule.resolve(each, schedule.seed(manifest.id, "")) for each in expressions]
        for night in schedule.change_nights(expressions, zone, policy, _now()):
            click.echo(f"  {night.text}")


@manifest_group.command("next")
@click.argument("expressions", nargs=-1, required=True)
@click.option("--tz", help="The time zone. Default: this machine's.")
@click.option("--count", type=click.IntRange(1, 10000), default=5, show_default=True, help="Number of slots.")
@_policy_option
@_from_option
@_json_option
def next_(
    expressions: tuple[str, ...], tz: str | None, count: int, policy: str, start: str | None, as_json: bool
) -> None:
    """Print the next slots of one or more expressions."""
    from contract.schedule import next_slots
    from contract.schedule_zones import load

    zone = tz or _own_zone()
    with _schedule_errors():
        moments = next_slots(expressions, zone, policy, _instant(start, zone), count)
        slots = [{"utc": _utc(at), "local": at.astimezone(load(zone)).isoformat()} for at in moments]
    if as_json:
        show_json({"slots": slots})
    else:
        table(("utc", zone), [(slot["utc"], slot["local"]) for slot in slots])


@manifest_group.command()
@click.argument("folder", type=click.Path(exists=True))
@click.option("--hours", type=click.IntRange(1, 24 * 366), default=24, show_default=True, help="Length in hours.")
@click.option("--tz", help="The time zone of jobs that set none. Default: this machine's.")
@_policy_option
@_from_option
@_json_option
def forecast(folder: str, hours: int, tz: str | None, policy: str, start: str | None, as_json: bool) -> None:
    """Print how often the jobs of a folder will run, and the minutes in which several start."""
    from contract import schedule

    zone = tz or _own_zone()
    with _schedule_errors():
        jobs = [_planned(manifest, zone, policy) for manifest in _enabled(folder)]
        begin = _instant(start, zone)
        dues = schedule.forecast(jobs, begin, begin + timedelta(hours=hours))
    moments: dict[str, list[datetime]] = {job.key: [] for job in jobs}
    for due in dues:
        for key in due.keys:
            moments[key].append(due.at)
    rows = [_row(job, moments[job.key]) for job in jobs]
    crowded = [{"utc": _utc(due.at), "jobs": list(due.keys)} for due in schedule.collisions(dues)]
    if as_json:
        show_json({"jobs": rows, "collisions": crowded})
        return
    table(("job", "schedule", "runs", "first"), [tuple(row.values()) for row in rows])
    if crowded:
        click.echo("")
        table(
            ("collision", "number", "jobs"),
            [(each["utc"], len(each["jobs"]), each["jobs"]) for each in crowded[:20]],
        )


def _enabled(folder: str) -> Iterator[Manifest]:
    from cli.manifest_files import check

    for each in check([folder]):
        for problem in each.errors:
            click.echo(f"skipped: {problem}", err=True)
        manifest = each.decoded.manifest if each.decoded else None
        if manifest and manifest.enabled and not manifest.paused:
            yield manifest


def _planned(manifest: Manifest, zone: str, policy: str) -> Planned:
    """The job on one example host: ``H`` differs per endpoint."""
    from contract.schedule import Planned, resolve, seed

    expressions = [resolve(expression, seed(manifest.id, "")) for expression in manifest.schedule]
    return Planned(f"{manifest.namespace}/{manifest.name}", expressions, manifest.timezone or zone, policy)


def _row(job: Planned, moments: list[datetime]) -> dict[str, str | int | None]:
    from contract.schedule import explain as in_words

    first = _utc(moments[0]) if moments else None
    return {"job": job.key, "schedule": in_words(job.expressions, job.zone), "runs": len(moments), "first": first}


@manifest_group.command()
def schema() -> None:
    """Print the JSON Schema of a manifest, for editors."""
    from contract.schema import schema as of_jobs

    click.echo(json.dumps(of_jobs(), indent=2))


def _read(name: str) -> Manifest:
    from cli.manifest_files import check

    (checked,) = check([name])
    for problem in checked.errors:
        click.echo(str(problem), err=True)
    if checked.decoded is None or checked.decoded.manifest is None:
        sys.exit(1)
    return checked.decoded.manifest


@contextmanager
def _schedule_errors() -> Iterator[None]:
    """Turns a ``ScheduleError`` into an error of the command."""
    from contract.schedule import ScheduleError

    try:
        yield
    except ScheduleError as error:
        raise click.ClickException(str(error)) from None


def _instant(text: str | None, zone: str) -> datetime:
    from contract.schedule_zones import load

    if text is None:
        return _now()
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise click.BadParameter(f'"{text}" is not an ISO 8601 time. Write one such as 2026-03-29T00:00Z.') from None
    return moment if moment.tzinfo else moment.replace(tzinfo=load(zone))


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def _own_zone() -> str:
    """This machine's time zone: TZ, else the target of /etc/localtime, else UTC."""
    name = os.environ.get("TZ", "").lstrip(":")
    _, separator, linked = os.path.realpath("/etc/localtime").partition("/zoneinfo/")
    return name or (linked if separator else "UTC")
