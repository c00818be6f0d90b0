"""The forge accounts of a tenant, by name."""

from __future__ import annotations

import hashlib


def bot_name(tenant_id: str) -> str:
    """The forge account by which this tenant's agents read."""
    return account_name("agent", tenant_id)


def account_name(role: str, tenant_id: str) -> str:
    """A forge account of this tenant's; short, for a forge's names are."""
    return f"crontopus-{role}-{hashlib.sha256(tenant_id.encode()).hexdigest()[:12]}"
