"""What this process writes names no secret: neither its log, nor a traceback, nor what a library prints.

Records are masked when they are made, before a handler breaks their lines; the streams catch what is no record.
"""

from __future__ import annotations

import io
import logging
import sys
from typing import Any, TextIO, cast

from crontopus_app.base.masking import masked

# Characters of one message: some libraries log whatever they are sent.
LONGEST = 16_384


def hide_secrets() -> None:
    """From now on, for the whole process. Once is enough; each process of ours calls it at its start."""
    logging.setLogRecordFactory(_Record)
    if not isinstance(sys.stdout, _Masked):
        sys.stdout = cast(TextIO, _Masked(sys.stdout))
    if not isinstance(sys.stderr, _Masked):
        sys.stderr = cast(TextIO, _Masked(sys.stderr))


class _Record(logging.LogRecord):
    """A record whose text is masked, whoever formats it."""

    def getMessage(self) -> str:
        text = super().getMessage()
        return masked(text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)")


class _Masked(io.TextIOBase):
    """A text stream to which nothing is written unmasked; otherwise the stream itself, which it never closes."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def write(self, text: str, /) -> int:
        self._stream.write(masked(text))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] -- typed as a field there
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._stream.errors

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
