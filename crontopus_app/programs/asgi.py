"""The ASGI application that granian serves: routes paths to fast check-ins, the forge and the RQ dashboard, or Reflex.

A prefix matches whole path segments; the application gets the unchanged path.
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
# Imported by name, because it must be imported after the environment is set.
CONSOLE = "crontopus_app.crontopus_app:app"


class PathRouter:
    """Passes a request to the application of the first matching prefix, or else to ``other``."""

    def __init__(self, routes: Mapping[str, ASGIApp], other: ASGIApp) -> None:
        self._routes = dict(routes)
        self._other = other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app_for(scope)(scope, receive, send)

    def _app_for(self, scope: Scope) -> ASGIApp:
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
    """``factory()`` for a granian worker, which ends with its parent so that it does not keep the port."""
    hide_secrets()
    die_with_parent(signal.SIGKILL)
    return factory()


def factory() -> ASGIApp:
    """The ASGI application of a web process."""
    config = settings()
    os.environ.update(frontend.serving_environment(config.public_url, config.port))
    # Imported after the environment is set, because Reflex reads it at import.
    module, _, name = CONSOLE.partition(":")
    console: Callable[[], ASGIApp] = getattr(import_module(module), name)
    app = _compose(config, console())
    freeze_startup_objects()
    return app


def _compose(config: Settings, pages: ASGIApp) -> ASGIApp:
    from crontopus_app.api import fast_checkins, fast_pings

    built = frontend.pages()
    router = PathRouter(
        {
            fast_checkins.PATH: fast_checkins.FastCheckins(pages),
            fast_pings.PREFIX: fast_pings.Pings(pages),
            **_routes(config),
        },
        Folders(pages, frontend.folders(built)),
    )
    return Headers(router, config, policies(built, frontend.origins(config.public_url, config.port)))


def freeze_startup_objects() -> None:
    """Excludes all existing objects from garbage collection.

    They live until the process ends; scanning them in every full collection would delay responses by 0.1 to 0.4 s.
    """
    gc.collect()
    gc.freeze()


def _routes(config: Settings) -> dict[str, ASGIApp]:
    from crontopus_app.api.rq import dashboard

    routes: dict[str, ASGIApp] = {RQ: dashboard(config.redis_url, RQ)}
    if config.embedded_forge:
        routes[FORGE_PATH] = forge(config)
    return routes


def forge_worker() -> ASGIApp:
    """The embedded forge alone, as the application of a granian worker."""
    hide_secrets()
    die_with_parent(signal.SIGKILL)
    return Headers(forge(settings()), settings(), {})


def forge(config: Settings) -> ASGIApp:
    """The embedded forge, with its data in the data folder."""
    from crontopus_app.forge.embedded import forge_app

    return forge_app(
        config.forge_home,
        admin_user=config.forgejo_admin_user,
        admin_password=config.forgejo_admin_password,
        url=addresses.public_forge(config),
    )
