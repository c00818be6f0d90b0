"""Names on the Git server: a tenant's accounts and its repository."""

from __future__ import annotations

import hashlib
from typing import NamedTuple


def bot_name(tenant_id: str) -> str:
    """The forge account by which this tenant's agents read."""
    return account_name("agent", tenant_id)


def account_name(role: str, tenant_id: str) -> str:
    """A forge account of this tenant's; short, for a forge's names are."""
    return f"crontopus-{role}-{hashlib.sha256(tenant_id.encode()).hexdigest()[:12]}"


class RepositoryName(NamedTuple):
    """A repository's owner and its name there; as text ``owner/name``."""

    owner: str
    name: str

    @classmethod
    def of(cls, full_name: str) -> RepositoryName:
        """Raises ValueError unless the text is ``owner/name``."""
        owner, name = full_name.split("/")
        return cls(owner, name)

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"
