"""`crontopus endpoints`: list, show and revoke endpoints."""

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
    answer = connect().get("/api/endpoints", page_size=100)
    if as_json:
        output.show_json(answer)
        return
    output.table(
        ("name", "state", "jobs", "last seen", "agent", "commit", "id"),
        (
            (
                host["name"],
                host["state"],
                host["jobs"],
                output.moment(host["last_seen_at"]),
                host["agent_version"],
                host["head_applied"][:10],
                host["id"],
            )
            for host in answer["endpoints"]
        ),
    )


@endpoints.command()
@click.argument("endpoint")
@output.json_option
def show(endpoint: str, as_json: bool) -> None:
    """Show one endpoint (name or id) and its jobs."""
    client = connect()
    host = _find(client, endpoint)
    instances = client.get(f"/api/endpoints/{host['id']}/jobs")
    if as_json:
        output.show_json({"endpoint": host, "jobs": instances})
        return
    click.echo(f"{host['name']} ({host['hostname']}, {host['platform']}): {host['state']}")
    click.echo(f"last seen {output.moment(host['last_seen_at'])}, agent {host['agent_version'] or '-'}")
    if host["message"]:
        click.echo(f"last sync: {output.plain(host['message'])}")
    output.table(
        ("job", "state", "outcome", "reason"),
        (
            (f"{one['namespace']}/{one['job_name']}", one["state"], one["outcome"], output.plain(one["reason"]))
            for one in instances
        ),
    )


@endpoints.command()
@click.argument("endpoint")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def revoke(endpoint: str, yes: bool) -> None:
    """Revoke an endpoint's token. The crontab lines stay on the machine."""
    client = connect()
    host = _find(client, endpoint)
    if not yes:
        click.confirm(f"Revoke {host['name']} with {host['jobs']} jobs?", abort=True)
    client.send("DELETE", f"/api/endpoints/{host['id']}")
    click.echo(f"Revoked {host['name']}. Its runs stay in the history.")
    click.echo("To remove its crontab lines, run on that machine: crontopus-agent leave")


def _find(client: Client, name_or_id: str) -> dict[str, Any]:
    page, seen = 1, 0
    while True:
        answer = client.get("/api/endpoints", page=page, page_size=100)
        for host in answer["endpoints"]:
            if name_or_id in (host["id"], host["name"]):
                return host
        page, seen = page + 1, seen + len(answer["endpoints"])
        if seen >= answer["total"] or not answer["endpoints"]:
            raise Failure(f'There is no endpoint "{name_or_id}". To see all: crontopus endpoints list')
