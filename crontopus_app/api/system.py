"""Liveness and readiness checks, and the JSON Schema of manifests."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from contract import schema
from contract.wire import Health
from crontopus_app.operations import health

router = APIRouter(tags=["system"])


@router.get("/healthz")
def healthz() -> dict[str, bool]:
    """200 while this process is running."""
    return {"ok": True}


@router.get("/readyz", responses={503: {"model": Health}})
def readyz(response: Response) -> Health:
    """200 if all configured components respond; otherwise 503, which names the component."""
    state = health.check()
    if not state.ok:
        response.status_code = 503
        response.headers["Retry-After"] = "5"
    return state


@router.get("/schemas/job-v1.json")
def job_schema() -> dict[str, Any]:
    """The JSON Schema of manifests, for editors."""
    return schema.schema()
