"""FastAPI dependencies: the actor, the endpoint, the time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request, Response

from crontopus_app.api import limits
from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading
from crontopus_app.base.settings import settings
from crontopus_app.hosts import agent_api
from crontopus_app.models import Endpoint
from crontopus_app.people import http_auth

Now = Annotated[datetime, Depends(clock.now)]


def headers_of(request: Request) -> dict[str, str]:
    """The request's headers by lower-case name; several Cookie headers are joined."""
    return {**request.headers, "cookie": "; ".join(request.headers.getlist("cookie"))}


def current_actor(request: Request, response: Response, now: Now) -> Actor:
    """The actor of the bearer token, or else of the session cookie (whose writes must come from the console)."""
    changes, public_url = request.method not in http_auth.SAFE, settings().public_url
    actor = http_auth.authenticate(headers_of(request), now, changes=changes, public_url=public_url)
    limits.spend(limits.READ, actor.user_id, response)
    return actor


def current_endpoint(request: Request) -> Endpoint:
    """The endpoint of the request's ``ep_…`` token."""
    token = http_auth.endpoint_token(request.headers.get("authorization", ""))
    with reading() as session:
        return agent_api.of_token(session, token)


CurrentActor = Annotated[Actor, Depends(current_actor)]
CurrentEndpoint = Annotated[Endpoint, Depends(current_endpoint)]


def job_writer(actor: CurrentActor, response: Response) -> Actor:
    """The actor, after counting the request against the rate of job edits."""
    limits.spend(limits.WRITE_JOBS, actor.user_id, response)
    return actor


JobWriter = Annotated[Actor, Depends(job_writer)]
