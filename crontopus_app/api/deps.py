"""What endpoints of the API ask for: the actor, the endpoint, the time, the address."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response
from fastapi.security.utils import get_authorization_scheme_param

from crontopus_app import clock
from crontopus_app.api import limits
from crontopus_app.db import reading, writing
from crontopus_app.errors import Forbidden, NotAuthenticated
from crontopus_app.models import Endpoint
from crontopus_app.services import auth, reports
from crontopus_app.services.actor import Actor
from crontopus_app.settings import settings

COOKIE = "crontopus_session"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

Now = Annotated[datetime, Depends(clock.now)]


def bearer(request: Request) -> str:
    """The token of the Authorization header, or an empty string."""
    return _token(request.headers.get("authorization", ""))


def _token(authorization: str) -> str:
    scheme, token = get_authorization_scheme_param(authorization)
    return token if scheme.lower() in {"bearer", "token"} else ""


def endpoint_token(authorization: str) -> str:
    """The token in the header's value; raises NotAuthenticated where there is none."""
    token = _token(authorization)
    if not token:
        raise NotAuthenticated("Send the endpoint's token as `Authorization: Bearer ep_…`.")
    return token


def current_actor(request: Request, response: Response, now: Now) -> Actor:
    """Who asks: the bearer token, else the console's cookie (whose writes must come from our own pages)."""
    token = bearer(request)
    if not token:
        token = request.cookies.get(COOKIE, "")
        check_origin(request)
    with reading() as session:
        actor = auth.actor_of(session, token, now=now)
        stale = auth.is_stale(session, actor, now)
    if stale:
        with writing() as session:
            auth.touch(session, actor, now)
    limits.spend(limits.READ, actor.user_id, response)
    return actor


def check_origin(request: Request) -> None:
    """Raises Forbidden for a request that changes something with our cookie and comes from another site's page."""
    origin = request.headers.get("origin")
    if request.method in SAFE or not origin:
        if request.method not in SAFE and request.headers.get("sec-fetch-site", "same-origin") == "cross-site":
            raise Forbidden("This request came from another site.", code="foreign_origin")
        return
    own = {urlsplit(settings().public_url).netloc, request.headers.get("host", "")}
    if urlsplit(origin).netloc not in own - {""}:
        raise Forbidden("This request came from another site.", code="foreign_origin")


def current_endpoint(request: Request) -> Endpoint:
    """The endpoint whose ``ep_…`` token the request carries."""
    token = endpoint_token(request.headers.get("authorization", ""))
    with reading() as session:
        return reports.of_token(session, token)


CurrentActor = Annotated[Actor, Depends(current_actor)]
CurrentEndpoint = Annotated[Endpoint, Depends(current_endpoint)]


def job_writer(actor: CurrentActor, response: Response) -> Actor:
    """An actor who writes jobs, within their rate."""
    limits.spend(limits.WRITE_JOBS, actor.user_id, response)
    return actor


JobWriter = Annotated[Actor, Depends(job_writer)]
