"""Whether the installation is alive and ready; what editors and machines fetch."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from contract import schema
from contract.wire import Health
from crontopus_app.operations import health

router = APIRouter(tags=["system"])


@router.get("/healthz")
def healthz() -> dict[str, bool]:
    """200 while this process answers."""
    return {"ok": True}


@router.get("/readyz", responses={503: {"model": Health}})
def readyz(response: Response) -> Health:
    """200 only when all that is configured answers; else 503, naming the part."""
    found = health.check()
    if not found.ok:
        response.status_code = 503
        response.headers["Retry-After"] = "5"
    return found


@router.get("/schemas/job-v1.json")
def job_schema() -> dict[str, Any]:
    """The JSON Schema of manifests, for editors."""
    return schema.schema()
