"""`crontopus logs`: what a job's latest runs printed, and those to come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click

from cli import output
from cli.client import Client, Failure, connect

POLL_S = 1.0
# Runs of one look. More cannot have ended since the last one, or the oldest of them are not shown.
LOOK = 50


@click.command()
@click.argument("job", metavar="NAMESPACE/NAME")
@click.option("--endpoint", help="Only this endpoint (name or id).")
@click.option("--runs", "-n", "count", default=1, show_default=True, type=click.IntRange(0, LOOK), help="Latest runs.")
@click.option("--follow", "-f", is_flag=True, help="Then print each further run when it has ended, until Ctrl-C.")
def logs(job: str, endpoint: str | None, count: int, follow: bool) -> None:
    """Print the output of a job's latest runs."""
    namespace, _, name = job.rpartition("/")
    client = connect()
    query = {"job": name, "namespace": namespace or None, "endpoint": endpoint}
    ended = _ended(client, query)
    for run in ended[-count:] if count else []:
        _print(client, run["id"])
    if not ended and not follow:
        raise Failure(f"{job} has not run yet. To list jobs: crontopus jobs list")
    for run in _further(client, query, {run["id"] for run in ended}) if follow else ():
        _print(client, run["id"])


def _ended(client: Client, query: dict[str, Any]) -> list[dict[str, Any]]:
    """The latest runs that have ended, oldest first."""
    listed = client.get("/api/runs", page_size=LOOK, **query)["runs"]
    return [run for run in reversed(listed) if run["status"] != "running"]


def _further(client: Client, query: dict[str, Any], known: set[str]) -> Iterator[dict[str, Any]]:
    while True:
        time.sleep(POLL_S)
        for run in _ended(client, query):
            if run["id"] not in known:
                known.add(run["id"])
                yield run


def _print(client: Client, run_id: str) -> None:
    detail = client.get(f"/api/runs/{run_id}")
    run, printed = detail["run"], detail["output"]
    words = [output.moment(run["started_at"] or run["slot"]), f"on {run['endpoint_name']}:", run["status"]]
    words += [f"exit {run['exit_code']}"] if run["exit_code"] else []
    click.echo(f"==> {output.printable(' '.join(words))} ({run_id}) <==", err=True)
    gap = f"\n… {printed['lost_bytes']} bytes left out …\n" if printed["lost_bytes"] else ""
    text = f"{printed['head']}{gap}{printed['tail']}"
    lines = text.splitlines() or ([detail["error"]] if detail["error"] else [])
    for line in lines:
        click.echo(output.line(line))
