"""`crontopus incidents`: list and show incidents, acknowledge and snooze them."""

from __future__ import annotations

from typing import Any

import click

from cli import output
from cli.client import connect


@click.group()
def incidents() -> None:
    """List and show incidents, acknowledge and snooze them."""


@incidents.command("list")
@click.option("--state", default="open", show_default=True, type=click.Choice(["open", "closed", "all"]))
@click.option("--job", help="Only this job (name or NAMESPACE/NAME).")
@click.option("--endpoint", help="Only this endpoint (name).")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100), help="Number of incidents.")
@output.json_option
def list_incidents(state: str, job: str | None, endpoint: str | None, limit: int, as_json: bool) -> None:
    """List incidents, newest first."""
    answer = connect().get("/api/incidents", state=state, job=job, endpoint=endpoint, page_size=limit)
    if as_json:
        output.show_json(answer)
        return
    output.table(
        ("since", "problem", "cause", "what", "state", "id"),
        (
            (output.moment(each["since"]), each["title"], each["cause"], each["what"], _state(each), each["id"])
            for each in answer["incidents"]
        ),
    )


def _state(incident: dict[str, Any]) -> str:
    if incident["state"] == "acknowledged":
        return f"taken by {incident['acknowledged_by']}"
    if incident["state"] == "snoozed":
        return f"snoozed until {output.moment(incident['snoozed_until'])}"
    return incident["state"]


@incidents.command()
@click.argument("incident_id")
@output.json_option
def show(incident_id: str, as_json: bool) -> None:
    """Show one incident with its timeline."""
    answer = connect().get(f"/api/incidents/{incident_id}")
    if as_json:
        output.show_json(answer)
        return
    incident = answer["incident"]
    click.echo(f"{output.printable(incident['title'])}: {output.printable(incident['what'])}")
    click.echo(f"{incident['cause']}, {_state(incident)}, since {output.moment(incident['since'])}")
    for words in (incident["why"], incident["handling_reason"]):
        if words:
            click.echo(output.printable(words))
    click.echo("")
    output.table(
        ("at", "event", "by", "text"),
        ((output.moment(each["at"]), each["kind"], each["actor"], each["text"]) for each in answer["timeline"]),
    )


@incidents.command()
@click.argument("incident_id")
@output.json_option
def ack(incident_id: str, as_json: bool) -> None:
    """Take care of an incident: no more reminders and no escalation."""
    answer = connect().send("POST", f"/api/incidents/{incident_id}/acknowledge")
    output.show_json(answer) if as_json else click.echo(f"{output.printable(answer['title'])}: {_state(answer)}")


@incidents.command()
@click.argument("incident_id")
@click.option("--minutes", default=60, show_default=True, type=click.IntRange(0, 10_080), help="0 ends the snooze.")
@output.json_option
def snooze(incident_id: str, minutes: int, as_json: bool) -> None:
    """Send nothing about an incident for some time."""
    answer = connect().send("POST", f"/api/incidents/{incident_id}/snooze", json={"minutes": minutes})
    output.show_json(answer) if as_json else click.echo(f"{output.printable(answer['title'])}: {_state(answer)}")
