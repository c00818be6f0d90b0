"""rq-dashboard behind the console's own login: operators only, and its buttons only from its own pages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from http.cookies import CookieError, SimpleCookie
from typing import Any, cast
from urllib.parse import urlsplit

from a2wsgi import WSGIMiddleware
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crontopus_app import clock, db
from crontopus_app.errors import CrontopusError, Forbidden, NotAuthenticated
from crontopus_app.services import auth

COOKIE = "crontopus_session"
BACK = b'<p style="margin:8px 16px"><a href="/operator/tasks">Back to Crontopus</a></p>'


def dashboard(redis_url: str, prefix: str) -> ASGIApp:
    """The dashboard of ``redis_url`` under ``prefix``, for operators."""
    return OperatorsOnly(_when_asked(lambda: _flask(redis_url, prefix)), is_operator)


def _when_asked(make: Callable[[], ASGIApp]) -> ASGIApp:
    """Flask and the dashboard cost every start a third of a second, and most starts see no operator look."""
    made = cache(make)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (await asyncio.to_thread(made))(scope, receive, send)

    return app


def is_operator(token: str) -> None:
    """Raises NotAuthenticated or Forbidden unless the session's user is an operator."""
    with db.reading() as session:
        actor = auth.actor_of(session, token, now=clock.now())
    actor.require_person()
    actor.require_operator()


def _flask(redis_url: str, prefix: str) -> ASGIApp:
    from rq_dashboard.cli import make_flask_app
    from rq_dashboard.web import setup_rq_connection

    app = make_flask_app(None, None, None, prefix)
    app.config.update(RQ_DASHBOARD_REDIS_URL=redis_url, RQ_DASHBOARD_POLL_INTERVAL=2500)
    setup_rq_connection(app)  # makes the client; it connects when it is first used
    app.after_request(_with_a_way_back)
    return _awaitable_receive(cast(ASGIApp, WSGIMiddleware(cast(Any, app))))


def _with_a_way_back(response: Any) -> Any:
    """The dashboard knows nothing of the console: its pages get a link there."""
    if response.mimetype == "text/html":
        response.set_data(response.get_data().replace(b"<body>", b"<body>" + BACK, 1))
    return response


def _awaitable_receive(app: ASGIApp) -> ASGIApp:
    """granian's ``receive()`` gives a future, a2wsgi wants a coroutine: without this, requests with a body fail."""

    async def adapted(scope: Scope, receive: Receive, send: Send) -> None:
        async def coroutine() -> Message:
            return await receive()

        await app(scope, coroutine, send)

    return adapted


class OperatorsOnly:
    """Lets operators through to ``app``; ``check(token)`` raises for all others, off the event loop."""

    def __init__(self, app: ASGIApp, check: Callable[[str], None]) -> None:
        self._app = app
        self._check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        answer = await self._refusal(_changes_something(scope), headers)
        await (answer or self._app)(scope, receive, send)

    async def _refusal(self, changing: bool, headers: Headers) -> ASGIApp | None:
        try:
            await asyncio.to_thread(self._check, _session_cookie(headers))
            if changing:
                _check_origin(headers)
        except NotAuthenticated:
            return _refused("Sign in.", 401) if changing else RedirectResponse("/login", status_code=303)
        except CrontopusError as error:
            return _refused(error.message, error.status)
        return None


def _refused(message: str, status: int) -> PlainTextResponse:
    return PlainTextResponse(message, status_code=status)


def _session_cookie(headers: Headers) -> str:
    """The session's token; raises NotAuthenticated without one."""
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError as error:
        raise NotAuthenticated("The cookie cannot be read: sign in again.") from error
    if COOKIE not in cookies:
        raise NotAuthenticated("Sign in.")
    return cookies[COOKIE].value


def _changes_something(scope: Scope) -> bool:
    """Whether it is more than a look; the dashboard puts a queue's tasks back on a GET as well."""
    return scope["method"] not in {"GET", "HEAD", "OPTIONS"} or "/requeue" in scope["path"]


def _check_origin(headers: Headers) -> None:
    """Raises Forbidden where a page of another origin sent the request (browsers always say which)."""
    if urlsplit(headers.get("origin", "")).netloc != headers.get("host"):
        raise Forbidden("This request did not come from a page of this server.")
