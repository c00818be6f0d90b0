"""A crontab as bytes: where our block is, how it is put in and taken out. Pure; every byte outside the block is kept.

Lines end at ``\\n`` only, as in cron(8): carriage returns, tabs, bytes that are not UTF-8 belong to their line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

BEGIN = "# BEGIN CRONTOPUS — managed from Git; edit the manifests, not these lines\n".encode()
END = b"# END CRONTOPUS\n"
# Says that the file did not end in a newline when the block was appended, so that removing the block restores it.
OPEN_END = b"# (the line above this block had no newline)\n"

_UUID = rb"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_OURS = re.compile(rb"^#?[^#\n]*/bin/run-job (" + _UUID + rb")\s*$")
_COMMENT = re.compile(rb"^# [a-z0-9-]+/[a-z0-9-]+ [0-9a-f]{4,40}( paused)?\s*$")
_FIRST_CRONTOPUS = re.compile(rb"^\s*[^#\s].*?(?:run-job CRONTOPUS:|#\s*CRONTOPUS:)(" + _UUID + rb")\s*$")


@dataclass(frozen=True)
class Span:
    """Bytes ``start:end`` of a crontab."""

    start: int
    end: int


def lines(data: bytes) -> list[bytes]:
    """The lines with their ends; joined again they are ``data``."""
    parts = [part + b"\n" for part in data.split(b"\n")]
    parts[-1] = parts[-1][:-1]
    return parts if parts[-1] else parts[:-1]


def job_of(line: bytes) -> str | None:
    """The job's id when this line is one that we write."""
    found = _OURS.match(line)
    return found.group(1).decode().lower() if found else None


def spans(data: bytes) -> list[Span]:
    """Every block of ours, in order.

    A block whose other marker was lost reaches as far as our own lines do, so damage to a marker never
    takes a foreign line along.
    """
    every = lines(data)
    offsets = _offsets(every)
    found: list[Span] = []
    index = 0
    while index < len(every):
        if _is(every[index], BEGIN):
            stop = _end_of_block(every, index)
            found.append(Span(offsets[index], offsets[stop]))
            index = stop
        elif _is(every[index], END):
            first = _start_of_headless(every, index, offsets, found)
            found.append(Span(offsets[first], offsets[index + 1]))
            index += 1
        else:
            index += 1
    return found


def _offsets(every: list[bytes]) -> list[int]:
    offsets = [0]
    for line in every:
        offsets.append(offsets[-1] + len(line))
    return offsets


def _is(line: bytes, marker: bytes) -> bool:
    return line == marker or line == marker[:-1]


def _ours(line: bytes) -> bool:
    return job_of(line) is not None or _COMMENT.match(line) is not None or _is(line, OPEN_END)


def _end_of_block(every: list[bytes], begin: int) -> int:
    """Index behind the block that starts at ``begin``."""
    for index in range(begin + 1, len(every)):
        if _is(every[index], END):
            return index + 1
        if _is(every[index], BEGIN):
            break
    index = begin + 1
    while index < len(every) and _ours(every[index]):
        index += 1
    return index


def _start_of_headless(every: list[bytes], end: int, offsets: list[int], found: list[Span]) -> int:
    floor = found[-1].end if found else 0
    index = end
    while index > 0 and offsets[index - 1] >= floor and _ours(every[index - 1]):
        index -= 1
    return index


def block(data: bytes) -> bytes | None:
    """The first block with its markers, or None."""
    found = spans(data)
    return data[found[0].start : found[0].end] if found else None


def outside(data: bytes) -> bytes:
    """What is not ours: exactly the bytes that ``without`` leaves."""
    return without(data)


def without(data: bytes) -> bytes:
    """The crontab with every block taken out, as it was before the first was put in."""
    for span in reversed(spans(data)):
        before, after = data[: span.start], data[span.end :]
        open_end = OPEN_END in data[span.start : span.end]
        if open_end and not after and before.endswith(b"\n"):
            before = before[:-1]
        data = before + after
    return data


def splice(data: bytes, body: Iterable[bytes]) -> bytes:
    """Put ``body`` (whole lines) into the block, where it stands; a new block goes to the end.

    Environment lines keep their place relative to the block. Without a body a crontab that has no block stays as it is.
    """
    inner = b"".join(body)
    found = spans(data)
    if not found:
        return data + _open(data) + inner + END if inner else data
    for extra in reversed(found[1:]):
        data = data[: extra.start] + data[extra.end :]
    span = found[0]
    kept = OPEN_END if OPEN_END in data[span.start : span.end] else b""
    return data[: span.start] + BEGIN + kept + inner + END + data[span.end :]


def _open(data: bytes) -> bytes:
    if data and not data.endswith(b"\n"):
        return b"\n" + BEGIN + OPEN_END
    return BEGIN


def entries(data: bytes) -> dict[str, list[bytes]]:
    """Job id → its lines inside the first block."""
    found: dict[str, list[bytes]] = {}
    for line in lines(block(data) or b""):
        job = job_of(line)
        if job:
            found.setdefault(job, []).append(line)
    return found


def take_first_crontopus(data: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Take the lines of the first Crontopus out: the rest, and job id → line. Commented lines stay where they are."""
    if b"CRONTOPUS:" not in data:
        return data, {}
    taken: dict[str, bytes] = {}
    rest, start = b"", 0
    for span in [*spans(data), Span(len(data), len(data))]:
        for line in lines(data[start : span.start]):
            found = _FIRST_CRONTOPUS.match(line)
            if found:
                taken[found.group(1).decode().lower()] = line if line.endswith(b"\n") else line + b"\n"
            else:
                rest += line
        rest += data[span.start : span.end]
        start = span.end
    return rest, taken
