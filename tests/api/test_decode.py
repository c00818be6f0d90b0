"""The fast reader of check-ins reads what FastAPI reads, or nothing."""

from __future__ import annotations

import dataclasses
import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contract import wire
from crontopus_app.api.fast_checkins import decode
from tests.cast import JOB_ID, NOON

FIELDS = [each.name for each in dataclasses.fields(wire.Checkin)]
SLOW = TypeAdapter(wire.Checkin)
USUAL = {
    "id": str(uuid.UUID(int=1)),
    "job_id": JOB_ID,
    "run_id": str(uuid.UUID(int=2)),
    "kind": "success",
    "at": NOON.isoformat(),
    "duration_s": 1.5,
    "exit_code": 0,
    "signal": None,
    "flags": ["late_start"],
    "slot": "2026-11-23T12:00:00Z",
    "started_at": "2026-11-23T11:59:59.123456+01:00",
    "output": {"head": "x", "tail": "ü\u2400", "lost_bytes": 7},
}
MOMENTS = [
    "2026-11-23T12:00:00-00:00",
    "2026-11-23T24:00:00Z",
    "2026-11-23T12:00:60Z",
    "2026-11-23T12:00:00.1234567Z",
    "2026-11-23T12:00:00.1Z",
    "2026-11-23T12:00:00+24:00",
    "2026-11-23T12:00:00+05:60",
    "2026-11-23T12:00:00-23:59",
    "0000-01-01T00:00:00Z",
    "2026-02-29T00:00:00Z",
    "2026-11-23 12:00:00Z",
    "2026-11-23T12:00:00",
    "2026-W48-1",
    "1763899200",
    "٢026-11-23T12:00:00Z",
]
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(2**70),
    st.floats(),
    st.text(max_size=5),
    st.just("\ud800"),
    st.sampled_from(MOMENTS),
    st.datetimes(timezones=st.timezones()).map(str),
    st.lists(st.text(max_size=3) | st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["head", "lost_bytes", "other"]), st.text(max_size=3) | st.integers(), max_size=2),
)


def slow(body: bytes) -> wire.Checkin | None:
    try:
        return SLOW.validate_python(json.loads(body))
    except (ValidationError, ValueError):
        return None


def test_what_our_senders_write_is_read_fast() -> None:
    body = json.dumps(USUAL).encode()
    assert decode(body) == slow(body) != None  # noqa: E711 -- both read it


@given(st.sampled_from([*FIELDS, "other"]), ODD, st.booleans())
def test_what_is_read_fast_is_what_fastapi_reads(name: str, value: Any, ascii_only: bool) -> None:
    body = json.dumps({**USUAL, name: value}, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    fast = decode(body)
    assert fast is None or fast == slow(body)


@pytest.mark.parametrize("field", ["at", "slot"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_moments_are_read_as_fastapi_reads_them(field: str, moment: str) -> None:
    body = json.dumps({**USUAL, field: moment}).encode()
    fast = decode(body)
    assert fast is None or fast == slow(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"[" * 100_000,
        b"\xff",
        b'{"id": 1}',
        json.dumps(USUAL).encode("utf-16"),
        json.dumps({key: value for key, value in USUAL.items() if key != "at"}).encode(),
        json.dumps(USUAL).replace("1.5", "1" * 5000).encode(),
    ],
)
def test_what_is_not_usual_is_left_to_fastapi(body: bytes) -> None:
    assert decode(body) is None
