"""The header by which a create that is sent twice creates once."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header

from crontopus_app.base.idempotency import LONGEST

SENT_AGAIN = "New for each thing to create; a request sent again with it within 24 hours creates nothing more."

IdempotencyKey = Annotated[str, Header(alias="Idempotency-Key", max_length=LONGEST, description=SENT_AGAIN)]
