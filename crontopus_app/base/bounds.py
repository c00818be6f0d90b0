"""Values of requests that a database can keep: bounded, finite, without NUL."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from contract import wire
from crontopus_app.base.db import storable
from crontopus_app.base.errors import BadInput

INT32, INT64 = 2**31 - 1, 2**63 - 1
LONGEST_TEXT = 2000
LONGEST_JSON = 64 * 1024


def bad(field: str, message: str) -> BadInput:
    """The refusal of one field."""
    return BadInput(message, problems=[wire.Problem(code="bad_value", message=message, field=field)])


def text(value: str, length: int = LONGEST_TEXT) -> str:
    """Cut to ``length``, and storable."""
    return storable(value[:length])


def whole(field: str, value: int | None, *, most: int = INT32, least: int | None = None) -> int | None:
    """The number; raises BadInput where its column could not hold it."""
    least = -most - 1 if least is None else least
    if value is not None and not least <= value <= most:
        raise bad(field, f"{field} must be from {least} to {most}.")
    return value


def finite(field: str, value: float | None) -> float | None:
    """The number; raises BadInput for infinity and not-a-number, which JSON cannot say."""
    if value is not None and not math.isfinite(value):
        raise bad(field, f"{field} must be a finite number.")
    return value


def instant(field: str, value: datetime | None) -> datetime | None:
    """The moment in UTC; raises BadInput where it has no zone or lies outside the calendar."""
    if value is None:
        return None
    if value.tzinfo is None:
        raise bad(field, f"{field} needs a zone, such as 2026-01-31T02:00:00+00:00.")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise bad(field, f"{field} lies outside the calendar.") from error


def mapping(field: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping; raises BadInput where it is no plain JSON or larger than 64 KiB."""
    try:
        size = len(json.dumps(value, allow_nan=False))
    except (ValueError, RecursionError) as error:
        raise bad(field, f"{field} must be plain JSON with finite numbers.") from error
    if size > LONGEST_JSON:
        raise bad(field, f"{field} is larger than {LONGEST_JSON // 1024} KiB.")
    return dict(value)
