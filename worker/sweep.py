"""The sweep: queues due work every few seconds; while Redis is unavailable, it does the work itself."""

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
from crontopus_app.operations import due_work
from crontopus_app.people import git_credentials
from worker import tasks

log = logging.getLogger(__name__)

EVERY_S = 3.0
POLL = timedelta(seconds=60)


class Sweep:
    """Finds due work, one per worker process. Several may run at once, because leases protect the work."""

    def __init__(self, forge: Forgejo) -> None:
        self._forge = forge
        self._next_poll: dict[str, datetime] = {}
        self._after_outage = True

    def run(self, stop: threading.Event) -> None:
        """Sweeps until ``stop`` is set. An error ends only the current sweep."""
        while not stop.is_set():
            try:
                self.once(clock.now())
            except CrontopusError as error:
                log.warning("The sweep failed and is repeated: %s", error)
            except Exception:
                log.exception("The sweep failed")
            stop.wait(EVERY_S * random.uniform(0.8, 1.2))  # noqa: S311 -- not a secret

    def once(self, now: datetime) -> None:
        """Queues everything that is due at ``now``."""
        if not self._forge.healthy():
            self._after_outage = True
            with writing() as session:
                due_work.mark_waiting(session, now)
            return
        with reading() as session:
            due: list[tuple[Callable[[str], None], list[str]]] = [
                (tasks.commit_changes, due_work.with_changes(session, now)),
                (tasks.provision_tenant, due_work.unprovisioned(session, now)),
                (tasks.delete_tenant, due_work.deleting(session)),
                (tasks.settle_git_access, git_credentials.unsettled(session, now)),
                (tasks.index_tenant, due_work.behind(session, now) + self._to_poll(due_work.ready(session), now)),
            ]
        queued = True
        for task, tenants in due:
            for tenant_id in tenants:
                queued = queued and queue.ring(task.__name__, tenant_id)
                if not queued:
                    _run(task, tenant_id)

    def _to_poll(self, tenants: list[str], now: datetime) -> list[str]:
        """Tenants whose branch is to be polled: each about once a minute, spread over time.

        All of them after a start, and after an outage of the Git server, because webhooks may have been lost.
        """
        if self._after_outage:
            self._after_outage = False
            self._next_poll = dict.fromkeys(tenants, now)
        due = [tenant for tenant in tenants if self._next_poll.setdefault(tenant, self._soon(now)) <= now]
        for tenant in due:
            self._next_poll[tenant] = now + POLL * random.uniform(0.9, 1.1)  # noqa: S311 -- not a secret
        return due

    def _soon(self, now: datetime) -> datetime:
        return now + POLL * random.random()  # noqa: S311 -- not a secret


def _run(task: Callable[[str], None], tenant_id: str) -> None:
    """Runs a task. Only logs its errors, so that other tenants do not wait."""
    try:
        task(tenant_id)
    except CrontopusError as error:
        log.warning("%s of %s failed and is repeated: %s", task.__name__, tenant_id, error)
    except Exception:
        log.exception("%s of %s failed", task.__name__, tenant_id)
