"""Errors as answers of the API: `{"detail": sentence, "code": machine word, "errors": […]?}`."""

from __future__ import annotations

import logging
import uuid
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from crontopus_app.base.errors import BadInput, CrontopusError, RateLimited, Unavailable

log = logging.getLogger(__name__)

WORDS = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def install(api: FastAPI) -> None:
    """Makes every error of ``api`` an answer in our shape."""
    api.add_exception_handler(CrontopusError, _known)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.add_exception_handler(HTTPException, _http)
    api.add_exception_handler(Exception, unforeseen)


def answer(error: CrontopusError) -> JSONResponse:
    body: dict[str, Any] = {"detail": error.message, "code": error.code}
    if error.problems:
        body["errors"] = [asdict(problem) for problem in error.problems]
    headers = {}
    if isinstance(error, (RateLimited, Unavailable)):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, RateLimited):
        limit, reset = str(error.limit), str(error.retry_after)
        headers |= {"X-RateLimit-Limit": limit, "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    if isinstance(error, Unavailable):
        body["part"] = error.part
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, error.status, headers)


async def _known(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CrontopusError)  # noqa: S101 -- what the handler is registered for
    return answer(error)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 -- what the handler is registered for
    places = [
        {"field": ".".join(str(part) for part in found["loc"][1:]), "message": found["msg"], "code": found["type"]}
        for found in error.errors()
    ]
    first = places[0] if places else {"field": "", "message": "the request cannot be read"}
    where = f"{first['field']}: " if first["field"] else ""
    return JSONResponse({"detail": f"{where}{first['message']}", "code": "bad_input", "errors": places}, 422)


async def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 -- what the handler is registered for
    if error.status_code == 400:  # FastAPI's and Starlette's for a body that is not what its type says
        return answer(BadInput("The body cannot be read: it is not what its Content-Type says."))
    code = WORDS.get(error.status_code, "error")
    return JSONResponse({"detail": error.detail, "code": code}, error.status_code, error.headers)


async def unforeseen(request: Request, error: Exception) -> JSONResponse:
    """A defect of ours: the answer carries a reference that stands in the log as well."""
    reference = uuid.uuid4().hex[:12]
    log.error("reference %s: %s %s failed", reference, request.method, request.url.path, exc_info=error)
    detail = f"Something went wrong on the server; the log has the details under {reference}."
    return JSONResponse({"detail": detail, "code": "internal", "reference": reference}, 500)
