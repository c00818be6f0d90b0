"""The forge for tests of services, and a user whose repository is made."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from crontopus_app import clock
from crontopus_app.git.forgejo import Forgejo
from crontopus_app.services import tenants
from crontopus_app.services.actor import Actor
from tests.cast import join
from tests.fixtures.forge_server import forge, forge_server, tenant_name
from tests.fixtures.repositories import Repo

__all__ = ["forge", "forge_server", "tenant_name"]


def provisioned(name: str, forge: Forgejo) -> Actor:
    actor = join(name).actor
    tenants.provision(actor.tenant_id, forge, clock.now())
    return actor


@pytest.fixture
def alice(db: Engine, redis_url: str, forge: Forgejo, tenant_name: str) -> Actor:
    """On both databases."""
    return provisioned(tenant_name, forge)


@pytest.fixture
def anna(sqlite_db: Engine, redis_url: str, forge: Forgejo, tenant_name: str) -> Actor:
    """As alice, on SQLite only."""
    return provisioned(tenant_name, forge)


@pytest.fixture
def repo(forge: Forgejo, tenant_name: str) -> Repo:
    """The repository of alice or anna."""
    return Repo(forge, "crontopus", f"job-manifests-{tenant_name}")
