"""Becoming an endpoint, and leaving again."""

from __future__ import annotations

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
from agent.errors import Busy, Refused, Revoked, ServerAway
from agent.host import machine_id, this_host
from agent.install import check_runner_path, install_runner
from agent.schedulers import Scheduler, scheduler_for
from agent.state import Identity, State, backups, keep_backup
from contract.wire import Enrolled, EnrollRequest, PassReport

log = logging.getLogger("crontopus.agent")

PATIENCE_SECONDS = 600.0


def say_and_wait(seconds: float, why: str) -> None:
    """Wait, and say so on stderr: somebody may look on."""
    click.echo(f"The server accepts no enrolment right now: {why}", err=True)
    click.echo(f"Waiting {seconds:.0f} s, then trying again.", err=True)
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
    """Make this machine an endpoint. The crontab is not touched; enrolling again keeps what was applied.

    ``wait(seconds, why)`` is called where the server takes no more requests for now.
    """
    check_url(url)
    check_runner_path(state)
    crontab_file = str(Path(crontab_file).absolute()) if crontab_file else None
    scheduler = scheduler_for(crontab_file)
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
        told = _when_let_in(lambda: control.enroll(request), wait)
    finally:
        control.close()
    git = told.git
    identity = Identity(
        url.rstrip("/"), told.endpoint_id, told.token, told.tenant_id, request.name, mid,
        git.url, git.branch, git.username, git.token, crontab_file, labels,
    )  # fmt: skip
    with state.lock():
        state.save_identity(identity)
        install_runner(state, identity)
    return identity


def _when_let_in(ask: Callable[[], Enrolled], wait: Callable[[float, str], None]) -> Enrolled:
    """What ``ask`` gives, asked again for as long as the server is busy, for ten minutes at most. Raises Busy then."""
    left = PATIENCE_SECONDS
    while True:
        try:
            return ask()
        except Busy as problem:
            seconds = max(1.0, problem.retry_after)
            left -= seconds
            if left < 0:
                raise
            wait(seconds, str(problem))


def check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Refused(f"{url!r} is not an address: give one like https://crontopus.example.org")
    if parts.username or parts.password:
        raise Refused("Credentials do not belong into --url: the token travels in a header")


def leave(state: State, scheduler: Scheduler) -> list[str]:
    """Take the block out and the state folder away: the crontab is byte for byte what it was.

    Returns the lines of the first Crontopus that were in the block and are now gone.
    """
    with state.lock():
        memory = state.memory()
        scheduler.leave(
            lambda content: keep_backup(state.backups, content, "leave"), remove_empty=memory.had_crontab is False
        )
        state.remove()
    return [line.rstrip("\n") for _, line in sorted(memory.migrated.items())]


def say_goodbye(identity: Identity) -> None:
    """Tell the server that nothing of it is here any more. Leaving works without it, so its absence is no error."""
    now = datetime.now(timezone.utc)
    control = Control(identity.url, identity.token)
    try:
        control.report(
            PassReport(
                "Kept", "", "", now, 0.0, "this host left; its crontab has no entry of ours", agent_version=VERSION
            )
        )
    except (ServerAway, Revoked) as problem:
        log.info("the control plane could not be told: %s", problem)
    finally:
        control.close()


def roll_back(state: State, scheduler: Scheduler, number: int) -> None:
    """Write backup ``number`` back; what stands there now becomes the newest backup."""
    with state.lock():
        found = [path for path in backups(state.backups) if int(path.name.split("-")[0]) == number]
        if not found:
            raise Refused(f"There is no backup {number}; crontopus-agent backups lists them")
        data = found[0].read_bytes()
        scheduler.restore(data, lambda content: keep_backup(state.backups, content, "rollback"))
