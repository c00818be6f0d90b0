"""The REST API: routers, errors, limits. Served at ``/api``, next to the console."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.routing import Match

from crontopus_app.api import (
    account,
    agent,
    auth,
    changes,
    channels,
    checkins,
    endpoints,
    git_webhook,
    incidents,
    jobs,
    metrics,
    openapi,
    operator,
    problems,
    reports,
    repository,
    runs,
    search,
    system,
    tokens,
    windows,
)
from crontopus_app.api.limits import BodyLimit, TrailingSlash
from crontopus_app.base import csp
from crontopus_app.base.errors import NotFound

DOCS_FILES = "/api/docs/files"
# The agent's routes come before the routes with an id at the same position of the path.
MODULES = (
    auth,
    account,
    tokens,
    agent,
    checkins,
    endpoints,
    runs,
    jobs,
    changes,
    channels,
    incidents,
    windows,
    git_webhook,
    repository,
    search,
    operator,
    metrics,
    reports,
)


def build() -> FastAPI:
    """The FastAPI application. Its documentation loads nothing from other sites."""
    api = FastAPIOffline(
        title="Crontopus",
        version="1",
        openapi_url="/api/openapi.json",
        docs_url=None,  # ``_add_docs`` adds it, with its policy
        redoc_url=None,
        static_url=DOCS_FILES,
        redirect_slashes=False,
    )
    _add_docs(api)
    router = APIRouter(prefix="/api")
    for module in MODULES:
        router.include_router(module.router)
    router.add_api_route(
        "/{rest:path}", _unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False
    )
    api.include_router(router)
    api.include_router(system.router)
    api.include_router(metrics.server)
    problems.install(api)
    openapi.install(api, [module.router for module in MODULES])
    api.add_middleware(BodyLimit)
    api.add_middleware(TrailingSlash)
    return api


def _add_docs(api: FastAPI) -> None:
    """Adds ``/api/docs``: Swagger UI from local files, with a policy that allows only its own script."""
    html = get_swagger_ui_html(
        openapi_url="/api/openapi.json",
        title="Crontopus API",
        swagger_js_url=f"{DOCS_FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{DOCS_FILES}/swagger-ui.css",
        swagger_favicon_url="/favicon.svg",
    ).body
    page = bytes(html).decode()
    headers = {"Content-Security-Policy": csp.of_page(csp.inline(page, "script"))}

    @api.get("/api/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(page, headers=headers)


def _unknown(rest: str, request: Request) -> None:
    """Answers unknown requests: 405 with the allowed methods of the path, or 404 without such a path."""
    scope = {**request.scope, "path": f"/{rest}"}
    routes = [route for module in MODULES for route in module.router.routes if isinstance(route, APIRoute)]
    methods = sorted(
        {method for route in routes if route.matches(scope)[0] is Match.PARTIAL for method in route.methods or ()}
    )
    if methods:
        detail = f"/api/{rest} accepts {' or '.join(methods)}, not {request.method}. See /api/docs."
        raise HTTPException(405, detail, {"Allow": ", ".join(methods)})
    raise NotFound(f"/api/{rest} does not exist. See /api/docs.")


api = build()
