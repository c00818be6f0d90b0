"""The Idempotency-Key header, with which a repeated create request creates only once."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header

from crontopus_app.base.idempotency import LONGEST

DESCRIPTION = "A new key for each object to create. Repeating a request with the same key within 24 hours is harmless."

IdempotencyKey = Annotated[str, Header(alias="Idempotency-Key", max_length=LONGEST, description=DESCRIPTION)]
