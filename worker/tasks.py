"""The tasks of the workers. Their arguments are ids, and every task is idempotent.

The database says what is due. While the forge is unavailable, it stays due, and the sweep queues it again. A task works
for a slice of time and then queues its remaining work behind the other tasks.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from crontopus_app.base import clock, queue
from crontopus_app.base.errors import CrontopusError, Unavailable
from crontopus_app.forge.configured import forge
from crontopus_app.jobs import backoff, commit
from crontopus_app.jobs.index import find_commits, index
from crontopus_app.operations import provisioning, tenant_deletion
from crontopus_app.people import git_credentials

log = logging.getLogger(__name__)

SLICE_S = 1.0


def provision_tenant(tenant_id: str) -> None:
    """Creates the tenant's repository and accounts on the forge."""
    provisioning.provision(tenant_id, forge(), clock.now())


def delete_tenant(tenant_id: str) -> None:
    """Removes the data of a deleted account: its repository and rows."""
    tenant_deletion.finish(tenant_id, forge(), clock.now())


def settle_git_access(tenant_id: str) -> None:
    """Brings the tenant's Git credentials and permissions on the Git server up to date."""
    try:
        git_credentials.settle(tenant_id, forge(), clock.now())
    except CrontopusError as error:
        log.warning("Updating the Git credentials of %s failed and is repeated: %s", tenant_id, error)


def commit_changes(tenant_id: str) -> None:
    """Commits the tenant's pending changes; ``retry_changes`` does so for a failing repository."""
    if backoff.is_failing(tenant_id):
        queue.ring("retry_changes", tenant_id)
    else:
        retry_changes(tenant_id)


def retry_changes(tenant_id: str) -> None:
    """Commits the tenant's pending changes, in the queue for long tasks."""
    with _with_backoff(tenant_id):
        if commit.commit_changes(tenant_id, forge(), clock.now, SLICE_S):
            queue.ring("commit_changes", tenant_id)


def index_tenant(tenant_id: str) -> None:
    """Updates the tenant's index to its branch's head."""
    with _with_backoff(tenant_id):
        index(tenant_id, forge(), clock.now())
        _read_history(tenant_id)


def reindex_tenant(tenant_id: str) -> None:
    """Rebuilds the tenant's index from Git. The tenant's row stores an error."""
    with _with_backoff(tenant_id):
        index(tenant_id, forge(), clock.now(), force=True)
        _read_history(tenant_id)


def read_history(tenant_id: str, seconds: float = SLICE_S) -> None:
    """Looks up the last commits of the tenant's files."""
    with _with_backoff(tenant_id):
        _read_history(tenant_id, seconds)


def _read_history(tenant_id: str, seconds: float = SLICE_S) -> None:
    if find_commits(tenant_id, forge(), seconds):
        queue.ring("read_history", tenant_id)


@contextmanager
def _with_backoff(tenant_id: str) -> Iterator[None]:
    """Records a failure of the repository, unless the Git server or the database is unavailable."""
    try:
        yield
    except CrontopusError as error:
        log.warning("The repository of %s failed and is tried again: %s", tenant_id, error)
        database_down = isinstance(error, Unavailable) and error.part == "database"
        if not database_down and forge().healthy():
            backoff.failed(tenant_id, clock.now())
    except Exception:
        backoff.failed(tenant_id, clock.now())
        raise
