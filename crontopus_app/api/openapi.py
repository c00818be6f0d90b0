"""The API's OpenAPI description: each operation with every status it answers, and errors in the shape they have.

This is the only place that lists the errors of an operation. They follow from its dependencies (a session, a body, a
name in the path); ``MORE`` has those that only the operation itself can raise. A test sends generated requests and
fails on every answer that is not described.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from crontopus_app.api.deps import current_actor, current_endpoint, job_writer

ERRORS = {
    401: "No credential, or one that is wrong, expired or revoked.",
    403: "The credential does not allow this, the tenant is suspended, or the request came from another site.",
    404: "It does not exist, or it belongs to another tenant.",
    409: "It conflicts with the current state: it exists already, or something still needs it.",
    412: "`If-Match` names an old version: the file has changed since.",
    413: "The body is too large.",
    422: "A parameter or the body is invalid; `errors` names the fields.",
    429: "Too many requests: `Retry-After` says how many seconds to wait.",
    503: "A component is unavailable; `part` names it. Try again after `Retry-After` seconds.",
}
PROBLEM = {
    "type": "object",
    "required": ["message", "code"],
    "properties": {
        "message": {"type": "string"},
        "code": {"type": "string"},
        "field": {"type": "string"},
        "line": {"type": ["integer", "null"]},
        "column": {"type": ["integer", "null"]},
    },
}
ERROR = {
    "type": "object",
    "required": ["detail", "code"],
    "properties": {
        "detail": {"type": "string", "description": "What is wrong and what to do, for people."},
        "code": {"type": "string", "description": "The kind of error, for programs."},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Problem"}},
        "part": {"type": "string", "description": "With 503: the component that is unavailable."},
    },
}
RETRY_AFTER = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A session, API, endpoint or enrolment token.",
    },
    "cookie": {"type": "apiKey", "in": "cookie", "name": "crontopus_session"},
}
PERSON = [{"bearer": []}, {"cookie": []}]
MACHINE = [{"bearer": []}]
CREDENTIALS = {
    "type": "object",
    "required": ["username", "password"],
    "properties": {name: {"type": "string"} for name in ("username", "password")},
}
SIGN_IN = {
    "required": True,
    "content": {kind: {"schema": CREDENTIALS} for kind in ("application/json", "application/x-www-form-urlencoded")},
}
MORE: dict[tuple[str, str], set[int]] = {
    ("POST", "/api/auth/register"): {409, 429},
    ("POST", "/api/auth/login"): {401, 403, 413, 422, 429},
    ("POST", "/api/auth/session"): {401, 403, 413, 422, 429},
    ("POST", "/api/auth/logout"): {403},
    ("POST", "/api/endpoints/enroll"): {401, 409, 429},
    ("POST", "/api/git/webhook"): {401, 413, 422},
    ("GET", "/api/reports/unsubscribe"): {404},
    ("POST", "/api/reports/unsubscribe"): {404},
}
# 404 below this path while the tenant's repository is still being provisioned.
REPOSITORY = "/api/repository"


def install(api: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Makes ``api`` describe itself with the errors of ``routers``, which it includes under ``/api``."""
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            api.openapi_schema = describe(api, routes)
        return api.openapi_schema

    api.openapi = openapi  # pyright: ignore[reportAttributeAccessIssue] -- FastAPI's own way to replace it


def describe(api: FastAPI, routes: Sequence[APIRoute]) -> dict[str, Any]:
    """FastAPI's description, with our errors in place of those that it assumes."""
    document = get_openapi(title=api.title, version=api.version, routes=api.routes)
    components = document["components"]
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    components["schemas"] |= {"Problem": PROBLEM, "Error": ERROR}
    components["responses"] = {str(status): _response(status) for status in ERRORS}
    components["securitySchemes"] = SECURITY
    for route in routes:
        path = f"/api{route.path_format}"
        for method in route.methods or ():
            _complete(document["paths"][path][method.lower()], route, path, method)
    return document


def _response(status: int) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    response: dict[str, Any] = {"description": ERRORS[status], "content": {"application/json": {"schema": schema}}}
    return response | {"headers": RETRY_AFTER} if status in {429, 503} else response


def _complete(operation: dict[str, Any], route: APIRoute, path: str, method: str) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    for status in sorted(error_statuses(route, path, method)):
        responses.setdefault(str(status), {"$ref": f"#/components/responses/{status}"})
    if _depends(route.dependant, job_writer):
        (done,) = (response for status, response in responses.items() if status in {"200", "201"})
        responses["202"] = done | {"description": "The commit is still pending: ask `/api/changes/{id}`."}
    if _depends(route.dependant, current_actor):
        operation["security"] = PERSON
    elif _depends(route.dependant, current_endpoint) or path == "/api/endpoints/enroll":
        operation["security"] = MACHINE
    if path in {"/api/auth/login", "/api/auth/session"}:
        operation["requestBody"] = SIGN_IN


def error_statuses(route: APIRoute, path: str, method: str) -> set[int]:
    dependant = route.dependant
    statuses = {503, *MORE.get((method, path), ())}
    if _depends(dependant, current_actor) or _depends(dependant, current_endpoint):
        statuses |= {401, 403, 429} if method == "GET" else {401, 403, 404, 409, 429}
    if dependant.path_params or path.startswith(REPOSITORY):
        statuses.add(404)
    if _has_parameters(dependant):
        statuses.add(422)
    if route.body_field or route.openapi_extra:
        statuses |= {413, 422}
    if any(header.name == "if_match" for header in dependant.header_params):
        statuses.add(412)
    return statuses


def _has_parameters(dependant: Dependant) -> bool:
    own = dependant.path_params or dependant.query_params or dependant.header_params
    return bool(own) or any(_has_parameters(inner) for inner in dependant.dependencies)


def _depends(dependant: Dependant, dependency: Any) -> bool:
    return dependant.call is dependency or any(_depends(inner, dependency) for inner in dependant.dependencies)
