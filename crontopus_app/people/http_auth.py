"""Who sends an HTTP request or opens a websocket: the only place that reads our cookie and bearer tokens.

The API, the console and the dashboard of the queues ask here, with nothing but headers (names in lower case).
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
# Methods that change nothing, see RFC 9110, 9.2.1.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_SCHEMES = frozenset({"bearer", "token"})


def authenticate(
    headers: Mapping[str, str], now: datetime, *, changes: bool, public_url: str, needs_origin: bool = False
) -> Actor:
    """The actor of the bearer token, else of the session cookie, and notes that the credential was used.

    A request that ``changes`` something by our cookie must come from a page of ours: see ``check_origin``.
    Raises NotAuthenticated, Forbidden.
    """
    if changes and not bearer(headers.get("authorization", "")):
        check_origin(headers, public_url, needed=needs_origin)
    return use(token_of(headers), now)


def token_of(headers: Mapping[str, str]) -> str:
    """The bearer token, else the session cookie's, else an empty string."""
    return bearer(headers.get("authorization", "")) or session_cookie(headers.get("cookie", ""))


def bearer(authorization: str) -> str:
    """The token in the value of an Authorization header, or an empty string."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() in _SCHEMES else ""


def endpoint_token(authorization: str) -> str:
    """The token in the value of an agent's Authorization header; raises NotAuthenticated where there is none."""
    token = bearer(authorization)
    if not token:
        raise NotAuthenticated("Send the endpoint's token as `Authorization: Bearer ep_…`.")
    return token


def session_cookie(cookies: str) -> str:
    """The session's token in the value of a Cookie header, or an empty string; other cookies may be of any shape."""
    for cookie in cookies.split(";"):
        name, _, value = cookie.partition("=")
        if name.strip() == COOKIE:
            return value.strip().strip('"')
    return ""


def check_origin(headers: Mapping[str, str], public_url: str, *, needed: bool = False) -> None:
    """Raises Forbidden for what the page of another site sends with our cookie.

    Browsers say where a page that changes something is from. Who says nothing is no browser, and may go on unless an
    origin is ``needed``: a link, which says nothing either, changes something there.
    """
    origin = headers.get("origin", "")
    if origin:
        foreign = _host(origin) not in {_host(public_url), headers.get("host", "")} - {""}
    else:
        foreign = needed or headers.get("sec-fetch-site", "same-origin") == "cross-site"
    if foreign:
        raise Forbidden("This request came from another site.", code="foreign_origin")


def _host(url: str) -> str:
    """Its host and port; empty where it has none or cannot be read."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def actor_of(token: str, now: datetime) -> Actor:
    """Whose token this is. Raises NotAuthenticated, Forbidden."""
    with reading() as session:
        return auth.actor_of(session, token, now=now)


def use(token: str, now: datetime) -> Actor:
    """The same, and notes the use: it moves a session's end on. Most requests only read."""
    with reading() as session:
        actor = auth.actor_of(session, token, now=now)
        stale = auth.is_stale(session, actor, now)
    if stale:
        with writing() as session:
            auth.touch(session, actor, now)
    return actor
