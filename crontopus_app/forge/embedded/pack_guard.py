"""Checks the sizes in a pushed pack before it is unpacked into memory (gitformat-pack(5)).

A few kilobytes of zlib data can inflate to gigabytes. Every object is inflated in chunks and discarded, so an accepted
pack stays below the limits, including the results of its deltas.
"""

from __future__ import annotations

import os
import zlib
from typing import IO

from crontopus_app.forge.embedded.http_error import HttpError

MAX_OBJECT = 32 * 1024 * 1024
MAX_TOTAL = 512 * 1024 * 1024
MAX_OBJECTS = 200_000
CHUNK = 16 * 1024
OFS_DELTA, REF_DELTA = 6, 7


def check(source: IO[bytes]) -> None:
    """Raises 413 for a pack that is too large when unpacked, 400 for an invalid one. Restores ``source``'s position."""
    start = source.tell()
    header = _exactly(source, 12)
    if header[:4] != b"PACK" or int.from_bytes(header[4:8], "big") not in (2, 3):
        raise HttpError(400, "not a pack")
    count = int.from_bytes(header[8:], "big")
    if count > MAX_OBJECTS:
        raise HttpError(413, f"the push has too many objects: at most {MAX_OBJECTS} are allowed")
    total = 0
    for _ in range(count):
        total += _object(source)
        if total > MAX_TOTAL:
            raise HttpError(413, f"the push is too large: unpacked, at most {MAX_TOTAL} bytes are allowed")
    source.seek(start)


def _object(source: IO[bytes]) -> int:
    """Skips one object; returns the bytes that it needs in memory."""
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
            raise HttpError(400, "an object has an invalid size")
    return kind, size


def _inflate(source: IO[bytes], size: int) -> bytes:
    """Skips zlib data that must inflate to ``size`` bytes; returns the first bytes of it."""
    inflate = zlib.decompressobj()
    head, length, pending = b"", 0, b""
    try:
        while not inflate.eof:
            pending = pending or source.read(CHUNK)
            if not pending:
                raise HttpError(400, "the pack is incomplete")
            chunk = inflate.decompress(pending, CHUNK)
            pending = inflate.unconsumed_tail
            head, length = head or chunk[:20], length + len(chunk)
            if length > size:
                raise HttpError(400, "an object is longer than its header says")
    except zlib.error:
        raise HttpError(400, "the pack is damaged") from None
    source.seek(-len(inflate.unused_data), os.SEEK_CUR)
    return head


def _delta_result(head: bytes) -> int:
    """The size of a delta's result, which is the second number of the delta."""
    numbers, value, shift = [], 0, 0
    for byte in head:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            numbers.append(value)
            value, shift = 0, 0
        if len(numbers) == 2:
            return numbers[1]
    raise HttpError(400, "a delta is damaged")


def _refuse_large(size: int) -> None:
    if size > MAX_OBJECT:
        raise HttpError(413, f"the push has a file that is too large: at most {MAX_OBJECT} bytes are allowed")


def _exactly(source: IO[bytes], size: int) -> bytes:
    data = source.read(size)
    if len(data) < size:
        raise HttpError(400, "the pack is incomplete")
    return data
