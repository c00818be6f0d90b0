"""Request bodies that FastAPI does not parse: manifests (JSON or YAML), and batches of check-ins."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from contract.jobs_in_tree import MAX_BYTES
from contract.wire import Checkin, Problem
from crontopus_app.api.deps import CurrentEndpoint
from crontopus_app.base.errors import BadInput, TooLarge

YAML_TYPES = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
# The OpenAPI description of such a body.
DOCUMENTED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "application/yaml": {"schema": {"type": "string"}},
        },
    }
}


async def manifest_body(request: Request) -> dict[str, Any] | bytes:
    """A job body (JSON), or a manifest's bytes (YAML). Raises TooLarge, and BadInput with the position in the JSON."""
    data = await request.body()
    if len(data) > MAX_BYTES:
        raise TooLarge(f"The manifest is too large: at most {MAX_BYTES // 1024} KiB are allowed.")
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    return data if kind in YAML_TYPES else _object(data)


def _object(data: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(data)
    except json.JSONDecodeError as error:
        place = Problem("bad_json", error.msg, line=error.lineno, column=error.colno)
        raise BadInput(f"The body is not valid JSON: {error}", problems=[place]) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise BadInput("The body is not valid JSON in UTF-8.") from error
    if not isinstance(parsed, dict):
        raise BadInput("The body must be a JSON object.")
    return parsed


_BATCH = TypeAdapter(list[Checkin])
BATCH_DOCUMENTED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Checkin"}}}
        },
    }
}


async def batch_body(endpoint: CurrentEndpoint, request: Request) -> list[Checkin]:  # noqa: ARG001 -- authenticates first
    """The check-ins of a batch. Authenticates before the body, which may be large, is read."""
    try:
        return _BATCH.validate_json(await request.body())
    except ValidationError as error:
        problems = [{**problem, "loc": ("body", *problem["loc"])} for problem in error.errors(include_url=False)]
        raise RequestValidationError(problems) from error


ManifestBody = Annotated[Any, Depends(manifest_body)]
BatchBody = Annotated[list[Checkin], Depends(batch_body)]
