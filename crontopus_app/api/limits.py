"""How much and how often: body sizes, and rates kept in Redis (which, away, limits nothing)."""

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
# What proxies add to a request, whether or not we believe it.
PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")

REGISTER = Rate("register", 10, 3600, "Too many registrations from your address.")
REGISTER_REFUSED = Rate("register-refused", 30, 3600, "Too many attempts from your address.")
ENROLL_FAILED = Rate("enroll-failed", 10, 60, "Too many attempts from your address.")
WRITE_JOBS = Rate("write-jobs", 300, 60)
READ = Rate("read", 600, 60)


def spend(rate: Rate, key: str, response: Response | None = None) -> None:
    """Counts one request of ``key`` and says in ``response`` how many are left; raises RateLimited past the rate."""
    spent = rates.spend(rate, key)
    if response is not None:
        response.headers.update(headers(rate, spent))


def headers(rate: Rate, spent: Spent | None) -> dict[str, str]:
    """How much of a rate is left, in the headers of an answer; none where Redis is away."""
    if spent is None:
        return {}
    left = max(0, rate.count - spent.used)
    return {
        "X-RateLimit-Limit": str(rate.count),
        "X-RateLimit-Remaining": str(left),
        "X-RateLimit-Reset": str(spent.seconds_left),
    }


def address(request: Request) -> str:
    """The caller's address; ``X-Forwarded-For`` counts only from the configured proxies."""
    peer = request.client.host if request.client else ""
    forwarded = request.headers.get("x-forwarded-for")
    if forwarded and peer in settings().trusted_proxies:
        return forwarded.split(",")[-1].strip()
    return peer


def address_block(request: Request) -> str:
    """What rates count as one address: of IPv6 the /64, which one subscriber has whole."""
    found = address(request)
    try:
        parsed = ip_address(found)
    except ValueError:
        return found
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(IPv6Network((parsed, 64), strict=False).network_address)
    return found


def from_this_machine(request: Request) -> bool:
    """Whether the caller is on this machine for certain: a proxy on it passes on what comes from anywhere."""
    peer = request.client.host if request.client else ""
    forwarded = any(name in request.headers for name in PROXY_HEADERS)
    return is_loopback(peer) and is_loopback(request.url.hostname or "") and not forwarded


class BodyLimit:
    """Answers 413 to a body above the limit, declared or streamed, before anything reads it whole."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self.app(scope, receive, send)
            return
        limit = BATCH_LIMIT if scope["path"].startswith("/api/checkins/batch") else BODY_LIMIT
        error = TooLarge(f"The body is larger than {limit} bytes.")
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > limit:
            await answer(error)(scope, receive, send)
            return
        await self.app(scope, _counted(receive, limit, error), send)


def _counted(receive: Receive, limit: int, error: TooLarge) -> Receive:
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            # FastAPI makes a 400 of any other exception that ends the reading of a body.
            raise HTTPException(error.status, error.message)
        return message

    return counted


class TrailingSlash:
    """A path of the API works with and without its trailing slash, without a redirect."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api/") and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/"), "raw_path": scope.get("raw_path", b"").rstrip(b"/")}
        await self.app(scope, receive, send)
