"""`crontopus jobs`: list, show, apply and delete jobs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from cli import output
from cli.client import Client, Failure, connect
from contract.manifest import decode

WAIT_S = 30.0


@click.group()
def jobs() -> None:
    """List, show, apply and delete jobs."""


@jobs.command("list")
@click.option("--namespace", "-n", help="Only this namespace.")
@click.option("--text", help="Only jobs with this text in their name or command.")
@output.json_option
def list_jobs(namespace: str | None, text: str | None, as_json: bool) -> None:
    """List the jobs."""
    answer = connect().get("/api/jobs", namespace=namespace, text=text)
    if as_json:
        output.show_json(answer)
        return
    output.table(
        ("job", "schedule", "state", "next run", "endpoints"),
        (
            (
                f"{job['namespace']}/{job['name']}",
                job["schedule"],
                job["state"] if job["valid"] else "INVALID",
                output.moment(job["next_run"]),
                job["endpoints"],
            )
            for job in answer["jobs"]
        ),
    )


@jobs.command()
@click.argument("job", metavar="NAMESPACE/NAME")
@output.json_option
def show(job: str, as_json: bool) -> None:
    """Show one job with its manifest."""
    answer = connect().get(_path(job))
    if as_json:
        output.show_json(answer)
        return
    summary, commit = answer["job"], answer["commit"] or {}
    click.echo(f"{summary['namespace']}/{summary['name']}  {summary['words'] or ', '.join(summary['schedule'])}")
    click.echo(f"state {summary['state']}, next run {output.moment(summary['next_run'])}")
    click.echo(f"commit {commit.get('sha', '-')[:10]} by {commit.get('author', '-')}, blob {answer['sha'][:10]}")
    for problem in [*answer["errors"], *answer["lints"]]:
        place = f"{problem['line']}:{problem['column']}"
        click.echo(f"{problem['severity']}: {place}: {output.plain(problem['message'])}")
    click.echo()
    click.echo(answer["yaml"], nl=False)


@jobs.command()
@click.argument("job", metavar="NAMESPACE/NAME")
@click.option("--endpoint", help="The endpoint's name or id. Needed with --at if the job runs on several.")
@click.option("--at", help="The time of the slot, such as 2026-01-31T02:00. Default: the latest missed or lost run.")
@output.json_option
def why(job: str, endpoint: str | None, at: str | None, as_json: bool) -> None:
    """Say why a job did not run. A time without a zone is in the job's time zone."""
    answer = connect().get(f"{_path(job)}/why", endpoint=endpoint, at=at)
    if as_json:
        output.show_json(answer)
        return
    where = f" on {answer['endpoint_name']}" if answer["endpoint_name"] else ""
    click.echo(output.printable(f"{job}{where}, {output.moment(answer['at'])}: {answer['verdict']}"))
    click.echo(output.printable(answer["sentence"]))
    click.echo(output.printable(f"Next: {answer['next']}"))
    click.echo()
    output.table(
        ("at", "fact", "source"),
        ((output.moment(fact["at"]), fact["fact"], fact["source"]) for fact in answer["evidence"]),
    )


@jobs.command()
@click.option(
    "--file", "-f", "files", multiple=True, required=True, help="A manifest, a folder, or - for standard input."
)
@click.option("--namespace", "-n", help="The namespace. Default: the name of the file's folder.")
@click.option("--wait", type=float, default=WAIT_S, show_default=True, help="Seconds to wait for the commit.")
@output.json_option
def apply(files: tuple[str, ...], namespace: str | None, wait: float, as_json: bool) -> None:
    """Create or change jobs from manifests. Checks all files before it sends the first."""
    manifests = [manifest for file in files for manifest in _read(file, namespace)]
    client = connect()
    changes = [_apply(client, *manifest) for manifest in manifests]
    done = [client.wait_for(change, wait) for change in changes]
    _show_changes(done, as_json)


def _read(file: str, namespace: str | None) -> list[tuple[str, str, bytes]]:
    """(namespace, name, bytes) of each manifest. Raises ``Failure`` with all errors of a file."""
    if file == "-":
        return [_checked(Path("stdin.yaml"), sys.stdin.buffer.read(), namespace)]
    path = Path(file)
    if not path.exists():
        raise Failure(f"The file {file} does not exist.")
    paths = sorted([*path.rglob("*.yaml"), *path.rglob("*.yml")]) if path.is_dir() else [path]
    return [_checked(one, one.read_bytes(), namespace) for one in paths if one.name != "crontopus.yaml"]


def _checked(path: Path, data: bytes, namespace: str | None) -> tuple[str, str, bytes]:
    space = namespace or path.resolve().parent.name
    name = _name_in(data) or path.stem
    decoded = decode(data, f"{space}/{name}.yaml", tenant="")
    if decoded.errors:
        raise Failure("\n".join(str(problem) for problem in decoded.errors))
    return space, name, data


def _name_in(data: bytes) -> str:
    """The manifest's ``metadata.name``, because the local file may have another name. Empty if it has none."""
    import yaml

    try:
        document = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError):
        return ""
    metadata = document.get("metadata") if isinstance(document, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def _apply(client: Client, namespace: str, name: str, data: bytes) -> dict[str, Any]:
    headers = {"Content-Type": "application/yaml"}
    try:
        return client.send("PUT", _path(f"{namespace}/{name}"), content=data, headers=headers)["change"]
    except Failure as failure:
        if failure.status != 404:
            raise
    return client.send("POST", "/api/jobs", params={"namespace": namespace}, content=data, headers=headers)["change"]


@jobs.command()
@click.argument("job", metavar="NAMESPACE/NAME")
@click.option("--wait", type=float, default=WAIT_S, show_default=True, help="Seconds to wait for the commit.")
@output.json_option
def delete(job: str, wait: float, as_json: bool) -> None:
    """Delete a job: its file from the repository, its line from every host."""
    client = connect()
    change = client.send("DELETE", _path(job))["change"]
    _show_changes([client.wait_for(change, wait)], as_json)


def _show_changes(changes: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        output.show_json(changes)
    else:
        for change in changes:
            commit = f"commit {change['commit'][:10]}" if change["commit"] else "not committed yet"
            outcome = output.plain(change["error"]) if change["error"] else commit
            click.echo(f"{change['operation']} {change['path']}: {change['state']}, {outcome}")
    if any(change["state"] == "failed" for change in changes):
        sys.exit(1)


def _path(job: str) -> str:
    namespace, slash, name = job.rpartition("/")
    if not slash or "/" in namespace:
        raise click.UsageError(f'"{job}" is not a job. Write NAMESPACE/NAME, such as production/backup.')
    return f"/api/jobs/{quote(namespace, safe='')}/{quote(name, safe='')}"
