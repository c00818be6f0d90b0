"""A crontab as a scheduler. The managed entries are a block between two markers; every other byte stays."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from agent.errors import Rejected, SchedulerFailed
from agent.host import logged_in, owner_of
from agent.schedulers import crontab_lines, crontab_loose, crontab_text, crontab_zone
from agent.schedulers.base import CHANGED_MEANWHILE, Observed, Prepared
from contract.wire import CrontabLine, Drift

NEWLINE_ADDED = "The crontab had no newline at its end, which crontab(1) does not accept: it has one now."


class CrontabStore(Protocol):
    """Reads and writes one crontab. Methods raise ``SchedulerFailed`` if it cannot be read or written."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> Path | None:
        """The crontab's file, None if it is not visible."""
        ...

    def read(self) -> bytes | None:
        """The crontab, or None if there is none."""
        ...

    def write(self, data: bytes, before: bytes | None = None) -> None:
        """Replaces the crontab atomically. Writes nothing and raises if it is no more ``before``, which was read."""
        ...

    def clear(self) -> None:
        """Removes the crontab."""
        ...

    def mark(self) -> Hashable:
        """A value that changes with the crontab, and is cheap to get."""
        ...


class Crontab:
    """The scheduler of the crontab in ``store``. ``runner``: the program that the managed lines call."""

    def __init__(self, store: CrontabStore, runner: Path) -> None:
        self.store = store
        self._runner = runner
        self._seen: Hashable = None

    @property
    def name(self) -> str:
        return self.store.name

    def capabilities(self) -> dict[str, object]:
        return {"scheduler": self.name, "reboot": True, "zones": "cover", "user": os.geteuid() == 0}

    @property
    def seen(self) -> Hashable:
        return self._seen

    def observe(self, ours: str | None) -> Observed:
        self._seen = self.store.mark()
        data = self.store.read()
        content = data or b""
        _, legacy = crontab_text.take_first_crontopus(content)
        return Observed(
            content,
            data is not None,
            crontab_text.entries(content),
            {job: line.decode("utf-8", "surrogateescape") for job, line in legacy.items()},
            self._drift(ours, content),
            ours,
            self._other_agent(content),
        )

    def _drift(self, ours: str | None, content: bytes) -> list[Drift]:
        if ours is None:
            return []
        loose = crontab_loose.loose(content, self._runner, ours)
        if not loose and not crontab_lines.differs(ours, content):
            return []
        owner, modified = owner_of(self.store.path)
        return crontab_lines.drift_between(ours, content, loose, owner, modified, logged_in())

    def prepare(self, before: Observed, lines: Iterable[bytes], cron_tz: str = "") -> Prepared:
        collected = crontab_loose.collect(before.content, self._runner, before.written)
        rest, _ = crontab_text.take_first_crontopus(collected)
        body = list(lines)
        content = crontab_text.splice(rest, crontab_zone.framed(_above(rest), body, cron_tz) if cron_tz else body)
        block = crontab_text.block(content)
        return Prepared(before, content, None if block is None else block.decode("utf-8", "surrogateescape"))

    def apply(self, prepared: Prepared, backup: Callable[[bytes], object]) -> None:
        if (self.store.read() or b"") != prepared.before.content:
            raise SchedulerFailed(CHANGED_MEANWHILE)
        backup(prepared.before.content)
        self._write_and_compare(prepared.content, prepared.before.content)

    def discover(self, content: bytes, titles: Mapping[str, str]) -> list[CrontabLine]:
        return crontab_lines.lines_for_report(content, titles)

    def leave(self, ours: str | None, backup: Callable[[bytes], object], *, remove_empty: bool) -> str:
        data = self.store.read()
        rest = self._without_ours(data or b"", ours)
        if data is None or rest == data:
            return ""
        backup(data)
        if rest or not remove_empty:
            return self._write_whole(rest, data)
        self.store.clear()
        return ""

    def _other_agent(self, data: bytes) -> str:
        """The runner of another agent whose block this is, if that agent is still on this host; else an empty text."""
        return next((path for path in crontab_loose.other_runners(data, self._runner) if Path(path).exists()), "")

    def _without_ours(self, data: bytes, ours: str | None) -> bytes:
        if self._other_agent(data):
            return crontab_loose.without_loose(data, self._runner, ours)
        return crontab_text.without(crontab_loose.collect(data, self._runner, ours))

    def restore(self, content: bytes, backup: Callable[[bytes], object]) -> str:
        before = self.store.read() or b""
        backup(before)
        return self._write_whole(content, before)

    def _write_whole(self, content: bytes, before: bytes) -> str:
        """Writes ``content``; with a newline at its end if it is not accepted without one, and then says so."""
        try:
            self._write_and_compare(content, before)
        except Rejected:
            if not content or content.endswith(b"\n"):
                raise
            self._write_and_compare(content + b"\n", before)
            return NEWLINE_ADDED
        return ""

    def _write_and_compare(self, content: bytes, before: bytes) -> None:
        self.store.write(content, before)
        self._seen = self.store.mark()
        if (self.store.read() or b"") != content:
            raise SchedulerFailed("the crontab differs from what was just written: another program changes it too")

    def mark(self) -> Hashable:
        return self.store.mark()


def _above(data: bytes) -> bytes:
    """What stands above the managed block, or above the place where it will be."""
    blocks = crontab_text.spans(data)
    return data[: blocks[0].start] if blocks else data
