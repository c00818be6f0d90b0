"""The embedded forge as one ASGI app."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from crontopus_app.git.embedded import rest_accounts, rest_git, rest_repositories
from crontopus_app.git.embedded.forge import Forge
from crontopus_app.git.embedded.rest import routes
from crontopus_app.git.embedded.smart_http import PATH, SmartHttp

MAX_PUSH = 64 * 1024 * 1024
THREADS = 16


def forge_app(
    home: Path,
    *,
    admin_user: str,
    admin_password: str,
    public_url: Callable[[], str] | str,
    prefix: str = "/forge",
    max_push: int = MAX_PUSH,
) -> ASGIApp:
    """An ASGI app serving REST at ``<prefix>/api/v1`` and Git at ``<prefix>/<owner>/<name>.git``.

    Data goes below ``<home>/forge``. Several processes may serve the same folder. ``public_url`` is the server's own
    address without the prefix; it only builds the links in answers. Mounted at the prefix or at the root, it works.
    """

    def url() -> str:
        base = public_url() if callable(public_url) else public_url
        return base.rstrip("/") + prefix

    forge = Forge(home, admin_user=admin_user, admin_password=admin_password, url=url)
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="forge")
    smart = SmartHttp(forge, threads, max_push)
    rest = _rest(forge, threads)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        inner = path.removeprefix(prefix) if path == prefix or path.startswith(prefix + "/") else "/none"
        scope = {**scope, "path": inner, "root_path": ""}
        await (smart if PATH.match(inner) and not inner.startswith("/api/") else rest)(scope, receive, send)

    return app


def _rest(forge: Forge, threads: ThreadPoolExecutor) -> Router:
    table = [*rest_accounts.TABLE, *rest_repositories.TABLE, *rest_git.TABLE]
    version = routes(forge, threads, [("GET", "/version", rest_accounts.version)])
    return Router(
        [
            Route("/api/healthz", _healthz),
            Mount("/api/forgejo/v1", routes=version),
            Mount("/api/v1", routes=routes(forge, threads, table)),
        ],
        redirect_slashes=False,
        default=_nothing,
    )


async def _healthz(request: Request) -> Response:  # noqa: ARG001 -- an endpoint takes a request
    return JSONResponse({"status": "pass"})


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse({"message": "not found", "errors": []}, status_code=404)(scope, receive, send)
