"""Masks secrets in everything this process writes: its log, tracebacks, and output of libraries.

Log records are masked before a handler wraps their lines; stdout and stderr are masked for all other output.
"""

from __future__ import annotations

import io
import logging
import sys
from typing import Any, TextIO, cast

from crontopus_app.base.masking import masked

# Maximum characters of one message: some libraries log whole requests.
LONGEST = 16_384


def hide_secrets() -> None:
    """Starts masking for this process. Each process calls it at its start; repeating it has no effect."""
    logging.setLogRecordFactory(_Record)
    if not isinstance(sys.stdout, _Masked):
        sys.stdout = cast(TextIO, _Masked(sys.stdout))
    if not isinstance(sys.stderr, _Masked):
        sys.stderr = cast(TextIO, _Masked(sys.stderr))


class _Record(logging.LogRecord):
    """A log record whose message is masked for every formatter."""

    def getMessage(self) -> str:
        text = super().getMessage()
        return masked(text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)")


class _Masked(io.TextIOBase):
    """A text stream that masks what is written and passes it to ``stream``, which it never closes."""

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
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] -- a field in the base class
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._stream.errors

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
