"""The tenant's repository: its state, its commits, reading it again, what one clones and pushes with."""

from __future__ import annotations

from fastapi import APIRouter

from contract import wire
from crontopus_app.api.deps import CurrentActor, Now
from crontopus_app.api.idempotency import IdempotencyKey
from crontopus_app.base.db import reading
from crontopus_app.forge.configured import forge
from crontopus_app.jobs import repository
from crontopus_app.people import git_credentials

router = APIRouter(tags=["repository"])


@router.get("/repository")
def get_repository(actor: CurrentActor) -> repository.Repository:
    """The branch as it is known, what the index shows of it, files that are no jobs. Asks no Git server."""
    with reading() as session:
        return repository.get(session, actor)


@router.get("/repository/commits")
def list_commits(actor: CurrentActor, page: int = 1) -> repository.Log:
    """A page of commits; where the Git server is away, none and the reason."""
    return repository.log(actor, forge(), page)


@router.post("/repository/reindex", status_code=202)
def read_again(actor: CurrentActor) -> dict[str, bool]:
    """Has every file read again. ``accepted`` is false where nobody could be told to."""
    return {"accepted": repository.reindex(actor)}


@router.get("/repository/credentials")
def list_credentials(actor: CurrentActor) -> list[wire.GitCredential]:
    with reading() as session:
        return git_credentials.list_all(session, actor)


@router.post("/repository/credentials", status_code=201)
def create_credential(
    form: wire.GitCredentialRequest, actor: CurrentActor, now: Now, key: IdempotencyKey = ""
) -> wire.GitCredential:
    """User name and password for Git, for this repository; shown only now: sent again, the key is answered 409."""
    return git_credentials.create(actor, form, forge(), now, key=key)


@router.delete("/repository/credentials/{credential_id}", status_code=204)
def revoke_credential(credential_id: str, actor: CurrentActor, now: Now) -> None:
    """Git is refused from now on; 503 where the Git server is away, which then ends it when it is back."""
    git_credentials.revoke(actor, credential_id, forge(), now)
