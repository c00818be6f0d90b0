"""Reads a tenant's policy file ``crontopus.yaml``. While it is invalid, the last valid version applies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlmodel import Session

from contract import policy
from contract.jobs_in_tree import MAX_BYTES
from contract.policy import Policy
from crontopus_app.forge.client import Forgejo, TreeEntry
from crontopus_app.forge.names import RepositoryName
from crontopus_app.models import Tenant

PATH = "crontopus.yaml"


@dataclass(frozen=True)
class TenantPolicy:
    """``sha`` is the last blob read, ``text`` the content that applies, ``error`` why the blob is not applied."""

    sha: str
    text: bytes
    error: str = ""

    @property
    def decoded(self) -> Policy:
        return policy.in_force(self.text)


def read(forge: Forgejo, repository: str, tree: Iterable[TreeEntry], text: bytes) -> TenantPolicy:
    """The policy of a branch. ``text`` is the current content, which an invalid file does not replace."""
    entry = next((entry for entry in tree if entry.path == PATH), None)
    if entry is None:
        return TenantPolicy("", b"")
    if entry.size > MAX_BYTES:
        error = f"{PATH} is larger than {MAX_BYTES // 1024} KiB; the last valid version applies."
        return TenantPolicy(entry.sha, text, error)
    org, name = RepositoryName.of(repository)
    content = forge.blobs(org, name, [entry.sha])[entry.sha]
    errors = policy.decode(content).errors
    if errors:
        listed = "; ".join(str(error) for error in errors[:3])
        return TenantPolicy(entry.sha, text, f"{listed} (the last valid version applies)")
    return TenantPolicy(entry.sha, content)


def of_tenant(session: Session, tenant_id: str) -> Policy:
    """The policy that applies to a tenant's jobs."""
    tenant = session.get(Tenant, tenant_id)
    return TenantPolicy("", tenant.policy).decoded if tenant else Policy()
