"""``crontopus-agent``: the command line of the agent."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent import VERSION
from agent.errors import AgentError, Refused, Revoked, ServerAway
from agent.state import State, default_folder

if TYPE_CHECKING:
    from agent.reconcile import Agent

REVOKED_EXIT = 77


class AgentCommands(click.Group):
    """Prints an ``AgentError`` as one sentence on stderr. Exit code 1, or 77 if the token is revoked."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Revoked as problem:
            click.echo(f"crontopus-agent: {problem}", err=True)
            ctx.exit(REVOKED_EXIT)
        except (AgentError, OSError) as problem:
            click.echo(f"crontopus-agent: {problem}", err=True)
            ctx.exit(1)


@click.group(cls=AgentCommands)
@click.version_option(VERSION)
@click.option(
    "--state",
    "folder",
    type=click.Path(path_type=Path),
    help="State folder. Default: CRONTOPUS_AGENT_STATE, else /var/lib/crontopus (root) or ~/.crontopus.",
)
@click.option(
    "--crontab",
    type=click.Path(dir_okay=False),
    help="Manage this file instead of the user's crontab. Enrolment saves the choice.",
)
@click.pass_context
def main(ctx: click.Context, folder: Path | None, crontab: str | None) -> None:
    """Keeps this machine's crontab equal to the manifests in Git. It never runs a job."""
    ctx.obj = (State(folder or default_folder()), crontab)


@main.command()
@click.option(
    "--url",
    envvar="CRONTOPUS_URL",
    required=True,
    help="Address of the Crontopus server, such as https://crontopus.example.org. Default: CRONTOPUS_URL.",
)
@click.option(
    "--token",
    envvar="CRONTOPUS_ENROLLMENT_TOKEN",
    help="Enrollment token (cet_…). Default: CRONTOPUS_ENROLLMENT_TOKEN.",
)
@click.option("--token-file", type=click.File("r"), help="Read the token from this file; - is standard input.")
@click.option("--name", default="", help="Name of this endpoint. Default: the host name.")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="Label for selectors. Can be repeated.")
@click.option("--machine-id", help="Unique text for this host. Needed if cloned hosts share a machine id.")
@click.pass_obj
def enroll(
    obj: tuple[State, str | None],
    url: str,
    token: str | None,
    token_file: Any,
    name: str,
    labels: tuple[str, ...],
    machine_id: str | None,
) -> None:
    """Enrol this machine as an endpoint. Does not change the crontab."""
    from agent.enroll import enroll as enroll_host

    token = token or (token_file.read().strip() if token_file else "")
    if not token:
        raise Refused("No enrollment token. Use --token, --token-file or CRONTOPUS_ENROLLMENT_TOKEN.")
    state, crontab = obj
    identity = enroll_host(state, url, token, crontab, name, parse_labels(labels), machine_id)
    where = identity.crontab or "the user's crontab"
    click.echo(f"Enrolled as {identity.name} ({identity.endpoint_id}) of tenant {identity.tenant}; manages {where}.")


@main.command()
@click.option(
    "--log-format",
    type=click.Choice(["plain", "json"]),
    default="plain",
    envvar="CRONTOPUS_LOG_FORMAT",
    help="Format of the log lines on stderr. Default: CRONTOPUS_LOG_FORMAT, else plain.",
)
@click.option("--verbose", is_flag=True, help="Also log passes without a change.")
@click.pass_obj
def run(obj: tuple[State, str | None], log_format: str, verbose: bool) -> None:
    """Run until SIGTERM and keep the crontab equal to Git."""
    from agent.control import connect
    from agent.loop import Daemon

    configure_logging(log_format, verbose)
    with assembled(*obj) as agent:
        Daemon(agent, connect(agent.identity)).run()


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_obj
def once(obj: tuple[State, str | None], as_json: bool) -> None:
    """Make one pass now and report it. Exit code 1 if it could not be applied."""
    from agent.control import encode
    from agent.replay import replay_spool

    with assembled(*obj) as agent:
        report = agent.once()
        with contextlib.suppress(ServerAway):  # the next pass or the daemon tries again
            replay_spool(agent.state, agent.identity)
    if as_json:
        click.echo(encode(report).decode())
    else:
        show_report(report)
    if report.status in ("Waiting", "Blocked", "Failed"):
        sys.exit(1)


