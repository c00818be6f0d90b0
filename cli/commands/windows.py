"""`crontopus silences` and `crontopus maintenance`: list, add and end them. They are entries of crontopus.yaml."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from cli import output
from cli.client import connect


@click.group()
def silences() -> None:
    """List, add and end silences: problems are recorded, but nobody is told."""


@click.group()
def maintenance() -> None:
    """List, add and end maintenance: nothing that begins in it is a problem."""


def _commands(group: click.Group, path: str, kind: str) -> None:
    """Adds list, add and end to the group."""

    @group.command("list", help=f"List each {kind} of crontopus.yaml.")
    @output.json_option
    def list_all(as_json: bool) -> None:
        answer = connect().get(path)
        if as_json:
            output.show_json(answer)
            return
        heads = ("state", "from", "until", "recurs", "covers", "reason", "id")
        output.table(heads, (_row(each) for each in answer))

    @group.command(help=f"Commit a {kind} to crontopus.yaml. LENGTH is such as 90m, 4h or 2d.")
    @click.argument("length", required=False)
    @click.option("--until", metavar="TIME", help="The end, ISO 8601 with zone, in place of LENGTH.")
    @click.option("--from", "starts", metavar="TIME", help="The start, ISO 8601 with zone; default: now.")
    @click.option("--job", "jobs", multiple=True, metavar="PATTERN", help="Jobs, such as 'production/db-*'.")
    @click.option("--endpoint", "endpoints", multiple=True, metavar="PATTERN", help="Endpoints, such as 'db*'.")
    @click.option("--namespace", "namespaces", multiple=True)
    @click.option("--reason", default="")
    @click.option("--all", "everything", is_flag=True, help="Cover everything.")
    @output.json_option
    def add(
        length: str | None,
        until: str | None,
        starts: str | None,
        jobs: tuple[str, ...],
        endpoints: tuple[str, ...],
        namespaces: tuple[str, ...],
        reason: str,
        everything: bool,
        as_json: bool,
    ) -> None:
        when = {"jobs": jobs, "endpoints": endpoints, "namespaces": namespaces}
        if everything == any(when.values()):
            raise click.UsageError("Say what it covers, with --job, --endpoint or --namespace; or give --all.")
        if (length is None) == (until is None):
            raise click.UsageError("Say when it ends: give LENGTH, such as 4h, or --until.")
        form: dict[str, Any] = {"when": {name: list(values) for name, values in when.items()}, "reason": reason}
        form |= {"minutes": _minutes(length)} if length else {"until": _time("--until", until)}
        form |= {"starts": _time("--from", starts)} if starts else {}
        _told(connect().send("POST", path, json=form), as_json)

    @group.command(help=f"Remove a {kind} from crontopus.yaml. Its id is in the list.")
    @click.argument("window_id", metavar="ID")
    @output.json_option
    def end(window_id: str, as_json: bool) -> None:
        _told(connect().send("DELETE", f"{path}/{window_id}"), as_json)


def _row(each: dict[str, Any]) -> tuple[str, ...]:
    when = each["when"]
    covers = [*when["namespaces"], *when["jobs"], *when["endpoints"]]
    covers += [f"{name}={'|'.join(values)}" for name, values in when["labels"].items()]
    times = output.moment(each["starts"]), output.moment(each["until"])
    return (
        each["state"],
        *times,
        "; ".join(each["during"]),
        ", ".join(covers) or "everything",
        each["reason"],
        each["id"],
    )


def _minutes(length: str) -> int:
    from contract.manifest_values import parse_duration

    try:
        minutes = round(parse_duration(length).total_seconds() / 60)
    except ValueError as error:
        raise click.BadParameter(f"{length!r} {error}", param_hint="LENGTH") from error
    if minutes < 1:
        raise click.BadParameter("give at least one minute", param_hint="LENGTH")
    return minutes


def _time(option: str, text: str | None) -> str:
    from contract.policy_fields import instant

    try:
        at: datetime = instant(text or "")
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error
    return at.isoformat()


def _told(change: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.show_json(change)
        return
    commit = (change.get("commit") or "")[:12]
    click.echo(f"Committed as {commit}." if commit else f"Waiting to be committed (change {change['id']}).")


_commands(silences, "/api/silences", "silence")
_commands(maintenance, "/api/maintenance", "maintenance")
