"""Registering, signing in and out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool

from contract import wire
from crontopus_app.api import limits
from crontopus_app.api.deps import COOKIE, CurrentActor, Now, bearer, check_origin
from crontopus_app.db import reading, writing
from crontopus_app.errors import BadInput
from crontopus_app.live import publish
from crontopus_app.services import auth, tenants
from crontopus_app.settings import settings

router = APIRouter(tags=["auth"])


@router.post("/auth/register", status_code=201)
def register(form: wire.RegisterRequest, request: Request, now: Now) -> wire.Me:
    """A new user and their tenant; a task makes the repository (see ``provisioning`` of ``/api/auth/me``)."""
    limits.spend(limits.REGISTER, limits.address(request))
    loopback = settings().loopback and limits.from_this_machine(request)
    with writing() as session:
        user = auth.register(session, form, loopback=loopback, now=now)
    auth.provision_soon(user.tenant_id)
    with reading() as session:
        return auth.me_of(session, user.id)


@router.post("/auth/login")
async def login(request: Request, now: Now) -> wire.AccessToken:
    """A token for ``Authorization: Bearer …``; takes a form or JSON with username and password."""
    form = await _credentials(request)
    return wire.AccessToken(access_token=await run_in_threadpool(_open, form, request, now))


@router.post("/auth/session")
async def open_session(request: Request, response: Response, now: Now) -> wire.Me:
    """Signs a browser in: sets the console's cookie."""
    check_origin(request)
    token = await run_in_threadpool(_open, await _credentials(request), request, now)
    secure, life = settings().secure_cookies, int(auth.COOKIE_LIFE.total_seconds())
    response.set_cookie(COOKIE, token, max_age=life, httponly=True, samesite="lax", secure=secure, path="/")
    return await run_in_threadpool(_me_of_token, token, now)


@router.post("/auth/logout", status_code=204)
def logout(request: Request, response: Response) -> None:
    """Ends the session whose cookie or token the request carries."""
    check_origin(request)
    with writing() as session:
        ended = auth.logout(session, bearer(request) or request.cookies.get(COOKIE, ""))
    if ended:
        publish(ended)
    response.delete_cookie(COOKIE, path="/")


@router.get("/auth/me")
def me(actor: CurrentActor) -> wire.Me:
    with reading() as session:
        return auth.me(session, actor)


@router.post("/tenant/provision", status_code=202)
def provision(actor: CurrentActor, now: Now) -> wire.Me:
    """Tries again to make the tenant's repository, from the step that failed."""
    with writing() as session:
        tenants.retry(session, actor, now)
    auth.provision_soon(actor.tenant_id)
    with reading() as session:
        return auth.me(session, actor)


async def _credentials(request: Request) -> wire.LoginRequest:
    if request.headers.get("content-type", "").startswith("application/json"):
        raw: object = await request.body()
        check = TypeAdapter(wire.LoginRequest).validate_json
    else:
        raw = {key: value for key, value in (await request.form()).items() if key in {"username", "password"}}
        check = TypeAdapter(wire.LoginRequest).validate_python
    try:
        return check(raw)  # pyright: ignore[reportArgumentType] -- each check gets the raw form it reads
    except ValidationError as error:
        raise BadInput("Send username and password, as a form or as JSON.") from error


def _open(form: wire.LoginRequest, request: Request, now: Now) -> str:
    limits.spend(limits.LOGIN, limits.address(request))
    limits.spend(limits.LOGIN, f"account:{form.username.strip().lower()}")
    with reading() as session:
        user = auth.check_login(session, form.username, form.password)
    with writing() as session:
        agent, address = request.headers.get("user-agent", ""), limits.address(request)
        return auth.open_session(session, user, user_agent=agent, address=address, now=now)


def _me_of_token(token: str, now: Now) -> wire.Me:
    with reading() as session:
        return auth.me(session, auth.actor_of(session, token, now=now))
