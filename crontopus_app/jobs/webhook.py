"""Push events: whose they are and whether they are genuine."""

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

# Compared with where no tenant is found, so that the answer takes as long.
NOBODY = "whs_nobody"


def accept(body: bytes, *, signature: str, event: str) -> bool:
    """Asks a worker to index the tenant whose branch moved.

    False for a genuine event that is about something else, and where nobody could be asked: the sweep looks itself.

    ``signature`` is the hex HMAC-SHA256 of the raw body under the tenant's secret. Raises NotAuthenticated where it
    is empty or wrong; an unknown repository is answered the same.
    """
    payload = _payload(body)
    with reading() as session:
        tenant = _tenant(session, payload)
    secret = tenant.webhook_secret if tenant else NOBODY
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    genuine = hmac.compare_digest(expected.encode(), signature.strip().lower().encode("utf-8", "replace"))
    if tenant is None or not signature or not genuine:
        raise NotAuthenticated("The signature is not this repository's.", code="bad_signature")
    if event != "push" or payload.get("ref") != f"refs/heads/{tenant.branch}":
        return False
    note_head(tenant.id, str(payload.get("after")))
    return queue.ring("index_tenant", tenant.id)


def note_head(tenant_id: str, head: str) -> None:
    """From now on the index is known to be behind; the pass that reads the branch corrects what came out of order."""
    if re.fullmatch(r"(?!0+$)[0-9a-f]{40,64}", head):
        with writing() as session:
            session.execute(update(Tenant).where(col(Tenant.id) == tenant_id).values(head=head))


def _payload(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _tenant(session: Session, payload: dict[str, Any]) -> Tenant | None:
    repository = payload.get("repository")
    name = repository.get("full_name") if isinstance(repository, dict) else None
    if not isinstance(name, str) or "\x00" in name:
        return None
    return session.exec(select(Tenant).where(Tenant.repository == name)).first()
