"""Names of a tenant's accounts and repository on the Git server."""

from __future__ import annotations

import hashlib
from typing import NamedTuple


def bot_name(tenant_id: str) -> str:
    """The forge account with which the tenant's agents read."""
    return account_name("agent", tenant_id)


def account_name(role: str, tenant_id: str) -> str:
    """The tenant's forge account for a role. A hash, because forges limit the length of names."""
    return f"crontopus-{role}-{hashlib.sha256(tenant_id.encode()).hexdigest()[:12]}"


class RepositoryName(NamedTuple):
    """A repository's owner and name; as text ``owner/name``."""

    owner: str
    name: str

    @classmethod
    def of(cls, full_name: str) -> RepositoryName:
        """Raises ValueError unless the text is ``owner/name``."""
        owner, name = full_name.split("/")
        return cls(owner, name)

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"
