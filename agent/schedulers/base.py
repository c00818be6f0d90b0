"""What every scheduler offers: observe, prepare, apply, discover. How it keeps its entries is its own affair."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from contract.wire import CrontabLine, Drift


@dataclass(frozen=True)
class Observed:
    """One reading of a scheduler.

    ``content`` is all that it holds, as a backup keeps it; ``entries`` are our lines by job id; ``legacy`` are lines
    of the first Crontopus by job id; ``drift`` is how our part differs from what the agent wrote last.
    """

    content: bytes
    exists: bool
    entries: Mapping[str, list[bytes]]
    legacy: Mapping[str, str] = field(default_factory=dict)
    drift: list[Drift] = field(default_factory=list)


@dataclass(frozen=True)
class Prepared:
    """What ``apply`` makes of ``before``: all of the content, and our part of it, by which drift is noticed later."""

    before: Observed
    content: bytes
    ours: str | None

    @property
    def changes(self) -> bool:
        return self.content != self.before.content


class Scheduler(Protocol):
    """The scheduler of this host. Whatever cannot be read or written raises SchedulerFailed."""

    @property
    def name(self) -> str: ...

    def capabilities(self) -> dict[str, object]:
        """What it can do, as reported to the server."""
        ...

    def observe(self, ours: str | None) -> Observed:
        """What it holds now. ``ours`` is our part as the agent wrote it last, None before the first write."""
        ...

    def prepare(self, before: Observed, lines: Iterable[bytes]) -> Prepared:
        """The content with ``lines`` as our entries. Nothing else of it changes, and nothing is written yet."""
        ...

    def apply(self, prepared: Prepared, backup: Callable[[bytes], object]) -> None:
        """Write the content, after ``backup`` has kept what is replaced.

        Raises SchedulerFailed where somebody changed it since it was observed (nothing is written), and where what is
        read back is not what was written.
        """
        ...

    def discover(self, content: bytes, titles: Mapping[str, str]) -> list[CrontabLine]:
        """Each entry in ``content`` with its standing; ``titles`` names jobs by id. Secrets are masked."""
        ...

    def leave(self, backup: Callable[[bytes], object], *, remove_empty: bool) -> None:
        """Take our entries out. With ``remove_empty`` nothing is left where nothing else is there."""
        ...

    def restore(self, content: bytes, backup: Callable[[bytes], object]) -> None:
        """Replace all that it holds by the content of a backup."""
        ...

    def mark(self) -> Hashable:
        """Cheap to ask; differs after anybody changed the entries."""
        ...
