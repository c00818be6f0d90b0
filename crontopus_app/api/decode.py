"""A check-in's body, read fast where it is as our senders write it.

Anything else, wrong or only unusual, is None: the caller hands it to FastAPI, which can read it or say what is wrong.
What is read here is what FastAPI would have read; a property test compares them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from contract import wire

# Surrogates, which no text may hold (``\xed`` begins those that are written in UTF-8), and encodings other than UTF-8.
UNUSUAL = (b"\\ud", b"\\uD", b"\xed", b"\0")
MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|\+[0-9]{2}:[0-5][0-9]|-(?!00:00)[0-9]{2}:[0-5][0-9])"
)
# Beyond it not every whole number is a float.
EXACT = 2**53


def checkin(body: bytes) -> wire.Checkin | None:
    """The check-in, or None where it is not written as usual."""
    if any(mark in body for mark in UNUSUAL):
        return None
    try:
        return wire.Checkin(**_fields(json.loads(body), FIELDS))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _fields(told: Any, fields: dict[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Each field read by its reader; raises TypeError, KeyError, ValueError for what is not usual."""
    if type(told) is not dict:
        raise TypeError
    return {name: fields[name](value) for name, value in told.items()}


def _only(kind: type) -> Callable[[Any], Any]:
    """A reader of exactly this type: True is no whole number."""

    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise TypeError
        return value

    return read


def _or_none(reader: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else reader(value)


def _moment(value: Any) -> datetime:
    if type(value) is not str or not MOMENT.fullmatch(value):
        raise ValueError
    return datetime.fromisoformat(value)


def _number(value: Any) -> float:
    if type(value) is int and -EXACT < value < EXACT:
        return float(value)
    return _real(value)


def _texts(value: Any) -> list[str]:
    return [_text(each) for each in _list(value)]


def _output(value: Any) -> wire.CheckinOutput:
    return wire.CheckinOutput(**_fields(value, OUTPUT_FIELDS))


_text, _whole, _real, _list = _only(str), _only(int), _only(float), _only(list)
OUTPUT_FIELDS: dict[str, Callable[[Any], Any]] = {"head": _text, "tail": _text, "lost_bytes": _whole}
FIELDS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("id", "job_id", "run_id", "kind", "error", "commit", "line_hash", "boot_id"), _text),
    "at": _moment,
    **dict.fromkeys(("slot", "started_at"), _or_none(_moment)),
    **dict.fromkeys(("attempt", "seq"), _whole),
    **dict.fromkeys(("exit_code", "signal"), _or_none(_whole)),
    "duration_s": _or_none(_number),
    "timed_out": _only(bool),
    "flags": _texts,
    "output": _or_none(_output),
}
