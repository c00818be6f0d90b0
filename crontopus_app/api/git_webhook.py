"""REST: push events of the Git server."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request

from crontopus_app.jobs import webhook

router = APIRouter(tags=["git"])


async def raw_body(request: Request) -> bytes:
    return await request.body()


@router.post("/git/webhook", status_code=202)
def push(
    body: Annotated[bytes, Depends(raw_body)],
    x_forgejo_signature: Annotated[str, Header()] = "",
    x_forgejo_event: Annotated[str, Header()] = "",
) -> dict[str, bool]:
    """A push event of Forgejo, signed with the tenant's secret over the raw body."""
    return {"accepted": webhook.accept(body, signature=x_forgejo_signature, event=x_forgejo_event)}
