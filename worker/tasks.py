"""What the workers do: ids in, nothing out, and doing it twice is doing it once.

Rows say what is to be done; a forge that is away leaves them as they are, and the sweep comes back to them.
"""

from __future__ import annotations

import logging

from crontopus_app.base import clock
from crontopus_app.base.errors import CrontopusError
from crontopus_app.forge.configured import forge
from crontopus_app.jobs import commit
from crontopus_app.jobs.index import describe_commits, index, reindex
from crontopus_app.operations import provisioning, tenant_deletion
from crontopus_app.people import git_credentials

log = logging.getLogger(__name__)


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
    """Commits all pending changes of the tenant."""
    commit.commit_changes(tenant_id, forge(), clock.now)


def index_tenant(tenant_id: str) -> None:
    """Brings the tenant's index up to its branch's head."""
    try:
        index(tenant_id, forge(), clock.now())
        while describe_commits(tenant_id, forge()):
            log.debug("reading the history of %s", tenant_id)
    except CrontopusError as error:
        log.warning("the index of %s stays as it is for now: %s", tenant_id, error)


def reindex_tenant(tenant_id: str) -> None:
    """Rebuilds the tenant's index from Git alone; why it could not is then told with the index."""
    try:
        reindex(tenant_id, forge(), clock.now())
    except CrontopusError as error:
        log.warning("the index of %s stays as it is for now: %s", tenant_id, error)
