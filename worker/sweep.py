"""The sweep: every few seconds it rings for what a lost ring left undone; while Redis is away it does that itself."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from crontopus_app.base import clock, queue
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
                (tasks.commit_changes, sweeps.with_changes(session, now)),
                (tasks.provision_tenant, sweeps.unprovisioned(session, now)),
                (tasks.delete_tenant, sweeps.leaving(session)),
                (tasks.settle_git_access, git_credentials.unsettled(session, now)),
                (tasks.index_tenant, sweeps.behind(session, now) + self._to_poll(sweeps.ready(session), now)),
            ]
        heard = True
        for task, tenants in due:
            for tenant_id in tenants:
                heard = heard and queue.ring(task.__name__, tenant_id)
                if not heard:
                    _do(task, tenant_id)

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


def _do(task: Callable[[str], None], tenant_id: str) -> None:
    """An error of one tenant's task keeps no other tenant waiting."""
    try:
        task(tenant_id)
    except CrontopusError as error:
        log.warning("%s of %s is done later: %s", task.__name__, tenant_id, error)
    except Exception:
        log.exception("%s of %s failed", task.__name__, tenant_id)
