"""REST: the tenant's repository: state, commits, re-indexing, Git credentials."""

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
    """The state of the branch and the index, and invalid files. Does not ask the Git server."""
    with reading() as session:
        return repository.get(session, actor)


@router.get("/repository/commits")
def list_commits(actor: CurrentActor, page: int = 1) -> repository.Log:
    """A page of commits; none, with the reason, if the Git server does not respond."""
    return repository.log(actor, forge(), page)


@router.post("/repository/reindex", status_code=202)
def reindex(actor: CurrentActor) -> dict[str, bool]:
    """Queues a rebuild of the index. ``accepted`` is false if the queue is unavailable."""
    return {"accepted": repository.reindex(actor)}


@router.get("/repository/credentials")
def list_credentials(actor: CurrentActor) -> list[wire.GitCredential]:
    with reading() as session:
        return git_credentials.list_all(session, actor)


@router.post("/repository/credentials", status_code=201)
def create_credential(
    form: wire.GitCredentialRequest, actor: CurrentActor, now: Now, key: IdempotencyKey = ""
) -> wire.GitCredential:
    """Creates a user name and token for Git. The token is shown only once, so a repeated key is answered with 409."""
    return git_credentials.create(actor, form, forge(), now, key=key)


@router.delete("/repository/credentials/{credential_id}", status_code=204)
def revoke_credential(credential_id: str, actor: CurrentActor, now: Now) -> None:
    """Revokes the credential at once; 503 if the Git server does not respond: then it is revoked later."""
    git_credentials.revoke(actor, credential_id, forge(), now)
