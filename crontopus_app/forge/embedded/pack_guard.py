"""Looks through a pushed pack before anything is unpacked into memory (gitformat-pack(5)).

A few kilobytes of zlib can claim to be gigabytes. Every object is inflated piece by piece and thrown away, so what
passes here is known to stay below the limits, deltas' results included.
"""

from __future__ import annotations

import os
import zlib
from typing import IO

from crontopus_app.forge.embedded.refused import Refused

MAX_OBJECT = 32 * 1024 * 1024
MAX_TOTAL = 512 * 1024 * 1024
MAX_OBJECTS = 200_000
CHUNK = 16 * 1024
OFS_DELTA, REF_DELTA = 6, 7


def check(source: IO[bytes]) -> None:
    """Raises 413 for a pack that unpacks to too much, 400 for one that is none; leaves ``source`` where it was."""
    start = source.tell()
    header = _exactly(source, 12)
    if header[:4] != b"PACK" or int.from_bytes(header[4:8], "big") not in (2, 3):
        raise Refused(400, "not a pack")
    count = int.from_bytes(header[8:], "big")
    if count > MAX_OBJECTS:
        raise Refused(413, f"a push has at most {MAX_OBJECTS} objects")
    total = 0
    for _ in range(count):
        total += _object(source)
        if total > MAX_TOTAL:
            raise Refused(413, f"a push unpacks to at most {MAX_TOTAL} bytes")
    source.seek(start)


def _object(source: IO[bytes]) -> int:
    """Passes over one object; how many bytes it will take in memory."""
    kind, size = _header(source)
    if kind == OFS_DELTA:
        while _exactly(source, 1)[0] & 0x80:
            pass
    elif kind == REF_DELTA:
        _exactly(source, 20)
    _refuse_large(size)
    head = _inflate(source, size)
    if kind not in (OFS_DELTA, REF_DELTA):
        return size
    result = _delta_result(head)
    _refuse_large(result)
    return size + result


def _header(source: IO[bytes]) -> tuple[int, int]:
    byte = _exactly(source, 1)[0]
    kind, size, shift = (byte >> 4) & 7, byte & 15, 4
    while byte & 0x80:
        byte = _exactly(source, 1)[0]
        size |= (byte & 0x7F) << shift
        shift += 7
        if shift > 60:
            raise Refused(400, "an object of an impossible size")
    return kind, size


def _inflate(source: IO[bytes], size: int) -> bytes:
    """Passes over zlib data that must be ``size`` bytes long when inflated; returns the first few of them."""
    inflate = zlib.decompressobj()
    head, length, waiting = b"", 0, b""
    try:
        while not inflate.eof:
            waiting = waiting or source.read(CHUNK)
            if not waiting:
                raise Refused(400, "the pack was cut off")
            piece = inflate.decompress(waiting, CHUNK)
            waiting = inflate.unconsumed_tail
            head, length = head or piece[:20], length + len(piece)
            if length > size:
                raise Refused(400, "an object is longer than it says")
    except zlib.error:
        raise Refused(400, "the pack is damaged") from None
    source.seek(-len(inflate.unused_data), os.SEEK_CUR)
    return head


def _delta_result(head: bytes) -> int:
    """The second number of a delta: how long its result is."""
    numbers, value, shift = [], 0, 0
    for byte in head:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            numbers.append(value)
            value, shift = 0, 0
        if len(numbers) == 2:
            return numbers[1]
    raise Refused(400, "a delta is damaged")


def _refuse_large(size: int) -> None:
    if size > MAX_OBJECT:
        raise Refused(413, f"a file in a push has at most {MAX_OBJECT} bytes")


def _exactly(source: IO[bytes], size: int) -> bytes:
    data = source.read(size)
    if len(data) < size:
        raise Refused(400, "the pack was cut off")
    return data
