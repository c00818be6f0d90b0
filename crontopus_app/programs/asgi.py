"""The one ASGI callable that granian serves: hot and foreign paths go where they belong, all else to Reflex.

Each prefix is matched on whole path segments, and its application sees the path unchanged.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Collection, Mapping
from importlib import import_module

from starlette.types import ASGIApp, Receive, Scope, Send

from crontopus_app.base.logs import hide_secrets
from crontopus_app.base.settings import FORGE_PATH, Settings, settings
from crontopus_app.forge import addresses
from crontopus_app.programs import frontend
from crontopus_app.programs.headers import Headers, policies
from crontopus_app.programs.processes import die_with_parent

RQ = "/operator/rq"
# By name: it is composed of all that is below, and where Reflex looks for it.
CONSOLE = "crontopus_app.crontopus_app:app"


class Front:
    """Hands a request to the application of the first path segment(s) that match, else to ``other``."""

    def __init__(self, routes: Mapping[str, ASGIApp], other: ASGIApp) -> None:
        self._routes = dict(routes)
        self._other = other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._for(scope)(scope, receive, send)

    def _for(self, scope: Scope) -> ASGIApp:
        if scope["type"] != "http":
            return self._other
        path = scope["path"]
        for prefix, app in self._routes.items():
            if path == prefix or path.startswith(f"{prefix}/"):
                return app
        return self._other


class Folders:
    """Serves a page whose file is ``jobs/index.html`` as ``/jobs``, without the redirect to ``/jobs/``."""

    def __init__(self, app: ASGIApp, folders: Collection[str]) -> None:
        self._app = app
        self._folders = frozenset(folders)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self._folders:
            scope = {**scope, "path": f"{scope['path']}/", "raw_path": scope.get("raw_path", b"") + b"/"}
        await self._app(scope, receive, send)


def worker() -> ASGIApp:
    """``factory()`` for a granian worker, which must not outlive its granian and keep the port."""
    hide_secrets()
    die_with_parent(signal.SIGKILL)
    return factory()


def factory() -> ASGIApp:
    """The whole product as one ASGI callable, for one process."""
    ours = settings()
    os.environ.update(frontend.serving_environment(ours.public_url, ours.port))
    # Imported after the environment is set: Reflex reads it at import.
    module, _, name = CONSOLE.partition(":")
    console: Callable[[], ASGIApp] = getattr(import_module(module), name)
    whole = _whole(ours, console())
    keep_what_is_loaded()
    return whole


def _whole(ours: Settings, pages: ASGIApp) -> ASGIApp:
    from crontopus_app.api import fast_checkins

    built = frontend.pages()
    whole = Front(
        {fast_checkins.PATH: fast_checkins.FastCheckins(pages), **_routes(ours)},
        Folders(pages, frontend.folders(built)),
    )
    return Headers(whole, ours, policies(built, frontend.origins(ours.public_url, ours.port)))


def keep_what_is_loaded() -> None:
    """Takes all that is loaded by now out of the garbage collector's sight.

    It is there until the process ends; looked through again and again it would hold every answer up for 0.1 to 0.4 s.
    """
    gc.collect()
    gc.freeze()


def _routes(ours: Settings) -> dict[str, ASGIApp]:
    from crontopus_app.api.rq import dashboard

    routes: dict[str, ASGIApp] = {RQ: dashboard(ours.redis_url, RQ)}
    if ours.embedded_forge:
        routes[FORGE_PATH] = forge(ours)
    return routes


def forge_worker() -> ASGIApp:
    """The embedded forge alone, for a granian worker."""
    hide_secrets()
    die_with_parent(signal.SIGKILL)
    return Headers(forge(settings()), settings(), {})


def forge(ours: Settings) -> ASGIApp:
    """The embedded forge over the repositories in the data folder."""
    from crontopus_app.forge.embedded import forge_app

    return forge_app(
        ours.forge_home,
        admin_user=ours.forgejo_admin_user,
        admin_password=ours.forgejo_admin_password,
        url=addresses.public_forge(ours),
    )
