"""The REST API: routers, errors, limits. Served under ``/api`` beside the console."""

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
    checkins,
    endpoints,
    git_webhook,
    jobs,
    openapi,
    operator,
    problems,
    repository,
    runs,
    search,
    system,
    tokens,
)
from crontopus_app.api.limits import BodyLimit, TrailingSlash
from crontopus_app.base import csp
from crontopus_app.base.errors import NotFound

DOCS_FILES = "/api/docs/files"
# The agent's routes stand before those with an id in the same place of the path.
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
    git_webhook,
    repository,
    search,
    operator,
)


def build() -> FastAPI:
    """The API as one FastAPI application, whose own description needs nothing from elsewhere."""
    made = FastAPIOffline(
        title="Crontopus",
        version="1",
        openapi_url="/api/openapi.json",
        docs_url=None,  # ``_add_docs`` adds it, with its policy
        redoc_url=None,
        static_url=DOCS_FILES,
        redirect_slashes=False,
    )
    _add_docs(made)
    under = APIRouter(prefix="/api")
    for module in MODULES:
        under.include_router(module.router)
    under.add_api_route(
        "/{rest:path}", _unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False
    )
    made.include_router(under)
    made.include_router(system.router)
    problems.install(made)
    openapi.install(made, [module.router for module in MODULES])
    made.add_middleware(BodyLimit)
    made.add_middleware(TrailingSlash)
    return made


def _add_docs(made: FastAPI) -> None:
    """``/api/docs``: Swagger UI from our own files, with a policy that lets only its own script run."""
    html = get_swagger_ui_html(
        openapi_url="/api/openapi.json",
        title="Crontopus API",
        swagger_js_url=f"{DOCS_FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{DOCS_FILES}/swagger-ui.css",
        swagger_favicon_url="/favicon.svg",
    ).body
    page = bytes(html).decode()
    headers = {"Content-Security-Policy": csp.of_page(csp.inline(page, "script"))}

    @made.get("/api/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(page, headers=headers)


def _unknown(rest: str, request: Request) -> None:
    """No route takes this: 405 with what the path does take, 404 where there is no such path."""
    asked = {**request.scope, "path": f"/{rest}"}
    routes = [route for module in MODULES for route in module.router.routes if isinstance(route, APIRoute)]
    methods = sorted(
        {method for one in routes if one.matches(asked)[0] is Match.PARTIAL for method in one.methods or ()}
    )
    if methods:
        told = f"/api/{rest} takes {' or '.join(methods)}, not {request.method}: see /api/docs."
        raise HTTPException(405, told, {"Allow": ", ".join(methods)})
    raise NotFound(f"There is no /api/{rest}: see /api/docs.")


api = build()
