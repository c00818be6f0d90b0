"""``crontopus-server repair``: a tenant's repository in the embedded forge mended, without the server's help."""

from __future__ import annotations

from datetime import datetime

from crontopus_app.base.db import reading
from crontopus_app.base.errors import ConfigurationError, NotFound
from crontopus_app.base.settings import settings
from crontopus_app.forge.embedded.forge import repositories_in
from crontopus_app.forge.embedded.repair import repair as repair_repository
from crontopus_app.forge.names import RepositoryName
from crontopus_app.models import Tenant


def repair(tenant_id: str, now: datetime) -> list[str]:
    """What was wrong and what was done, a sentence each. Raises NotFound, ConfigurationError."""
    with reading() as session:
        tenant = session.get(Tenant, tenant_id)
    if tenant is None or tenant.provisioning != "ready":
        raise NotFound(f"There is no tenant {tenant_id!r} with a repository.")
    if not settings().embedded_forge:
        raise ConfigurationError(
            f"The repository {tenant.repository} lies on the Git server {settings().forgejo_url}: mend it there "
            f"(`git fsck`, `forgejo doctor check`), then run `crontopus-server reindex {tenant_id}`."
        )
    owner, name = RepositoryName.of(tenant.repository)
    repositories = repositories_in(settings().home / "forge")  # as programs/asgi.py serves it
    if not repositories.path(owner, name).is_dir():
        raise NotFound(f"The folder {repositories.path(owner, name)} is gone: bring it back from a backup.")
    return repair_repository(repositories, owner, name, tenant.branch, now) or ["The repository is whole."]
