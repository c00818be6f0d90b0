"""`crontopus endpoints`: the machines."""

from __future__ import annotations

from typing import Any

import click

from cli import output
from cli.client import Client, Failure, connect


@click.group()
def endpoints() -> None:
    """List, show and revoke endpoints."""


@endpoints.command("list")
@output.json_option
def list_endpoints(as_json: bool) -> None:
    """List the endpoints."""
    found = connect().get("/api/endpoints", page_size=100)
    if as_json:
        output.show_json(found)
        return
    output.table(
        ("name", "state", "jobs", "last seen", "agent", "commit", "id"),
        (
            (
                one["name"],
                one["state"],
                one["jobs"],
                output.moment(one["last_seen_at"]),
                one["agent_version"],
                one["head_applied"][:10],
                one["id"],
            )
            for one in found["endpoints"]
        ),
    )


@endpoints.command()
@click.argument("endpoint")
@output.json_option
def show(endpoint: str, as_json: bool) -> None:
    """Show one endpoint (name or id) and its jobs."""
    client = connect()
    found = _find(client, endpoint)
    instances = client.get(f"/api/endpoints/{found['id']}/jobs")
    if as_json:
        output.show_json({"endpoint": found, "jobs": instances})
        return
    click.echo(f"{found['name']} ({found['hostname']}, {found['platform']}): {found['state']}")
    click.echo(f"last seen {output.moment(found['last_seen_at'])}, agent {found['agent_version']}")
    click.echo(found["message"] or "The last pass had nothing to say.")
    output.table(
        ("job", "state", "outcome", "reason"),
        ((f"{one['namespace']}/{one['job_name']}", one["state"], one["outcome"], one["reason"]) for one in instances),
    )


@endpoints.command()
@click.argument("endpoint")
@click.option("--yes", is_flag=True, help="Do not ask.")
def revoke(endpoint: str, yes: bool) -> None:
    """End an endpoint's token at once; the lines on the machine stay until somebody removes them there."""
    client = connect()
    found = _find(client, endpoint)
    if not yes:
        click.confirm(f"Revoke {found['name']} with {found['jobs']} jobs?", abort=True)
    client.send("DELETE", f"/api/endpoints/{found['id']}")
    click.echo(f"{found['name']} is revoked. Its history stays; `crontopus-agent leave` there removes its lines.")


def _find(client: Client, wanted: str) -> dict[str, Any]:
    page, seen = 1, 0
    while True:
        found = client.get("/api/endpoints", page=page, page_size=100)
        for one in found["endpoints"]:
            if wanted in (one["id"], one["name"]):
                return one
        page, seen = page + 1, seen + len(found["endpoints"])
        if seen >= found["total"] or not found["endpoints"]:
            raise Failure(f"There is no endpoint {wanted!r}.")