@main.command()
@click.pass_obj
def plan(obj: tuple[State, str | None]) -> None:
    """Show what the next pass would change. Changes nothing."""
    from agent.plan import show_diff

    with assembled(*obj) as agent:
        steps, prepared, stopped = agent.preview()
    for action in steps.actions:
        click.echo(
            f"{action.kind:8} {action.entry.title} {action.entry.job_id}{'  ' + action.reason if action.reason else ''}"
        )
    click.echo(show_diff(prepared.before.content, prepared.content, "crontab"), nl=False)
    if stopped:
        click.echo(f"The next pass would not apply this: {stopped}")
    elif not prepared.changes:
        click.echo("Nothing to change.")


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON.")
@click.pass_obj
def status(obj: tuple[State, str | None], as_json: bool) -> None:
    """Show this endpoint and its installed jobs, from local files only."""
    state = obj[0]
    identity, memory = state.identity(), state.memory()
    installed = [entry for entry in memory.entries.values() if entry.lines]
    problems = [entry for entry in memory.entries.values() if entry.problem]
    facts = {
        "endpoint": identity.name,
        "endpoint_id": identity.endpoint_id,
        "tenant": identity.tenant,
        "url": identity.url,
        "crontab": identity.crontab or "user",
        "state": "revoked" if identity.revoked else "enrolled",
        "applied": memory.applied,
        "installed": len(installed),
        "problems": {entry.path: entry.problem for entry in problems},
        "spool": len(list(state.spool.glob("*.json"))),
    }
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        click.echo(f"{name:12} {value if name != 'problems' else len(problems)}")
    for entry in problems:
        click.echo(f"  {entry.standing}: {entry.problem}")


@main.command()
@click.pass_obj
def leave(obj: tuple[State, str | None]) -> None:
    """Remove the managed block from the crontab, and the agent's state folder."""
    from agent.enroll import leave as remove_block_and_state
    from agent.enroll import report_leaving
    from agent.schedulers import scheduler_for

    state, crontab = obj
    identity = state.identity()
    notes = remove_block_and_state(state, scheduler_for(crontab or identity.crontab, state.runner))
    report_leaving(identity)
    click.echo("Removed the managed block from the crontab, and the agent's state from this machine.")
    for note in notes:
        click.echo(note)


@main.command()
@click.pass_obj
def backups(obj: tuple[State, str | None]) -> None:
    """List the crontabs saved before the agent's last changes, newest first."""
    from agent.state import backups as saved_crontabs

    for path in reversed(saved_crontabs(obj[0].backups)):
        click.echo(f"{int(path.name.split('-')[0])}  {path.name}  {path.stat().st_size} bytes")


@main.command()
@click.argument("number", type=int)
@click.pass_obj
def rollback(obj: tuple[State, str | None], number: int) -> None:
    """Restore the crontab of backup NUMBER. A running agent then updates its managed block again."""
    from agent.enroll import roll_back
    from agent.schedulers import scheduler_for

    state, crontab = obj
    note = roll_back(state, scheduler_for(crontab or state.identity().crontab, state.runner), number)
    click.echo(f"Restored the crontab of backup {number}. {note}".rstrip())


@contextlib.contextmanager
def assembled(state: State, crontab: str | None) -> Iterator[Agent]:
    """The agent of this endpoint. Raises ``Refused`` if the machine is enrolled again meanwhile."""
    from agent.control import connect
    from agent.host import this_host
    from agent.install import install_runner
    from agent.reconcile import Agent
    from agent.schedulers import scheduler_for

    identity = state.identity()
    try:
        state.create()
        install_runner(state, identity)
    except OSError as problem:  # such as a full disk: what is installed already may do
        click.echo(f"crontopus-agent: the runner was not updated: {problem}", err=True)
    scheduler = scheduler_for(crontab or identity.crontab, state.runner)
    agent = Agent(state, scheduler, connect(identity), lambda: this_host(scheduler.capabilities()))
    try:
        yield agent
    except Revoked as problem:
        if state.identity().token != identity.token:
            raise Refused("This machine has been enrolled again. Restart the agent.") from problem
        # One answer is not believed for good: the daemon asks again before it says that the endpoint is revoked.
        raise Revoked(f"The server rejects this endpoint's token; its crontab lines stay. {problem}") from problem
    finally:
        agent.close()


def parse_labels(options: tuple[str, ...]) -> dict[str, str]:
    """Labels from ``KEY=VALUE`` options. Raises ``Refused`` for another form."""
    labels = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not key or not equals:
            raise Refused(f'"{option}" is not a label. Write KEY=VALUE, such as role=db.')
        labels[key] = value
    return labels


def show_report(report: Any) -> None:
    click.echo(f"{report.status} {report.head[:8]} {report.message}".rstrip())
    for drift in report.drift:
        click.echo(f"  drift: {drift.kind}: {drift.found or drift.expected}")
    for entry in report.entries:
        if entry.outcome != "Kept" or entry.reason:
            click.echo(f"  {entry.outcome:8} {entry.path} {entry.reason}".rstrip())


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"at": self.formatTime(record), "level": record.levelname.lower(), "message": record.getMessage()}
        return json.dumps(line, ensure_ascii=False)


def configure_logging(form: str, verbose: bool) -> None:
    handler = logging.StreamHandler()
    plain = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(JsonLines() if form == "json" else plain)
    logging.getLogger("crontopus").addHandler(handler)
    logging.getLogger("crontopus").setLevel(logging.DEBUG if verbose else logging.INFO)


if __name__ == "__main__":
    os.umask(0o077)
    main()
