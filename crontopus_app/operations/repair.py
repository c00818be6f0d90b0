"""Repairs a tenant's repository in the embedded forge, for ``crontopus-server repair``. Works without the server."""

from __future__ import annotations

from datetime import datetime

from crontopus_app.base.db import reading
from crontopus_app.base.errors import ConfigurationError, NotFound
from crontopus_app.base.settings import settings
from crontopus_app.forge.embedded import repair as embedded
from crontopus_app.forge.embedded.forge import repositories_in
from crontopus_app.forge.names import RepositoryName
from crontopus_app.models import Tenant


def repair(tenant_id: str, now: datetime) -> list[str]:
    """Returns a sentence for each problem and its repair. Raises NotFound, ConfigurationError."""
    with reading() as session:
        tenant = session.get(Tenant, tenant_id)
    if tenant is None or tenant.provisioning != "ready":
        raise NotFound(f"No tenant {tenant_id!r} with a repository.")
    if not settings().embedded_forge:
        raise ConfigurationError(
            f"The repository {tenant.repository} is on the Git server {settings().forgejo_url}. Repair it there "
            f"(git fsck, forgejo doctor check), then run: crontopus-server reindex {tenant_id}"
        )
    owner, name = RepositoryName.of(tenant.repository)
    repositories = repositories_in(settings().forge_home)
    if not repositories.path(owner, name).is_dir():
        raise NotFound(f"The folder {repositories.path(owner, name)} is missing. Restore it from a backup.")
    return embedded.repair(repositories, owner, name, tenant.branch, now) or ["The repository is intact."]
