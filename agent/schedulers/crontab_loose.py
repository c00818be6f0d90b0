"""The agent's lines outside the managed block, after ``sort``, ``grep -v '^#'``, a copy or an indent. Pure.

A line that calls this agent's runner with a job id, and has nothing else, is the agent's wherever it stands.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from agent.schedulers import crontab_text

_SCHEDULE = rb"(?:@[a-z]+|[^\s#@]\S*(?:[ \t]+\S+){4})"
_FIXED = (crontab_text.OPEN_END, crontab_text.HOST_ZONE, crontab_text.ZONE_AGAIN)


def loose(data: bytes, runner: Path, written: str | None) -> list[bytes]:
    """The agent's lines outside the managed blocks. ``written``: the block as the agent wrote it last."""
    is_ours = _Ours(runner, written)
    inside = _inside(data)
    return [line for line, within in zip(crontab_text.lines(data), inside) if not within and is_ours.alone(line)]


def without_loose(data: bytes, runner: Path, written: str | None) -> bytes:
    is_ours, every = _Ours(runner, written), zip(crontab_text.lines(data), _inside(data))
    return b"".join(line for line, within in every if within or not is_ours.alone(line))


def other_runners(data: bytes, runner: Path) -> list[str]:
    """The runners of other agents that the managed block calls."""
    inside = [line for line, within in zip(crontab_text.lines(data), _inside(data)) if within]
    called = [os.fsdecode(path) for path in map(crontab_text.runner_of, inside) if path]
    return sorted(set(called) - {str(runner)})


def collect(data: bytes, runner: Path, written: str | None) -> bytes:
    """``data`` with the agent's lines in one block only.

    A block that is as the agent wrote it stays. Else its lines were moved, so that other lines may stand between its
    markers: an empty block at the place of the agent's first line replaces all that is the agent's, and nothing else.
    """
    if not loose(data, runner, written):
        return data
    if written is not None and crontab_text.block(data) == written.encode("utf-8", "surrogateescape"):
        return without_loose(data, runner, written)
    is_ours, every = _Ours(runner, written), list(zip(crontab_text.lines(data), _inside(data)))
    taken = [is_ours.within(line) if within else is_ours.alone(line) for line, within in every]
    kept = [line for (line, _), ours in zip(every, taken) if not ours]
    kept.insert(taken.index(True), crontab_text.BEGIN + crontab_text.END)
    return b"".join(kept)


class _Ours:
    """Whether the agent wrote a line."""

    def __init__(self, runner: Path, written: str | None) -> None:
        self._path = str(runner).encode("utf-8", "surrogateescape")
        call = _SCHEDULE + rb"[ \t]+" + re.escape(self._path) + rb" " + crontab_text.UUID
        self._call = re.compile(rb"^[ \t]*(?:#[ \t]*)?" + call + rb"\s*$")
        block = crontab_text.lines((written or "").encode("utf-8", "surrogateescape"))
        # A CRON_TZ line alone may be a person's own.
        self._zones = {line for line in block if b"CRON_TZ" in line}
        self._comments = {line.strip() for line in [*block, *_FIXED] if line.startswith(b"# ")}
        self._markers = {crontab_text.BEGIN.strip(), crontab_text.END.strip()}

    def alone(self, line: bytes) -> bool:
        """For a line outside of any block."""
        if self._path in line:
            return bool(self._call.match(line))
        return line.strip() in self._comments - self._markers

    def within(self, line: bytes) -> bool:
        """For a line between the markers, or for a marker."""
        return self.alone(line) or line in self._zones or line.strip() in self._markers or crontab_text.is_ours(line)


def _inside(data: bytes) -> list[bool]:
    """For each line whether it stands in a managed block."""
    blocks = crontab_text.spans(data)
    inside, offset = [], 0
    for line in crontab_text.lines(data):
        inside.append(any(span.start <= offset < span.end for span in blocks))
        offset += len(line)
    return inside
