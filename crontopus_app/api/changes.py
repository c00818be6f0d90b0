"""REST: changes and their status."""

from __future__ import annotations

from fastapi import APIRouter

from contract import wire
from crontopus_app.api.deps import CurrentActor
from crontopus_app.base.db import reading
from crontopus_app.jobs import changes

router = APIRouter(tags=["changes"])


@router.get("/changes")
def list_changes(actor: CurrentActor, count: int = 20) -> list[wire.ChangeStatus]:
    with reading() as session:
        return changes.recent(session, actor, min(max(count, 1), 100))


@router.get("/changes/{change_id}")
def get_change(change_id: str, actor: CurrentActor) -> wire.ChangeStatus:
    """The status of a change: pending, done (with commit, and number of endpoints that applied it) or failed."""
    with reading() as session:
        return changes.get(session, actor, change_id)
