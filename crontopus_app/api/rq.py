"""Serves rq-dashboard for signed-in operators, and accepts its actions only from its own pages."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

from a2wsgi import WSGIMiddleware
from jinja2 import BaseLoader, Environment
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crontopus_app.base import clock, csp
from crontopus_app.base.errors import CrontopusError, NotAuthenticated
from crontopus_app.base.settings import settings
from crontopus_app.people import http_auth

BACK = b'<p style="margin:8px 16px"><a href="/operator/tasks">Back to Crontopus</a></p>'

NO_FAVICON = "{{ url_for('static', filename='favicon.ico') }}"
INLINE_SCRIPT = '<script type="text/javascript">'


def dashboard(redis_url: str, prefix: str) -> ASGIApp:
    """The dashboard of ``redis_url`` under ``prefix``, for operators."""
    return OperatorsOnly(_lazy(lambda: _flask(redis_url, prefix)))


def _lazy(make: Callable[[], ASGIApp]) -> ASGIApp:
    """Creates the app at its first request: importing Flask takes a third of a second, and is rarely needed."""
    created = cache(make)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (await asyncio.to_thread(created))(scope, receive, send)

    return app


def _flask(redis_url: str, prefix: str) -> ASGIApp:
    from rq_dashboard.cli import make_flask_app
    from rq_dashboard.web import setup_rq_connection

    app: Any = make_flask_app(None, None, None, prefix)
    app.config.update(RQ_DASHBOARD_REDIS_URL=redis_url, RQ_DASHBOARD_POLL_INTERVAL=2500)
    app.jinja_loader = _SafeTemplates(app.jinja_loader)
    setup_rq_connection(app)  # creates the client, which connects at its first use
    app.before_request(_new_nonce)
    app.after_request(_add_back_link)
    app.after_request(_add_policy)
    return _awaitable_receive(cast(ASGIApp, WSGIMiddleware(app)))


def _add_back_link(response: Any) -> Any:
    """Adds a link to the console to the dashboard's pages."""
    if response.mimetype == "text/html":
        response.set_data(response.get_data().replace(b"<body>", b"<body>" + BACK, 1))
    return response


class _SafeTemplates(BaseLoader):
    """Loads the dashboard's templates and fixes them: they print values unescaped, and use an inline script."""

    def __init__(self, templates: BaseLoader) -> None:
        self._templates = templates

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        source, path, is_current = self._templates.get_source(environment, template)
        return safe_template(source), path, is_current


def safe_template(source: str) -> str:
    """Escapes values that Underscore's ``<%= … %>`` prints, unless they are escaped already.

    Adds the nonce to inline scripts, and replaces the missing icon.
    """
    escaped = re.sub(r"<%=(?!\s*\$\()", "<%-", source)
    scripted = escaped.replace(INLINE_SCRIPT, '<script type="text/javascript" nonce="{{ g.nonce }}">')
    return scripted.replace(NO_FAVICON, "/favicon.svg")


def _new_nonce() -> None:
    from flask import g

    g.nonce = secrets.token_urlsafe(16)


def _add_policy(response: Any) -> Any:
    """Adds the Content-Security-Policy. Underscore needs ``eval``, and the templates have style attributes."""
    from flask import g

    if response.mimetype == "text/html":
        policy = csp.of_page([f"'nonce-{g.nonce}'"], ["'unsafe-inline'"], evaluates=True)
        response.headers["Content-Security-Policy"] = policy
    return response


def _awaitable_receive(app: ASGIApp) -> ASGIApp:
    """Makes granian's ``receive()``, which returns a future, return the coroutine that a2wsgi requires."""

    async def adapted(scope: Scope, receive: Receive, send: Send) -> None:
        async def coroutine() -> Message:
            return await receive()

        await app(scope, coroutine, send)

    return adapted


class OperatorsOnly:
    """Passes requests of operators to ``app``; refuses others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._refusal(_changes_something(scope), Headers(scope=scope))
        await (answer or self._app)(scope, receive, send)

    async def _refusal(self, changes: bool, headers: Headers) -> ASGIApp | None:
        try:
            await asyncio.to_thread(check_operator, headers, changes)
        except NotAuthenticated:
            return (
                _refused("Sign in to the console first.", 401)
                if changes
                else RedirectResponse("/login", status_code=303)
            )
        except CrontopusError as error:
            return _refused(error.message, error.status)
        return None


def check_operator(headers: Mapping[str, str], changes: bool) -> None:
    """Raises NotAuthenticated or Forbidden unless a signed-in operator sent the request, from a page of this server."""
    public_url = settings().public_url
    actor = http_auth.authenticate(headers, clock.now(), changes=changes, public_url=public_url, needs_origin=True)
    actor.require_person()
    actor.require_operator()


def _refused(message: str, status: int) -> PlainTextResponse:
    return PlainTextResponse(message, status_code=status)


def _changes_something(scope: Scope) -> bool:
    """Whether the request changes something. The dashboard requeues tasks with a GET too."""
    return scope["method"] not in http_auth.SAFE or "/requeue" in scope["path"]
