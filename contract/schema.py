"""JSON Schema 2020-12 of manifests and of crontopus.yaml, generated from the decoder's tables of fields."""

from __future__ import annotations

from typing import Any

from contract.manifest_fields import JOB
from contract.policy_fields import POLICY

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema of job manifests, which editors use to complete and check them (`/schemas/job-v1.json`)."""
    return {"$schema": _DIALECT, "$id": "urn:crontopus:job-v1", "title": "Crontopus job manifest v1", **JOB.schema()}


def policy_schema() -> dict[str, Any]:
    """The schema of crontopus.yaml."""
    return {"$schema": _DIALECT, "$id": "urn:crontopus:policy-v1", "title": "Crontopus policy v1", **POLICY.schema()}
