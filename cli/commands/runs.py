"""`crontopus runs`: list and show runs."""

from __future__ import annotations

import click

from cli import output
from cli.client import connect


@click.group()
def runs() -> None:
    """List and show runs."""


@runs.command("list")
@click.option("--job", help="Only this job (name or id).")
@click.option("--namespace", "-n", help="Only this namespace.")
@click.option("--endpoint", help="Only this endpoint (name or id).")
@click.option("--status", help="Only this status, or several, such as failed,timeout.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100), help="Number of runs.")
@click.option("--cursor", help="Continue after an earlier list: its next_cursor, which --json prints.")
@output.json_option
def list_runs(
    job: str | None,
    namespace: str | None,
    endpoint: str | None,
    status: str | None,
    limit: int,
    cursor: str | None,
    as_json: bool,
) -> None:
    """List runs, newest first."""
    answer = connect().get(
        "/api/runs",
        job=job,
        namespace=namespace,
        endpoint=endpoint,
        status=status,
        page_size=limit,
        cursor=cursor,
    )
    if as_json:
        output.show_json(answer)
        return
    output.table(
        ("started", "job", "endpoint", "status", "took", "exit", "id"),
        (
            (
                output.moment(run["started_at"]),
                f"{run['namespace']}/{run['job_name']}",
                run["endpoint_name"],
                run["status"],
                output.seconds(run["duration_s"]),
                run["exit_code"],
                run["id"],
            )
            for run in answer["runs"]
        ),
    )


@runs.command()
@click.argument("run_id")
@output.json_option
def show(run_id: str, as_json: bool) -> None:
    """Show one run with its output."""
    answer = connect().get(f"/api/runs/{run_id}")
    if as_json:
        output.show_json(answer)
        return
    run, printed = answer["run"], answer["output"]
    click.echo(f"{run['namespace']}/{run['job_name']} on {run['endpoint_name']}: {run['status']}")
    click.echo(f"started {output.moment(run['started_at'])}, took {output.seconds(run['duration_s'])}")
    click.echo(
        f"exit {output.printable(run['exit_code'])}, attempt {run['attempt']}, commit {run['commit'][:10] or '-'}"
    )
    gap = f"\n… {printed['lost_bytes']} bytes left out …\n" if printed["lost_bytes"] else ""
    click.echo(f"\n{printed['head']}{gap}{printed['tail']}", nl=False)
