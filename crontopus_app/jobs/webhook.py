"""Receives push events from the Git server: finds the tenant and verifies the signature."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col, select

from crontopus_app.base import queue
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import NotAuthenticated
from crontopus_app.models import Tenant

# The secret to compare with for an unknown repository, so that the response takes as long.
DUMMY_SECRET = "whs_nobody"  # noqa: S105 -- belongs to no tenant


def accept(body: bytes, *, signature: str, event: str) -> bool:
    """Queues indexing for the tenant whose branch moved.

    Returns False for other events, and if Redis is unavailable (the sweep indexes later).

    ``signature`` is the hex HMAC-SHA256 of the raw body under the tenant's secret. Raises NotAuthenticated if it is
    empty or wrong, and for an unknown repository.
    """
    payload = _payload(body)
    with reading() as session:
        tenant = _tenant(session, payload)
    secret = tenant.webhook_secret if tenant else DUMMY_SECRET
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    genuine = hmac.compare_digest(expected.encode(), signature.strip().lower().encode("utf-8", "replace"))
    if tenant is None or not signature or not genuine:
        raise NotAuthenticated(
            "The webhook's signature is wrong. Check that the webhook uses this repository's secret.",
            code="bad_signature",
        )
    if event != "push" or payload.get("ref") != f"refs/heads/{tenant.branch}":
        return False
    note_head(tenant.id, str(payload.get("after")))
    return queue.ring("index_tenant", tenant.id)


def note_head(tenant_id: str, head: str) -> None:
    """Stores the pushed head, so that the index counts as outdated. Indexing corrects events out of order."""
    if re.fullmatch(r"(?!0+$)[0-9a-f]{40,64}", head):
        with writing() as session:
            session.execute(update(Tenant).where(col(Tenant.id) == tenant_id).values(head=head))


def _payload(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


def _tenant(session: Session, payload: dict[str, Any]) -> Tenant | None:
    repository = payload.get("repository")
    name = repository.get("full_name") if isinstance(repository, dict) else None
    if not isinstance(name, str) or "\x00" in name:
        return None
    return session.exec(select(Tenant).where(Tenant.repository == name)).first()
