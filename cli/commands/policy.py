"""`crontopus policy`: check crontopus.yaml, and say who would be told of a problem. Works without a server."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import output

if TYPE_CHECKING:
    from contract.policy import Policy
    from contract.routing import Subject, Told

_FILE = click.argument("file", default="crontopus.yaml", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def policy() -> None:
    """Check crontopus.yaml, and say who would be told of a problem."""


@policy.command()
@_FILE
def validate(file: Path) -> None:
    """Check a policy file. Exit code 1 if it has an error."""
    _read(file)
    click.echo(f"{file}: no errors")


def _read(file: Path) -> Policy:
    """The policy; prints its errors and ends the program if it has any."""
    from contract import policy as policies

    decoded = policies.decode(file.read_bytes(), str(file))
    for problem in decoded.errors:
        click.echo(output.plain(problem))
    if decoded.policy is None:
        sys.exit(1)
    return decoded.policy


@policy.command("test")
@_FILE
@click.option("--job", default="", metavar="NAMESPACE/NAME", help="The job; none: a problem of a host or a file.")
@click.option("--endpoint", default="", help="The endpoint's name.")
@click.option("--cause", default="failing", show_default=True, help="What is wrong, such as missed or 'host silent'.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label of the job; may be repeated.")
@click.option("--severity", help="As critical, error or warning; default: any.", default="")
@click.option(
    "--open", "others", multiple=True, metavar="NAMESPACE/NAME[@ENDPOINT]", help="A job with an open incident."
)
@click.option("--route", help="The route that the job's manifest names.")
@click.option("--channel", "channels", multiple=True, help="A channel that exists; by default, all that routes name.")
@click.option("--at", "at", metavar="TIME", help="When it happens, ISO 8601 with zone; default: now.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def test_policy(
    file: Path,
    job: str,
    endpoint: str,
    cause: str,
    labels: tuple[str, ...],
    severity: str,
    others: tuple[str, ...],
    route: str | None,
    channels: tuple[str, ...],
    at: str | None,
    as_json: bool,
) -> None:
    """Say who would be told of a problem, when and why. Sends nothing. Exit code 1 if nobody would be told."""
    from contract.routing import Subject, steps, tell

    found = _read(file)
    namespace, _, name = job.rpartition("/")
    pairs = dict(_pair(label) for label in labels)
    now = _time(at)
    subject = Subject(namespace, name, endpoint, cause, pairs, route, severity)
    told = tell(found, subject, channels or _named(found), now, now, [_other(text) for text in others])
    if as_json:
        click.echo(json.dumps(_plain(told), indent=2, ensure_ascii=False))
    else:
        click.echo(told.reason)
        for line in steps(told):
            click.echo(f"  {line}")
    if told.handling != "delivered":
        sys.exit(1)


def _other(text: str) -> Subject:
    """What has an open incident."""
    from contract.routing import Subject

    job, _, endpoint = text.partition("@")
    namespace, _, name = job.rpartition("/")
    return Subject(namespace, name, endpoint)


def _named(found: Policy) -> tuple[str, ...]:
    """All channels that the policy names; one made-up name if it has no routes."""
    routes = found.routes.values()
    named = [channel for route in routes for channel in route.channels]
    named += [channel for route in routes for each in route.escalate for channel in each.channels]
    return tuple(dict.fromkeys(named)) or ("every channel",)


def _pair(label: str) -> tuple[str, str]:
    key, sign, value = label.partition("=")
    if not sign or not key:
        raise click.BadParameter(f"{label!r} is not KEY=VALUE", param_hint="--label")
    return key, value


def _time(text: str | None) -> datetime:
    from contract.policy_fields import instant

    if text is None:
        return datetime.now(timezone.utc)
    try:
        return instant(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from error


def _plain(told: Told) -> dict[str, object]:
    rules = told.rules
    return {
        "handling": told.handling,
        "reason": told.reason,
        "route": told.route,
        "channels": list(told.channels),
        "wait_s": rules.group.wait.total_seconds(),
        "interval_s": rules.group.interval.total_seconds(),
        "repeat_s": rules.repeat.total_seconds() if rules.repeat else None,
        "escalate": [{"after_s": e.after.total_seconds(), "channels": list(e.channels)} for e in rules.escalate],
        "until": told.until.isoformat() if told.until else None,
    }
