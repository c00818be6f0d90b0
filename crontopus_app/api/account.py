"""REST: the user's own account: profile, password, sessions, export, deletion."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from contract import wire
from crontopus_app.api.deps import CurrentActor, Now
from crontopus_app.base.db import reading
from crontopus_app.forge.configured import forge
from crontopus_app.operations import tenant_deletion
from crontopus_app.people import accounts, http_auth
from crontopus_app.queries.export import export

router = APIRouter(tags=["account"])


@router.patch("/auth/me")
def update_me(form: wire.AccountUpdate, actor: CurrentActor, now: Now) -> wire.Me:
    """Sets the time zone (empty: the browser's), the report by mail, and the e-mail address (requires the password)."""
    return accounts.update_account(actor, form, now)


@router.post("/auth/password")
def change_password(form: wire.PasswordChange, actor: CurrentActor, now: Now) -> wire.EndedSessions:
    """Sets a new password and ends every other session of the user."""
    return wire.EndedSessions(accounts.change_password(actor, form, now))


@router.get("/auth/sessions")
def list_sessions(actor: CurrentActor, now: Now) -> list[wire.SessionInfo]:
    """The user's sessions, the current one first."""
    with reading() as session:
        return accounts.list_sessions(session, actor, now)


@router.delete("/auth/sessions")
def end_other_sessions(actor: CurrentActor, now: Now) -> wire.EndedSessions:
    """Ends all sessions of the user except the current one."""
    return wire.EndedSessions(accounts.end_other_sessions(actor, now))


@router.delete("/auth/sessions/{session_id}", status_code=204)
def end_session(session_id: str, actor: CurrentActor, now: Now) -> None:
    accounts.end_session(actor, session_id, now)


@router.get("/auth/delete")
def preview_deletion(actor: CurrentActor) -> wire.Leaving:
    """What the deletion of the account would remove."""
    with reading() as session:
        return tenant_deletion.preview(session, actor)


@router.post("/auth/delete", status_code=202)
def delete_account(form: wire.AccountDeletion, actor: CurrentActor, now: Now, response: Response) -> wire.Leaving:
    """Deletes the account and its tenant: sessions and tokens end at once; a worker removes the data."""
    removed = tenant_deletion.delete_account(actor, form, now)
    response.delete_cookie(http_auth.COOKIE, path="/")
    return removed


@router.get("/export", response_class=StreamingResponse)
def download_export(actor: CurrentActor, now: Now) -> Response:
    """All data of the tenant as a ZIP: the repository with its history, runs, endpoints, crontabs, audit log."""
    name = f"crontopus-{actor.tenant_id}-{now:%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(export(actor, forge(), now), media_type="application/zip", headers=headers)
