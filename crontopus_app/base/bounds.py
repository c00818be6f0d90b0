"""Checks that values of requests fit the database: bounded, finite, without NUL."""

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
    """The error for one invalid field."""
    return BadInput(message, problems=[wire.Problem(code="bad_value", message=message, field=field)])


def text(value: str, length: int = LONGEST_TEXT) -> str:
    """``value`` cut to ``length`` characters and made storable."""
    return storable(value[:length])


def whole(field: str, value: int | None, *, most: int = INT32, least: int | None = None) -> int | None:
    """The integer; raises BadInput outside ``least`` to ``most`` (default: a signed 32-bit column)."""
    least = -most - 1 if least is None else least
    if value is not None and not least <= value <= most:
        raise bad(field, f"{field} must be from {least} to {most}.")
    return value


def finite(field: str, value: float | None) -> float | None:
    """The number; raises BadInput for infinity and NaN, which JSON cannot express."""
    if value is not None and not math.isfinite(value):
        raise bad(field, f"{field} must be a finite number.")
    return value


def instant(field: str, value: datetime | None) -> datetime | None:
    """The time in UTC; raises BadInput without a zone or outside the years 1 to 9999."""
    if value is None:
        return None
    if value.tzinfo is None:
        raise bad(field, f"{field} needs a time zone, such as 2026-01-31T02:00:00+00:00.")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise bad(field, f"{field} is out of range: use the years 1 to 9999.") from error


def mapping(field: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping; raises BadInput if it is not plain JSON or is larger than 64 KiB."""
    try:
        size = len(json.dumps(value, allow_nan=False))
    except (ValueError, RecursionError) as error:
        raise bad(field, f"{field} must be plain JSON with finite numbers.") from error
    if size > LONGEST_JSON:
        raise bad(field, f"{field} must be at most {LONGEST_JSON // 1024} KiB of JSON.")
    return dict(value)
