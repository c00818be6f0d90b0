"""REST: registration, sign-in, sign-out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool

from contract import wire
from crontopus_app.api import limits
from crontopus_app.api.deps import CurrentActor, Now, headers_of
from crontopus_app.api.idempotency import IdempotencyKey
from crontopus_app.base import rates
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import BadInput, Conflict, CrontopusError, NotAuthenticated
from crontopus_app.base.settings import settings
from crontopus_app.operations import provisioning
from crontopus_app.people import auth, http_auth, sign_in

router = APIRouter(tags=["auth"])

DEVICE = "crontopus_device"


@router.post("/auth/register", status_code=201)
def register(
    form: wire.RegisterRequest, request: Request, response: Response, now: Now, key: IdempotencyKey = ""
) -> wire.Me:
    """Creates a user and their tenant. A task creates the repository; see ``provisioning`` of ``/api/auth/me``."""
    loopback = settings().loopback and limits.from_this_machine(request)
    with _counted_registration(limits.address_block(request), response):
        user = auth.register(form, loopback=loopback, now=now, key=key)
    with reading() as session:
        return auth.me_of(session, user.id)


@contextmanager
def _counted_registration(block: str, response: Response) -> Iterator[None]:
    """Counts a registration; a refused one counts against a separate limit. Raises RateLimited."""
    rates.check(limits.REGISTER_REFUSED, block)
    limits.spend(limits.REGISTER, block, response)
    try:
        yield
    except CrontopusError as error:
        rates.refund(limits.REGISTER, block)
        if isinstance(error, (BadInput, Conflict, NotAuthenticated)):
            rates.spend(limits.REGISTER_REFUSED, block)
        raise


@router.post("/auth/login")
async def login(request: Request, now: Now) -> wire.AccessToken:
    """A token for ``Authorization: Bearer …``, for a form or JSON with username and password."""
    form = await _credentials(request)
    return wire.AccessToken(access_token=await run_in_threadpool(sign_in.sign_in, form, _origin(request), now))


@router.post("/auth/session")
async def open_session(request: Request, response: Response, now: Now) -> wire.Me:
    """Signs a browser in: sets the session cookie, and the device cookie that recognises the browser later."""
    http_auth.check_origin(headers_of(request), settings().public_url)
    form = await _credentials(request)
    token = await run_in_threadpool(sign_in.sign_in, form, _origin(request), now)
    secure, life = settings().secure_cookies, int(auth.COOKIE_LIFE.total_seconds())
    response.set_cookie(http_auth.COOKIE, token, max_age=life, httponly=True, samesite="lax", secure=secure, path="/")
    me = await run_in_threadpool(_me_of_token, token, now)
    device = request.cookies.get(DEVICE, "")
    if not sign_in.is_device_of(me.username, device):
        device = sign_in.new_device(me.username)
    response.set_cookie(DEVICE, device, max_age=life, httponly=True, samesite="lax", secure=secure, path="/api/auth")
    return me


@router.post("/auth/logout", status_code=204)
def logout(request: Request, response: Response) -> None:
    """Ends the session of the request's cookie or token."""
    http_auth.check_origin(headers_of(request), settings().public_url)
    with writing() as session:
        auth.logout(session, http_auth.token_of(headers_of(request)))
    response.delete_cookie(http_auth.COOKIE, path="/")


@router.get("/auth/me")
def me(actor: CurrentActor) -> wire.Me:
    with reading() as session:
        return auth.me(session, actor)


@router.post("/tenant/provision", status_code=202)
def provision(actor: CurrentActor, now: Now) -> wire.Me:
    """Retries the creation of the tenant's repository."""
    with writing() as session:
        provisioning.retry(session, actor, now)
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
        raise BadInput("Send username and password as a form or as JSON.") from error


def _origin(request: Request) -> sign_in.Origin:
    address, block = limits.address(request), limits.address_block(request)
    return sign_in.Origin(address, block, request.cookies.get(DEVICE, ""), request.headers.get("user-agent", ""))


def _me_of_token(token: str, now: Now) -> wire.Me:
    with reading() as session:
        return auth.me(session, auth.actor_of(session, token, now=now))
