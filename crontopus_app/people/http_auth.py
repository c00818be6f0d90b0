"""Authenticates HTTP requests and websockets. The only place that reads the session cookie and bearer tokens.

Used by the API, the console and the RQ dashboard, with request headers only (names in lower case).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import Forbidden, NotAuthenticated
from crontopus_app.people import auth

COOKIE = "crontopus_session"
# Safe methods: RFC 9110, section 9.2.1.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_SCHEMES = frozenset({"bearer", "token"})


def authenticate(
    headers: Mapping[str, str], now: datetime, *, changes: bool, public_url: str, needs_origin: bool = False
) -> Actor:
    """The actor of the bearer token, or else of the session cookie. Updates the credential's last use.

    A request that ``changes`` something with the cookie must come from the console: see ``check_origin``.
    Raises NotAuthenticated, Forbidden.
    """
    if changes and not bearer(headers.get("authorization", "")):
        check_origin(headers, public_url, needed=needs_origin)
    return use(token_of(headers), now)


def token_of(headers: Mapping[str, str]) -> str:
    """The bearer token, or else the session cookie's, or else an empty string."""
    return bearer(headers.get("authorization", "")) or session_cookie(headers.get("cookie", ""))


def bearer(authorization: str) -> str:
    """The token in the value of an Authorization header, or an empty string."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() in _SCHEMES else ""


def endpoint_token(authorization: str) -> str:
    """The token in an agent's Authorization header; raises NotAuthenticated without one."""
    token = bearer(authorization)
    if not token:
        raise NotAuthenticated("Send the endpoint's token in the header Authorization: Bearer ep_…")
    return token


def session_cookie(cookies: str) -> str:
    """The session token in a Cookie header, or an empty string. Ignores other cookies, even malformed ones."""
    for cookie in cookies.split(";"):
        name, _, value = cookie.partition("=")
        if name.strip() == COOKIE:
            return value.strip().strip('"')
    return ""


def check_origin(headers: Mapping[str, str], public_url: str, *, needed: bool = False) -> None:
    """Raises Forbidden for a request that the page of another site sends with the session cookie.

    Browsers send Origin with every request that changes something; other clients need not. With ``needed``, a request
    without Origin is refused too, because there a link (which sends none) can change something.
    """
    origin = headers.get("origin", "")
    if origin:
        foreign = _host(origin) not in {_host(public_url), headers.get("host", "")} - {""}
    else:
        foreign = needed or headers.get("sec-fetch-site", "same-origin") == "cross-site"
    if foreign:
        raise Forbidden(
            "This request came from another site. Open the console at its own address.", code="foreign_origin"
        )


def _host(url: str) -> str:
    """The URL's host and port; empty if it has none or is invalid."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def actor_of(token: str, now: datetime) -> Actor:
    """The actor of a token. Raises NotAuthenticated, Forbidden."""
    with reading() as session:
        return auth.actor_of(session, token, now=now)


def use(token: str, now: datetime) -> Actor:
    """As ``actor_of``, and updates the last use, at most once a minute. This extends a session."""
    with reading() as session:
        actor = auth.actor_of(session, token, now=now)
        stale = auth.is_stale(session, actor, now)
    if stale:
        with writing() as session:
            auth.touch(session, actor, now)
    return actor
