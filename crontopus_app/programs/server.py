"""``crontopus-server``: the programs of the control plane, and commands for operators."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from crontopus_app.base.errors import CrontopusError
from crontopus_app.base.logs import hide_secrets
from crontopus_app.base.settings import Settings, keep_home, settings
from crontopus_app.forge import addresses
from crontopus_app.programs import frontend
from crontopus_app.programs.processes import die_with_parent, supervised


class _ErrorGroup(click.Group):
    """Ends a command with the message of a CrontopusError and exit status 1, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CrontopusError as error:
            raise click.ClickException(error.message) from error


@click.group(cls=_ErrorGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(context: click.Context) -> None:
    """The Crontopus control plane. Settings come from CRONTOPUS_… variables, see docs/operate.md."""
    if context.invoked_subcommand != "build":  # another user may serve the built files
        os.umask(0o077)
    hide_secrets()
    if supervised():
        die_with_parent()


@main.command()
@click.option("--demo", is_flag=True, help="With a demo tenant, endpoint and jobs.")
def up(demo: bool) -> None:
    """Run everything on this machine until Ctrl-C."""
    from crontopus_app.programs import supervise

    supervise.up(settings(), demo=demo, say=_say)


@main.command()
def web() -> None:
    """Serve the console, the REST API, check-ins and, unless another is configured, the embedded forge."""
    config = settings()
    frontend.check()
    if problem := addresses.unreachable(config):
        _say(problem)
    _serve("crontopus_app.programs.asgi:worker", config, workers=config.workers)


@main.command()
@click.option(
    "--edits", is_flag=True, help="Run only short tasks such as edits. Another worker must run the long ones."
)
def worker(edits: bool) -> None:
    """Run queued tasks: edits first, then long ones."""
    _become("worker.main", *(["--edits"] if edits else []))


@main.command()
def evaluator() -> None:
    """Find missed and lost runs. Several may run: one works, the others stand by."""
    from crontopus_app.programs import evaluator

    evaluator.run()


@main.command()
@click.option("--bind", metavar="HOST:PORT", help="Address to listen on; default CRONTOPUS_BIND.")
@click.option("--home", type=click.Path(path_type=Path), help="The data folder; default CRONTOPUS_HOME.")
def forge(bind: str | None, home: Path | None) -> None:
    """Serve the embedded forge alone, under /forge."""
    for name, value in (("CRONTOPUS_BIND", bind), ("CRONTOPUS_HOME", home)):
        if value is not None:
            os.environ[name] = str(value)
    _serve("crontopus_app.programs.asgi:forge_worker", settings(), workers=1)


@main.command()
def demo() -> None:
    """Set up the demo tenant and run its agent and clock. `up --demo` includes this."""
    from crontopus_app.programs import demo

    demo.run(settings(), _say)


@main.command()
def build() -> None:
    """Build the console's static files if their sources have changed (needs the `build` extra)."""
    if not frontend.is_built():
        _say("Building the console. The first build takes about half a minute.")
        frontend.build()


@main.command()
def migrate() -> None:
    """Upgrade the database to this release."""
    from crontopus_app.base import migrate

    migrate.to_head(settings().database_url)
    _say("The database is up to date.")


@main.command()
def doctor() -> None:
    """Check each component. The exit status is 1 if one has a problem."""
    from crontopus_app.programs import doctor

    findings = doctor.examine(settings())
    for finding in findings:
        _say(str(finding))
    if not all(finding.fine for finding in findings):
        sys.exit(1)


@main.command()
@click.argument("tenant", required=False)
def reindex(tenant: str | None) -> None:
    """Rebuild the index of TENANT, or of all tenants, from Git."""
    from crontopus_app.base import clock
    from crontopus_app.base.db import reading
    from crontopus_app.forge.configured import forge
    from crontopus_app.jobs.index import reindex
    from crontopus_app.operations import due_work

    with reading() as session:
        tenants = [tenant] if tenant else due_work.ready(session)
    for each in tenants:
        _say(f"{each}: indexed at {reindex(each, forge(), clock.now())[:12] or 'an empty repository'}.")


@main.command()
@click.argument("tenant")
def repair(tenant: str) -> None:
    """Repair the repository of TENANT in the embedded forge, and re-index it. Deletes no commit."""
    from crontopus_app.base import clock
    from crontopus_app.forge.configured import forge
    from crontopus_app.jobs.index import reindex
    from crontopus_app.operations.repair import repair

    for sentence in repair(tenant, clock.now()):
        _say(sentence)
    if not forge().healthy():
        _say("The server is not running. It indexes the repository again when it starts.")
        return
    _say(f"{tenant}: indexed at {reindex(tenant, forge(), clock.now())[:12]}.")


@main.group()
def admin() -> None:
    """Manage tenants and users. Each action is recorded in the audit log."""


@admin.command()
@click.argument("name")
def grant(name: str) -> None:
    """Make the registered user NAME an operator."""
    from crontopus_app.operations import operators

    _act(operators.grant, name)
    _say(f"{name} is an operator now.")


@admin.command()
@click.argument("name")
def revoke(name: str) -> None:
    """Make the operator NAME an ordinary user. The last operator cannot be revoked."""
    from crontopus_app.operations import operators

    _act(operators.revoke, name)
    _say(f"{name} is no longer an operator.")


@admin.command()
@click.argument("text", required=False, default="")
def tenants(text: str) -> None:
    """List tenants with their usage; with TEXT, only those with it in their name or an e-mail address."""
    from crontopus_app.base import clock
    from crontopus_app.base.db import reading
    from crontopus_app.operations import operators

    page, more = 1, True
    while more:
        with reading() as session:
            listed = operators.list_tenants(
                session, operators.shell_actor(), clock.now(), text=text, page=page, page_size=operators.PAGE_SIZE
            )
        for row in listed.tenants:
            used, state = row.usage, "suspended" if row.suspended else row.provisioning
            _say(f"{row.id:<40} {state:<10} {used.jobs:>6} jobs {used.endpoints:>5} hosts {used.runs:>6} runs in 30 d")
        page, more = page + 1, page * listed.page_size < listed.total


@admin.command()
@click.argument("tenant")
def suspend(tenant: str) -> None:
    """Refuse TENANT's users and agents until `resume`. Its hosts keep running their jobs."""
    from crontopus_app.operations import operators

    _act(operators.suspend, tenant)
    _say(f"{tenant} is suspended. {operators.SUSPENSION}")


@admin.command()
@click.argument("tenant")
def resume(tenant: str) -> None:
    """End the suspension of TENANT."""
    from crontopus_app.operations import operators

    _act(operators.resume, tenant)
    _say(f"{tenant} is no longer suspended.")


def _act(service: Callable[..., None], subject: str) -> None:
    """Calls a service as the operating system user who runs this program."""
    from crontopus_app.base import clock
    from crontopus_app.base.db import writing
    from crontopus_app.operations import operators

    with writing() as session:
        service(session, operators.shell_actor(), subject, clock.now())


def _say(sentence: str) -> None:
    click.echo(sentence)
    sys.stdout.flush()


def _become(module: str, *arguments: str) -> None:
    """Replaces this process with ``python -m module``, for modules that must not be imported here."""
    with _in_project_folder(settings()):
        os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 -- a fixed module, no shell


def _serve(target: str, config: Settings, *, workers: int) -> None:
    """Serves until SIGINT or SIGTERM; raises ConfigurationError if the address is in use."""
    from granian import Granian
    from granian.constants import Interfaces

    from crontopus_app.programs.supervise import check_port

    check_port(config.host, config.port)
    with _in_project_folder(config):
        Granian(
            target,
            address=config.host,
            port=config.port,
            interface=Interfaces.ASGI,
            factory=True,
            workers=workers,
            respawn_failed_workers=True,
            workers_kill_timeout=5,
        ).serve()


@contextmanager
def _in_project_folder(config: Settings) -> Iterator[None]:
    """Changes to the project's folder, where Reflex needs its files. Resolves a relative CRONTOPUS_HOME before."""
    keep_home(config.home)
    before = Path.cwd()
    os.chdir(frontend.ROOT)
    try:
        yield
    finally:
        os.chdir(before)


if __name__ == "__main__":
    main()
