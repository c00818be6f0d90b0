"""Reads and writes Git's pkt-lines (gitprotocol-common(5)), plain or on a side band."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from crontopus_app.forge.embedded.http_error import HttpError

FLUSH = b"0000"
BAND_DATA, BAND_ERROR = b"\x01", b"\x03"
MAX_DATA = 65515
MAX_LINE = 65520


def line(data: bytes) -> bytes:
    return f"{len(data) + 4:04x}".encode() + data


def read(source: IO[bytes]) -> bytes | None:
    """The next line without its newline; None for a flush. Raises EOFError at the end, 400 for a malformed line."""
    head = source.read(4)
    if not head:
        raise EOFError
    try:
        size = int(head, 16) if len(head) == 4 else 1
    except ValueError:
        raise HttpError(400, "not a pkt-line") from None
    if size == 0:
        return None
    if not 4 <= size <= MAX_LINE:
        raise HttpError(400, "a pkt-line has an invalid length")
    data = source.read(size - 4)
    if len(data) < size - 4:
        raise HttpError(400, "a pkt-line is incomplete")
    return data.rstrip(b"\n")


def banded(write: Callable[[bytes], object]) -> Callable[[bytes], None]:
    """A function that writes data on the side band for packs and reports."""

    def send(data: bytes) -> None:
        for start in range(0, len(data), MAX_DATA):
            write(line(BAND_DATA + data[start : start + MAX_DATA]))

    return send


def refs_advertisement(service: str, refs: list[tuple[bytes, bytes]], capabilities: bytes) -> bytes:
    """The response to ``info/refs`` in protocol version 0."""
    rows = refs or [(b"capabilities^{}", b"0" * 40)]
    out = [line(b"# service=" + service.encode() + b"\n"), FLUSH]
    for number, (name, sha) in enumerate(rows):
        out.append(line(sha + b" " + name + (b"\0" + capabilities if number == 0 else b"") + b"\n"))
    return b"".join([*out, FLUSH])
