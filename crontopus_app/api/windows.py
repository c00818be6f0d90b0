"""REST: silences and maintenance, which are entries of crontopus.yaml."""

from __future__ import annotations

from fastapi import APIRouter, Response

from contract.wire import ChangeStatus
from contract.wire_alerts import Window, WindowRequest
from crontopus_app.api.deps import CurrentActor, Now
from crontopus_app.api.idempotency import IdempotencyKey
from crontopus_app.base.db import reading
from crontopus_app.jobs import changes, windows

router = APIRouter(tags=["silences"])


@router.get("/silences")
def list_silences(actor: CurrentActor, now: Now) -> list[Window]:
    """Periods in which no messages are sent."""
    with reading() as session:
        return windows.list_all(session, actor, "silence", now)


@router.post("/silences", status_code=201)
def add_silence(
    form: WindowRequest, actor: CurrentActor, now: Now, response: Response, key: IdempotencyKey = ""
) -> ChangeStatus:
    """Commits a silence. 202 while the commit is pending."""
    return _answer(changes.save(windows.add, actor, "silence", form, now, key=key), response)


@router.delete("/silences/{window_id}")
def end_silence(window_id: str, actor: CurrentActor, now: Now, response: Response) -> ChangeStatus:
    """Removes it from crontopus.yaml. 202 while the commit is pending."""
    return _answer(changes.save(windows.end, actor, "silence", window_id, now), response)


@router.get("/maintenance")
def list_maintenance(actor: CurrentActor, now: Now) -> list[Window]:
    """Periods in which nothing that begins is a problem."""
    with reading() as session:
        return windows.list_all(session, actor, "maintenance", now)


@router.post("/maintenance", status_code=201)
def add_maintenance(
    form: WindowRequest, actor: CurrentActor, now: Now, response: Response, key: IdempotencyKey = ""
) -> ChangeStatus:
    """Commits a maintenance. 202 while the commit is pending."""
    return _answer(changes.save(windows.add, actor, "maintenance", form, now, key=key), response)


@router.delete("/maintenance/{window_id}")
def end_maintenance(window_id: str, actor: CurrentActor, now: Now, response: Response) -> ChangeStatus:
    """Removes it from crontopus.yaml. 202 while the commit is pending."""
    return _answer(changes.save(windows.end, actor, "maintenance", window_id, now), response)


def _answer(change: ChangeStatus, response: Response) -> ChangeStatus:
    """The change; 202 and a Location while it is pending."""
    if change.state == "pending":
        response.status_code = 202
        response.headers["Location"] = f"/api/changes/{change.id}"
    return change
