"""Converts errors to responses of the API: ``{"detail": sentence, "code": …, "errors": […]?}``."""

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

CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def install(api: FastAPI) -> None:
    """Makes ``api`` answer all errors in this format."""
    api.add_exception_handler(CrontopusError, _expected)
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


async def _expected(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CrontopusError)  # noqa: S101 -- the handler is registered for this type
    return answer(error)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 -- the handler is registered for this type
    problems = [
        {
            "field": ".".join(str(part) for part in problem["loc"][1:]),
            "message": problem["msg"],
            "code": problem["type"],
        }
        for problem in error.errors()
    ]
    first = problems[0] if problems else {"field": "", "message": "The request is invalid."}
    field = f"{first['field']}: " if first["field"] else ""
    return JSONResponse({"detail": f"{field}{first['message']}", "code": "bad_input", "errors": problems}, 422)


async def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 -- the handler is registered for this type
    if error.status_code == 400:  # from FastAPI or Starlette, for a body that does not match its Content-Type
        return answer(BadInput("The body cannot be read. Check that it matches its Content-Type."))
    code = CODES.get(error.status_code, "error")
    return JSONResponse({"detail": error.detail, "code": code}, error.status_code, error.headers)


async def unforeseen(request: Request, error: Exception) -> JSONResponse:
    """Answers an unexpected error with a reference that is also in the log."""
    reference = uuid.uuid4().hex[:12]
    log.error("%s %s failed, reference %s", request.method, request.url.path, reference, exc_info=error)
    detail = f"Server error. Reference {reference} (also in the server's log)."
    return JSONResponse({"detail": detail, "code": "internal", "reference": reference}, 500)
