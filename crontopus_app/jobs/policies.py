"""A tenant's ``crontopus.yaml`` as the index knows it: the last good one stays in force."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlmodel import Session

from contract import policy as contract
from contract.jobs_in_tree import MAX_BYTES
from contract.policy import Policy
from crontopus_app.forge.client import Forgejo, TreeEntry
from crontopus_app.forge.names import RepositoryName
from crontopus_app.models import Tenant

PATH = "crontopus.yaml"


@dataclass(frozen=True)
class TenantPolicy:
    """The blob that was looked at, the text in force, and what is wrong with the blob where that is another."""

    sha: str
    text: bytes
    error: str = ""

    @property
    def decoded(self) -> Policy:
        return contract.decode(self.text).policy or Policy()


def look(forge: Forgejo, repository: str, tree: Iterable[TreeEntry], text: bytes) -> TenantPolicy:
    """The policy of a branch, given the text in force so far; a broken one leaves that in force."""
    entry = next((entry for entry in tree if entry.path == PATH), None)
    if entry is None:
        return TenantPolicy("", b"")
    if entry.size > MAX_BYTES:
        return TenantPolicy(entry.sha, text, f"{PATH} is larger than {MAX_BYTES // 1024} KiB: the last good one stays.")
    org, name = RepositoryName.of(repository)
    found = forge.blobs(org, name, [entry.sha])[entry.sha]
    errors = contract.decode(found).errors
    if errors:
        told = "; ".join(str(error) for error in errors[:3])
        return TenantPolicy(entry.sha, text, f"{told} (the last good policy stays in force)")
    return TenantPolicy(entry.sha, found)


def of_tenant(session: Session, tenant_id: str) -> Policy:
    """The policy in force for a tenant's jobs."""
    tenant = session.get(Tenant, tenant_id)
    return TenantPolicy("", tenant.policy).decoded if tenant else Policy()
