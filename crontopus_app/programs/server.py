"""``crontopus-server``: the programs of the control plane and the operators' verbs."""

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


class _Sentences(click.Group):
    """An error of ours ends a verb with its sentence and exit status 1, never with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CrontopusError as error:
            raise click.ClickException(error.message) from error


@click.group(cls=_Sentences, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(context: click.Context) -> None:
    """The Crontopus control plane. Settings come from CRONTOPUS_… variables, see docs/operate.md."""
    if context.invoked_subcommand != "build":  # what it builds may be served by another user
        os.umask(0o077)
    hide_secrets()
    if supervised():
        die_with_parent()


@main.command()
@click.option("--demo", is_flag=True, help="With a demo tenant, a demo endpoint and jobs of different fates.")
def up(demo: bool) -> None:
    """Run everything on this machine until Ctrl-C."""
    from crontopus_app.programs import supervise

    supervise.up(settings(), demo=demo, say=_say)


@main.command()
def web() -> None:
    """Serve the console, the REST API, check-ins and, where none is configured, the embedded forge."""
    ours = settings()
    frontend.check()
    if problem := addresses.unreachable(ours):
        _say(problem)
    _serve("crontopus_app.programs.asgi:worker", ours, workers=ours.workers)


@main.command()
@click.option(
    "--edits", is_flag=True, help="Only edits: what takes long is left to other workers, of which one must run."
)
def worker(edits: bool) -> None:
    """Run the tasks that the web processes ring for: edits first, then what takes long."""
    _become("worker.main", *(["--edits"] if edits else []))


@main.command()
@click.option("--bind", metavar="HOST:PORT", help="Where to listen; default CRONTOPUS_BIND.")
@click.option("--home", type=click.Path(path_type=Path), help="The data folder; default CRONTOPUS_HOME.")
def forge(bind: str | None, home: Path | None) -> None:
    """Serve the embedded forge alone, under /forge."""
    for name, value in (("CRONTOPUS_BIND", bind), ("CRONTOPUS_HOME", home)):
        if value is not None:
            os.environ[name] = str(value)
    _serve("crontopus_app.programs.asgi:forge_worker", settings(), workers=1)


@main.command()
def demo() -> None:
    """Set the demo tenant up and keep its agent and clock running; `up --demo` does it."""
    from crontopus_app.programs import demo

    demo.run(settings(), _say)


@main.command()
def build() -> None:
    """Build the console's static files where their sources changed (needs the `build` extra)."""
    if not frontend.is_built():
        _say("Building the console: about half a minute the first time.")
        frontend.build()


@main.command()
def migrate() -> None:
    """Bring the database to this release's tables."""
    from crontopus_app.base import migrate

    migrate.to_head(settings().database_url)
    _say("The database is up to date.")


@main.command()
def doctor() -> None:
    """Say of each part whether it answers; exit status 1 where one does not."""
    from crontopus_app.programs import doctor

    findings = doctor.examine(settings())
    for finding in findings:
        _say(str(finding))
    if not all(finding.fine for finding in findings):
        sys.exit(1)


@main.command()
@click.argument("tenant", required=False)
def reindex(tenant: str | None) -> None:
    """Rebuild the index of TENANT, or of all tenants, from Git alone."""
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
    """Mend the repository of TENANT in the embedded forge, and index it anew; no commit is deleted."""
    from crontopus_app.base import clock
    from crontopus_app.forge.configured import forge
    from crontopus_app.jobs.index import reindex
    from crontopus_app.operations import repair as mending

    for sentence in mending.repair(tenant, clock.now()):
        _say(sentence)
    if not forge().healthy():
        _say("The server does not run: it looks at the repository again when it starts.")
        return
    _say(f"{tenant}: indexed at {reindex(tenant, forge(), clock.now())[:12]}.")


@main.group()
def admin() -> None:
    """Verbs about tenants and users; what they do stands in the audit trail."""


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
    """Make the operator NAME a user like others; the last operator stays one."""
    from crontopus_app.operations import operators

    _act(operators.revoke, name)
    _say(f"{name} is no operator.")


@admin.command()
@click.argument("text", required=False, default="")
def tenants(text: str) -> None:
    """List tenants, all or those with TEXT in their name or in an e-mail address, with what they use."""
    from crontopus_app.base import clock
    from crontopus_app.base.db import reading
    from crontopus_app.operations import operators

    page, more = 1, True
    while more:
        with reading() as session:
            found = operators.list_tenants(
                session, operators.shell_actor(), clock.now(), text=text, page=page, page_size=operators.PAGE_SIZE
            )
        for one in found.tenants:
            used, standing = one.usage, "suspended" if one.suspended else one.provisioning
            _say(
                f"{one.id:<40} {standing:<10} {used.jobs:>6} jobs {used.endpoints:>5} hosts {used.runs:>6} runs in 30 d"
            )
        page, more = page + 1, page * found.page_size < found.total


@admin.command()
@click.argument("tenant")
def suspend(tenant: str) -> None:
    """Refuse TENANT's users and agents until `resume`; its hosts go on running their jobs."""
    from crontopus_app.operations import operators

    _act(operators.suspend, tenant)
    _say(f"{tenant} is suspended. {operators.SUSPENSION}")


@admin.command()
@click.argument("tenant")
def resume(tenant: str) -> None:
    """End the suspension of TENANT."""
    from crontopus_app.operations import operators

    _act(operators.resume, tenant)
    _say(f"{tenant} is not suspended.")


def _act(service: Callable[..., None], subject: str) -> None:
    """Does an operator's act as whoever runs this program."""
    from crontopus_app.base import clock
    from crontopus_app.base.db import writing
    from crontopus_app.operations import operators

    with writing() as session:
        service(session, operators.shell_actor(), subject, clock.now())


def _say(sentence: str) -> None:
    click.echo(sentence)
    sys.stdout.flush()


def _become(module: str, *arguments: str) -> None:
    """Replaces this process by ``python -m module``: what the layers below may not import can still be run."""
    with _in_project_folder(settings()):
        os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 -- our own module, no shell


def _serve(target: str, ours: Settings, *, workers: int) -> None:
    """Serves until SIGINT or SIGTERM; raises ConfigurationError where the address is taken."""
    from granian import Granian
    from granian.constants import Interfaces

    from crontopus_app.programs.supervise import check_port

    check_port(ours.host, ours.port)
    with _in_project_folder(ours):
        Granian(
            target,
            address=ours.host,
            port=ours.port,
            interface=Interfaces.ASGI,
            factory=True,
            workers=workers,
            respawn_failed_workers=True,
            workers_kill_timeout=5,
        ).serve()


@contextmanager
def _in_project_folder(ours: Settings) -> Iterator[None]:
    """Reflex looks for its files in the working folder; a relative CRONTOPUS_HOME was meant from the old one."""
    keep_home(ours.home)
    before = Path.cwd()
    os.chdir(frontend.ROOT)
    try:
        yield
    finally:
        os.chdir(before)


if __name__ == "__main__":
    main()
