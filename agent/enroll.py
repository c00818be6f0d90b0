"""Enrolment of this machine, leaving, and the restore of a backup."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit

import click

from agent import VERSION
from agent.control import Control
from agent.errors import Refused, Revoked, ServerAway, ServerBusy, Unproved
from agent.host import machine_id, this_host
from agent.install import check_runner_path, install_runner
from agent.schedulers import Scheduler, scheduler_for
from agent.state import Identity, State, backups, keep_backup
from contract.wire import Enrolled, EnrollRequest, PassReport

log = logging.getLogger("crontopus.agent")

LONGEST_WAIT_SECONDS = 600.0


def say_and_wait(seconds: float, why: str) -> None:
    """Waits and prints the reason on stderr."""
    click.echo(f"The server accepts no enrolment at the moment: {why}", err=True)
    click.echo(f"Waiting {seconds:.0f} s before the next attempt.", err=True)
    time.sleep(seconds)


def enroll(
    state: State,
    url: str,
    token: str,
    crontab_file: str | None,
    name: str,
    labels: dict[str, str],
    machine: str | None,
    wait: Callable[[float, str], None] = say_and_wait,
) -> Identity:
    """Enrols this machine and saves its identity. Does not change the crontab; enrolling again keeps the applied state.

    ``wait(seconds, why)`` is called each time the server asks to try again later. Raises ``AgentError``.
    """
    check_url(url)
    check_runner_path(state)
    crontab_file = str(Path(crontab_file).absolute()) if crontab_file else None
    scheduler = scheduler_for(crontab_file, state.runner)
    with contextlib.suppress(Unproved):  # each pass says it again, and writes nothing
        scheduler.observe(None)
    host = this_host(scheduler.capabilities())
    mid = machine_id(machine, crontab_file or ("" if host.root else host.user))
    now = datetime.now(timezone.utc)
    request = EnrollRequest(
        mid, socket.gethostname(), name or socket.gethostname(), host.platform, VERSION, host.zone,
        host.utc_offset(now), labels, dict(host.capabilities),
    )  # fmt: skip
    state.create()
    control = Control(url, token)
    try:
        enrolled = _retry_while_busy(lambda: control.enroll(request), wait)
    finally:
        control.close()
    git = enrolled.git
    identity = Identity(
        url.rstrip("/"), enrolled.endpoint_id, enrolled.token, enrolled.tenant_id, request.name, mid,
        git.url, git.branch, git.username, git.token, crontab_file, labels,
    )  # fmt: skip
    with state.lock():
        state.save_identity(identity)
        install_runner(state, identity)
    return identity


def _retry_while_busy(request: Callable[[], Enrolled], wait: Callable[[float, str], None]) -> Enrolled:
    """The result of ``request``, repeated while it raises ``ServerBusy``; after ten minutes of waiting, raises that."""
    left = LONGEST_WAIT_SECONDS
    while True:
        try:
            return request()
        except ServerBusy as problem:
            seconds = max(1.0, problem.retry_after)
            left -= seconds
            if left < 0:
                raise
            wait(seconds, str(problem))


def check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Refused(f"{url!r} is not the address of a server. Use one such as https://crontopus.example.org.")
    if parts.username or parts.password:
        raise Refused("The address must not contain a user name or password. Use --token for the enrollment token.")


def leave(state: State, scheduler: Scheduler) -> list[str]:
    """Removes the managed block and the state folder. The rest of the crontab stays byte for byte.

    Returns sentences for the user: the removed lines of the first Crontopus, and a newline that had to be added.
    """
    with state.lock():
        memory = state.memory()
        try:
            note = scheduler.leave(
                memory.block,
                lambda content: keep_backup(state.backups, content, "leave"),
                remove_empty=memory.had_crontab is False,
            )
        except Unproved:
            if memory.block is not None:
                raise
            note = ""  # the agent has written nothing
        state.remove()
    dropped = [line.rstrip("\n") for _, line in sorted(memory.migrated.items())]
    return [f"Also removed this line of the first Crontopus: {line}" for line in dropped] + [note] * bool(note)


def report_leaving(identity: Identity) -> None:
    """Reports that the agent has left this host. A server that is away is no error."""
    now = datetime.now(timezone.utc)
    control = Control(identity.url, identity.token)
    try:
        message = "crontopus-agent leave removed the managed block from this host's crontab"
        control.report(PassReport("Kept", "", "", now, 0.0, message, agent_version=VERSION))
    except (ServerAway, Revoked) as problem:
        log.info("the server did not receive the report of leaving: %s", problem)
    finally:
        control.close()


def roll_back(state: State, scheduler: Scheduler, number: int) -> str:
    """Writes backup ``number`` to the crontab, and saves the current crontab as the newest backup.

    Returns a sentence for the user if a newline had to be added, else an empty text.
    """
    with state.lock():
        matches = [path for path in backups(state.backups) if int(path.name.split("-")[0]) == number]
        if not matches:
            raise Refused(f"There is no backup {number}. Run 'crontopus-agent backups' to list them.")
        data = matches[0].read_bytes()
        return scheduler.restore(data, lambda content: keep_backup(state.backups, content, "rollback"))
