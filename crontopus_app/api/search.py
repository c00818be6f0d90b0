"""REST: search, as used by the console's search box."""

from __future__ import annotations

from fastapi import APIRouter

from crontopus_app.api.deps import CurrentActor, Now
from crontopus_app.base.db import reading
from crontopus_app.queries import search

router = APIRouter(tags=["search"])


@router.get("/search")
def find(actor: CurrentActor, now: Now, q: str = "", few: int = search.FEW) -> search.Found:
    """Jobs, runs, endpoints and commits; omits kinds that the token may not read."""
    with reading() as session:
        return search.find(session, actor, q, now, few)
