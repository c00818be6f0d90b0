"""The REST API: routers, errors, limits. Served under ``/api`` beside the console."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, HTTPException, Request
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
    operator,
    problems,
    repository,
    runs,
    search,
    system,
    tokens,
)
from crontopus_app.api.limits import BodyLimit, TrailingSlash
from crontopus_app.errors import NotFound

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
        docs_url="/api/docs",
        redoc_url=None,
        static_url="/api/docs/files",
        favicon_url="/favicon.svg",
        swagger_ui_oauth2_redirect_url="/api/docs/oauth2-redirect",
        redirect_slashes=False,
    )
    under = APIRouter(prefix="/api")
    for module in MODULES:
        under.include_router(module.router)
    under.add_api_route(
        "/{rest:path}", _unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False
    )
    made.include_router(under)
    made.include_router(system.router)
    problems.install(made)
    made.add_middleware(BodyLimit)
    made.add_middleware(TrailingSlash)
    return made


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
