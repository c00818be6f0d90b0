"""The interface of all schedulers: observe, prepare, apply, discover. Each decides how it stores its entries."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from contract.wire import CrontabLine, Drift

CHANGED_MEANWHILE = "the crontab changed during this pass; the next pass starts again"


@dataclass(frozen=True)
class Observed:
    """The observed state of a scheduler.

    ``content``: all of it, as a backup stores it. ``entries``: the managed lines by job id. ``legacy``: lines of the
    first Crontopus by job id. ``drift``: how the managed part differs from ``written``, what the agent wrote last.
    ``other_agent``: the runner of another agent of this host that manages the same entries, empty if there is none.
    """

    content: bytes
    exists: bool
    entries: Mapping[str, list[bytes]]
    legacy: Mapping[str, str] = field(default_factory=dict)
    drift: list[Drift] = field(default_factory=list)
    written: str | None = None
    other_agent: str = ""


@dataclass(frozen=True)
class Prepared:
    """The planned state: the whole content, and the managed part ``ours``, with which drift is detected later."""

    before: Observed
    content: bytes
    ours: str | None

    @property
    def changes(self) -> bool:
        return self.content != self.before.content


class Scheduler(Protocol):
    """The scheduler of this host. Methods raise ``SchedulerFailed`` if it cannot be read or written."""

    @property
    def name(self) -> str: ...

    def capabilities(self) -> dict[str, object]:
        """The capabilities for the report to the server."""
        ...

    def observe(self, ours: str | None) -> Observed:
        """The current state. ``ours``: the managed part as the agent wrote it last, None before the first write."""
        ...

    def prepare(self, before: Observed, lines: Iterable[bytes], cron_tz: str = "") -> Prepared:
        """The content with ``lines`` as the managed entries and no other change. Writes nothing.

        ``cron_tz``: the zone that the entries mean, if this host's cron knows ``CRON_TZ``.
        """
        ...

    def apply(self, prepared: Prepared, backup: Callable[[bytes], object]) -> None:
        """Writes the content, after a call of ``backup`` with the old one.

        Raises ``SchedulerFailed`` without writing if the content has changed since ``observe``, and after writing if
        it cannot read the same content back.
        """
        ...

    def discover(self, content: bytes, titles: Mapping[str, str]) -> list[CrontabLine]:
        """The lines of ``content`` with their standing, secrets masked. ``titles`` maps job ids to names."""
        ...

    def leave(self, ours: str | None, backup: Callable[[bytes], object], *, remove_empty: bool) -> str:
        """Removes the managed entries. ``ours``: as for ``observe``.

        ``remove_empty``: also removes a crontab without other lines.

        Returns a sentence for the user if the content is not exactly what it was, else an empty text.
        """
        ...

    def restore(self, content: bytes, backup: Callable[[bytes], object]) -> str:
        """Replaces the whole content with that of a backup. Returns the same as ``leave``."""
        ...

    def mark(self) -> Hashable:
        """A value that changes with the entries, and is cheap to get."""
        ...

    @property
    def seen(self) -> Hashable:
        """The mark of the entries as they were read or written last: if ``mark`` differs, they have changed since."""
        ...
