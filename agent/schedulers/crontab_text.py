"""Finds, replaces and removes the managed block in the bytes of a crontab. Pure; keeps every byte outside the block.

As in cron(8), only ``\\n`` ends a line: carriage returns, tabs and bytes that are not UTF-8 belong to the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

BEGIN = "# BEGIN CRONTOPUS — managed from Git; edit the manifests, not these lines\n".encode()
END = b"# END CRONTOPUS\n"
# Marks that the crontab did not end in a newline before the block was appended, so that removing the block restores it.
OPEN_END = b"# (the line above this block had no newline)\n"
# Each stands before a CRON_TZ line of the block (see ``crontab_zone``).
HOST_ZONE = b"# (a CRON_TZ above is in force; these jobs use the host's zone)\n"
ZONE_AGAIN = b"# (the CRON_TZ from above again)\n"

UUID = rb"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_OURS = re.compile(rb"^#?[^#\n]*/bin/run-job (" + UUID + rb")\s*$")
_COMMENT = re.compile(rb"^# [a-z0-9-]+/[a-z0-9-]+ [0-9a-f]{4,40}( paused)?\s*$")
_FIRST_CRONTOPUS = re.compile(rb"^\s*[^#\s].*?(?:run-job CRONTOPUS:|#\s*CRONTOPUS:)(" + UUID + rb")\s*$")


@dataclass(frozen=True)
class Span:
    """Bytes ``start:end`` of a crontab."""

    start: int
    end: int


def lines(data: bytes) -> list[bytes]:
    """The lines with their line ends; joined, they equal ``data``."""
    parts = [part + b"\n" for part in data.split(b"\n")]
    parts[-1] = parts[-1][:-1]
    return parts if parts[-1] else parts[:-1]


def job_of(line: bytes) -> str | None:
    """The job's id if the agent wrote this line, else None."""
    match = _OURS.match(line)
    return match.group(1).decode().lower() if match else None


def runner_of(line: bytes) -> bytes | None:
    """The path of the runner that this line of a block calls, else None."""
    match = _OURS.match(line)
    return line[: match.start(1)].split()[-1] if match else None


def spans(data: bytes) -> list[Span]:
    """Every managed block, in order.

    A block with only one marker extends over the adjacent lines that the agent wrote, so that a damaged marker never
    costs a foreign line.
    """
    every = lines(data)
    offsets = _offsets(every)
    blocks: list[Span] = []
    index = 0
    while index < len(every):
        if _is(every[index], BEGIN):
            stop = _end_of_block(every, index)
            blocks.append(Span(offsets[index], offsets[stop]))
            index = stop
        elif _is(every[index], END):
            first = _start_of_headless(every, index, offsets, blocks)
            blocks.append(Span(offsets[first], offsets[index + 1]))
            index += 1
        else:
            index += 1
    return blocks


def _offsets(every: list[bytes]) -> list[int]:
    offsets = [0]
    for line in every:
        offsets.append(offsets[-1] + len(line))
    return offsets


def _is(line: bytes, marker: bytes) -> bool:
    return line == marker or line == marker[:-1]


def is_ours(line: bytes) -> bool:
    """Whether the line looks like one of a block. Beside a marker this is enough; elsewhere see ``crontab_loose``."""
    if any(_is(line, ours) for ours in (OPEN_END, HOST_ZONE, ZONE_AGAIN)):
        return True
    return job_of(line) is not None or _COMMENT.match(line) is not None


def _is_zone(every: list[bytes], index: int) -> bool:
    """Whether the line is a ``CRON_TZ`` of a block, which its comment shows."""
    return b"CRON_TZ" in every[index] and every[index - 1 : index] in ([HOST_ZONE], [ZONE_AGAIN])


def _end_of_block(every: list[bytes], begin: int) -> int:
    """The index of the first line after the block that starts at ``begin``."""
    for index in range(begin + 1, len(every)):
        if _is(every[index], END):
            return index + 1
        if _is(every[index], BEGIN):
            break
    index = begin + 1
    while index < len(every) and (is_ours(every[index]) or _is_zone(every, index)):
        index += 1
    return index


def _start_of_headless(every: list[bytes], end: int, offsets: list[int], blocks: list[Span]) -> int:
    """The index of the first line of a block that has only its end marker, at ``end``."""
    floor = blocks[-1].end if blocks else 0
    index = end
    while index > 0 and offsets[index - 1] >= floor and (is_ours(every[index - 1]) or _is_zone(every, index - 1)):
        index -= 1
    return index


def block(data: bytes) -> bytes | None:
    """The first managed block with its markers, or None."""
    blocks = spans(data)
    return data[blocks[0].start : blocks[0].end] if blocks else None


def outside(data: bytes) -> bytes:
    """The bytes outside the managed blocks."""
    return without(data)


def without(data: bytes) -> bytes:
    """The crontab without any managed block, as it was before the first one was added."""
    for span in reversed(spans(data)):
        before, after = data[: span.start], data[span.end :]
        open_end = OPEN_END in data[span.start : span.end]
        if open_end and not after and before.endswith(b"\n"):
            before = before[:-1]
        data = before + after
    return data


def splice(data: bytes, body: Iterable[bytes]) -> bytes:
    """Replaces the contents of the managed block with ``body`` (whole lines), or appends a new block.

    The block stays where it is, so environment lines keep their effect. Without a body and a block, ``data`` stays.
    """
    inner = b"".join(body)
    blocks = spans(data)
    if not blocks:
        return data + _open(data) + inner + END if inner else data
    for extra in reversed(blocks[1:]):
        data = data[: extra.start] + data[extra.end :]
    span = blocks[0]
    open_end = OPEN_END if OPEN_END in data[span.start : span.end] else b""
    return data[: span.start] + BEGIN + open_end + inner + END + data[span.end :]


def _open(data: bytes) -> bytes:
    if data and not data.endswith(b"\n"):
        return b"\n" + BEGIN + OPEN_END
    return BEGIN


def entries(data: bytes) -> dict[str, list[bytes]]:
    """The lines of the first managed block by job id."""
    by_job: dict[str, list[bytes]] = {}
    for line in lines(block(data) or b""):
        job = job_of(line)
        if job:
            by_job.setdefault(job, []).append(line)
    return by_job


def take_first_crontopus(data: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Removes the lines of the first Crontopus. Returns the rest, and those lines by job id. Keeps commented lines."""
    if b"CRONTOPUS:" not in data:
        return data, {}
    by_job: dict[str, bytes] = {}
    rest, start = b"", 0
    for span in [*spans(data), Span(len(data), len(data))]:
        for line in lines(data[start : span.start]):
            match = _FIRST_CRONTOPUS.match(line)
            if match:
                by_job[match.group(1).decode().lower()] = line if line.endswith(b"\n") else line + b"\n"
            else:
                rest += line
        rest += data[span.start : span.end]
        start = span.end
    return rest, by_job
