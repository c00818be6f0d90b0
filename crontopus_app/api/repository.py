"""The tenant's repository: its state, its commits, reading it again."""

from __future__ import annotations

from fastapi import APIRouter

from crontopus_app import queue
from crontopus_app.api.deps import CurrentActor
from crontopus_app.db import reading
from crontopus_app.git.forge import forge
from crontopus_app.services import repositories

router = APIRouter(tags=["repository"])


@router.get("/repository")
def get_repository(actor: CurrentActor) -> repositories.Repository:
    """The branch as it is known, what the index shows of it, files that are no jobs. Asks no Git server."""
    with reading() as session:
        return repositories.get(session, actor)


@router.get("/repository/commits")
def list_commits(actor: CurrentActor, page: int = 1) -> repositories.Log:
    """A page of commits; where the Git server is away, none and the reason."""
    with reading() as session:
        return repositories.log(forge(), session, actor, page)


@router.post("/repository/reindex", status_code=202)
def read_again(actor: CurrentActor) -> dict[str, bool]:
    """Has every file read again. ``accepted`` is false where nobody could be told to."""
    with reading() as session:
        tenant_id = repositories.may_read_again(session, actor)
    return {"accepted": queue.ring("reindex_tenant", tenant_id)}
