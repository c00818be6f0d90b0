"""The sweep: every few seconds it does what a lost ring left undone, also while Redis is away."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from crontopus_app.base import clock
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import CrontopusError
from crontopus_app.forge.client import Forgejo
from crontopus_app.operations import sweeps
from crontopus_app.people import git_credentials
from worker import tasks

log = logging.getLogger(__name__)

EVERY_S = 3.0
POLL = timedelta(seconds=60)


class Sweep:
    """What was polled when; one per worker process. Several at once do no harm: the work itself is leased."""

    def __init__(self, forge: Forgejo) -> None:
        self._forge = forge
        self._next_poll: dict[str, datetime] = {}
        self._away = True

    def run(self, stop: threading.Event) -> None:
        """Sweeps until ``stop`` is set. An error ends one sweep, never the sweeping."""
        while not stop.is_set():
            try:
                self.once(clock.now())
            except CrontopusError as error:
                log.warning("the sweep comes back later: %s", error)
            except Exception:
                log.exception("the sweep failed")
            stop.wait(EVERY_S * random.uniform(0.8, 1.2))  # noqa: S311 -- no secret

    def once(self, now: datetime) -> None:
        """One round over everything that is due at ``now``."""
        if not self._forge.healthy():
            self._away = True
            with writing() as session:
                sweeps.say_waiting(session, now)
            return
        with reading() as session:
            due: list[tuple[Callable[[str], None], list[str]]] = [
                (tasks.provision_tenant, sweeps.unprovisioned(session, now)),
                (tasks.commit_changes, sweeps.with_changes(session, now)),
                (tasks.delete_tenant, sweeps.leaving(session)),
                (tasks.settle_git_access, git_credentials.unsettled(session, now)),
                (tasks.index_tenant, sweeps.behind(session) + self._to_poll(sweeps.ready(session), now)),
            ]
        for task, tenants in due:
            for tenant_id in tenants:
                task(tenant_id)

    def _to_poll(self, tenants: list[str], now: datetime) -> list[str]:
        """Those whose turn has come; every one about once a minute, spread so that they do not come together.

        All of them after a start and after the Git server was away: it may have died with what it had to tell.
        """
        if self._away:
            self._away = False
            self._next_poll = dict.fromkeys(tenants, now)
        due = [tenant for tenant in tenants if self._next_poll.setdefault(tenant, self._soon(now)) <= now]
        for tenant in due:
            self._next_poll[tenant] = now + POLL * random.uniform(0.9, 1.1)  # noqa: S311 -- no secret
        return due

    def _soon(self, now: datetime) -> datetime:
        return now + POLL * random.random()  # noqa: S311 -- no secret
