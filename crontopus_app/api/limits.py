"""Limits of requests: body sizes, and rates (counted in Redis; unlimited while it is unavailable)."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network, ip_address

from fastapi import Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crontopus_app.api.problems import answer
from crontopus_app.base import rates
from crontopus_app.base.errors import TooLarge
from crontopus_app.base.rates import Rate, Spent
from crontopus_app.base.settings import is_loopback, settings

BODY_LIMIT = 1 << 20
BATCH_LIMIT = 32 << 20
# Headers that proxies add, trusted or not.
PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")

REGISTER = Rate("register", 10, 3600, "Too many registrations from your address.")
REGISTER_REFUSED = Rate("register-refused", 30, 3600, "Too many attempts from your address.")
ENROLL_FAILED = Rate("enroll-failed", 10, 60, "Too many attempts from your address.")
WRITE_JOBS = Rate("write-jobs", 300, 60)
READ = Rate("read", 600, 60)


def spend(rate: Rate, key: str, response: Response | None = None) -> None:
    """Counts one request of ``key`` and sets the rate headers of ``response``; raises RateLimited above the rate."""
    spent = rates.spend(rate, key)
    if response is not None:
        response.headers.update(headers(rate, spent))


def headers(rate: Rate, spent: Spent | None) -> dict[str, str]:
    """The rate headers of a response; none while Redis is unavailable."""
    if spent is None:
        return {}
    left = max(0, rate.count - spent.used)
    return {
        "X-RateLimit-Limit": str(rate.count),
        "X-RateLimit-Remaining": str(left),
        "X-RateLimit-Reset": str(spent.seconds_left),
    }


def address(request: Request) -> str:
    """The client's address. ``X-Forwarded-For`` is used only from the configured proxies."""
    peer = request.client.host if request.client else ""
    forwarded = request.headers.get("x-forwarded-for")
    if forwarded and peer in settings().trusted_proxies:
        return forwarded.split(",")[-1].strip()
    return peer


def address_block(request: Request) -> str:
    """The address for rate limits: for IPv6 the /64 network, because a subscriber has a whole one."""
    client = address(request)
    try:
        parsed = ip_address(client)
    except ValueError:
        return client
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(IPv6Network((parsed, 64), strict=False).network_address)
    return client


def from_this_machine(request: Request) -> bool:
    """Whether the client is certainly on this machine, not behind a proxy on this machine."""
    peer = request.client.host if request.client else ""
    forwarded = any(name in request.headers for name in PROXY_HEADERS)
    return is_loopback(peer) and is_loopback(request.url.hostname or "") and not forwarded


class BodyLimit:
    """Answers 413 to a body above the limit, declared or streamed, before it is read completely."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self.app(scope, receive, send)
            return
        limit = BATCH_LIMIT if scope["path"].startswith("/api/checkins/batch") else BODY_LIMIT
        error = TooLarge(f"The body is too large: at most {limit} bytes are allowed.")
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > limit:
            await answer(error)(scope, receive, send)
            return
        await self.app(scope, _counted(receive, limit, error), send)


def _counted(receive: Receive, limit: int, error: TooLarge) -> Receive:
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            # FastAPI turns any other exception during the reading of a body into a 400.
            raise HTTPException(error.status, error.message)
        return message

    return counted


class TrailingSlash:
    """Makes paths of the API work with and without a trailing slash, without a redirect."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api/") and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/"), "raw_path": scope.get("raw_path", b"").rstrip(b"/")}
        await self.app(scope, receive, send)
