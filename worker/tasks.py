"""What the workers do: ids in, nothing out, and doing it twice is doing it once.

Rows say what is to be done; a forge that is away leaves them as they are, and the sweep comes back to them. A task
works for a slice of time and rings for the rest, behind what others wait for.
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
    """Makes the tenant's repository and what belongs to it."""
    provisioning.provision(tenant_id, forge(), clock.now())


def delete_tenant(tenant_id: str) -> None:
    """Removes what a deleted account has left: its repository and its rows."""
    tenant_deletion.finish(tenant_id, forge(), clock.now())


def settle_git_access(tenant_id: str) -> None:
    """Ends credentials and rights on the Git server that it was not told about yet, and gives rights back."""
    try:
        git_credentials.settle(tenant_id, forge(), clock.now())
    except CrontopusError as error:
        log.warning("the Git credentials of %s are settled later: %s", tenant_id, error)


def commit_changes(tenant_id: str) -> None:
    """Commits the pending changes of the tenant. A repository that failed is left to ``retry_changes``."""
    if backoff.is_failing(tenant_id):
        queue.ring("retry_changes", tenant_id)
    else:
        retry_changes(tenant_id)


def retry_changes(tenant_id: str) -> None:
    """Commits the pending changes of the tenant, in the queue where nobody waits for it to answer."""
    with _noting_failure(tenant_id):
        if commit.commit_changes(tenant_id, forge(), clock.now, SLICE_S):
            queue.ring("commit_changes", tenant_id)


def index_tenant(tenant_id: str) -> None:
    """Brings the tenant's index up to its branch's head."""
    with _noting_failure(tenant_id):
        index(tenant_id, forge(), clock.now())
        _read_history(tenant_id)


def reindex_tenant(tenant_id: str) -> None:
    """Rebuilds the tenant's index from Git alone; why it could not is then told with the index."""
    with _noting_failure(tenant_id):
        index(tenant_id, forge(), clock.now(), force=True)
        _read_history(tenant_id)


def read_history(tenant_id: str, seconds: float = SLICE_S) -> None:
    """Looks up the commits of the tenant's files."""
    with _noting_failure(tenant_id):
        _read_history(tenant_id, seconds)


def _read_history(tenant_id: str, seconds: float = SLICE_S) -> None:
    if find_commits(tenant_id, forge(), seconds):
        queue.ring("read_history", tenant_id)


@contextmanager
def _noting_failure(tenant_id: str) -> Iterator[None]:
    """A repository that fails while the Git server is well is tried again later and later."""
    try:
        yield
    except CrontopusError as error:
        log.warning("the repository of %s is read later: %s", tenant_id, error)
        database_away = isinstance(error, Unavailable) and error.part == "database"
        if not database_away and forge().healthy():
            backoff.failed(tenant_id, clock.now())
    except Exception:
        backoff.failed(tenant_id, clock.now())
        raise
