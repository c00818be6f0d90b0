"""The ASGI app of the embedded forge."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from crontopus_app.base.settings import FORGE_PATH
from crontopus_app.forge.embedded import rest_accounts, rest_git, rest_repositories
from crontopus_app.forge.embedded.bodies import Bodies, Bounds
from crontopus_app.forge.embedded.forge import Forge
from crontopus_app.forge.embedded.rest import routes
from crontopus_app.forge.embedded.smart_http import PATH, SmartHttp

MAX_PUSH = 64 * 1024 * 1024
THREADS = 16


def forge_app(
    home: Path,
    *,
    admin_user: str,
    admin_password: str,
    url: str,
    max_push: int = MAX_PUSH,
    bounds: Bounds = Bounds(),  # noqa: B008 -- immutable
) -> ASGIApp:
    """An ASGI app that serves REST at ``/forge/api/v1`` and Git at ``/forge/<owner>/<name>.git``.

    Its data are in ``<home>/forge``. Several processes may serve the same folder. ``url`` is the public URL of
    ``/forge``, used for links in responses. The app may be mounted at ``/forge`` or at the root.
    """
    forge = Forge(home, admin_user=admin_user, admin_password=admin_password, url=url)
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="forge")
    bodies = Bodies(bounds)
    smart = SmartHttp(forge, threads, bodies, max_push)
    rest = _rest_router(forge, threads, bodies)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        in_forge = path == FORGE_PATH or path.startswith(f"{FORGE_PATH}/")
        inner = path.removeprefix(FORGE_PATH) if in_forge else "/none"
        scope = {**scope, "path": inner, "root_path": ""}
        await (smart if PATH.match(inner) and not inner.startswith("/api/") else rest)(scope, receive, send)

    return app


def _rest_router(forge: Forge, threads: ThreadPoolExecutor, bodies: Bodies) -> Router:
    table = [*rest_accounts.TABLE, *rest_repositories.TABLE, *rest_git.TABLE]
    version = routes(forge, threads, bodies, [("GET", "/version", rest_accounts.version)])
    return Router(
        [
            Route("/api/healthz", _healthz),
            Mount("/api/forgejo/v1", routes=version),
            Mount("/api/v1", routes=routes(forge, threads, bodies, table)),
        ],
        redirect_slashes=False,
        default=_not_found,
    )


async def _healthz(request: Request) -> Response:  # noqa: ARG001 -- an endpoint takes a request
    return JSONResponse({"status": "pass"})


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse({"message": "not found", "errors": []}, status_code=404)(scope, receive, send)
