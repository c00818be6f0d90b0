"""Jobs without an agent: their source of check-ins are the tenant's pings. Pure."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from typing import Any

# The namespace of the ids of tenants' pings.
_PINGS = uuid.UUID("6f0e1d52-8f0b-4b0e-9d9f-3c5f7a2c9f10")


def pings_of(tenant_id: str) -> str:
    """The id of the tenant's pings as a source: always the same, and no secret."""
    return str(uuid.uuid5(_PINGS, tenant_id))


def new_ping_id() -> str:
    """The id in a job's ping URL. Whoever knows it may report runs of the job."""
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))


def has_no_agent(manifest: Mapping[str, Any] | None) -> bool:
    """Whether the job of a valid manifest runs on no host: ``agent: {endpoints: []}`` without a selector."""
    agent = (manifest or {}).get("agent") or {}
    return agent.get("endpoints") == [] and not agent.get("selector")
