"""The lines of a job that were really installed on a host, and when. Pure.

A slot counts only while its line was in the host's scheduler. Each report of an agent says which line is installed; a
monitor keeps the lines whose slots are not all settled yet, in order and without overlap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class InstalledLine:
    """Expressions without ``H`` in ``zone``, installed at ``since`` ≤ t < ``until`` (None: still installed).

    ``policy`` is how the host's scheduler treats clock changes (``contract.schedule.POLICIES``).
    """

    since: datetime
    until: datetime | None
    schedule: tuple[str, ...]
    zone: str
    policy: str

    def is_like(self, other: InstalledLine) -> bool:
        return (self.schedule, self.zone, self.policy) == (other.schedule, other.zone, other.policy)

    def ended_by(self, at: datetime) -> bool:
        """Whether the line was not installed any more at ``at``."""
        return self.until is not None and self.until <= at


def reported(lines: Sequence[InstalledLine], line: InstalledLine | None, now: datetime) -> tuple[InstalledLine, ...]:
    """The lines after a report, received at ``now``, that says ``line`` is installed; None: no line of this job.

    A new line counts from the receipt of the report, because the host's clock may be wrong: a slot in the seconds
    between is not expected, but its run is still recorded.
    """
    current = lines[-1] if lines and lines[-1].until is None else None
    if current is not None and line is not None and current.is_like(line):
        return tuple(lines)
    closed = (*lines[:-1], replace(current, until=now)) if current else tuple(lines)
    return closed if line is None else (*closed, replace(line, since=now, until=None))


def unsettled(lines: Iterable[InstalledLine], settled_until: datetime | None) -> tuple[InstalledLine, ...]:
    """The lines that may still have slots after ``settled_until``."""
    if settled_until is None:
        return tuple(lines)
    return tuple(line for line in lines if line.until is None or line.until > settled_until)


def load(rows: Iterable[dict[str, Any]]) -> tuple[InstalledLine, ...]:
    """The lines in a monitor's column."""
    return tuple(
        InstalledLine(
            since=datetime.fromisoformat(row["since"]),
            until=datetime.fromisoformat(row["until"]) if row["until"] else None,
            schedule=tuple(row["schedule"]),
            zone=row["zone"],
            policy=row["policy"],
        )
        for row in rows
    )


def dump(lines: Iterable[InstalledLine]) -> list[dict[str, Any]]:
    """The column of a monitor with these lines."""
    return [
        {
            "since": line.since.isoformat(),
            "until": line.until.isoformat() if line.until else None,
            "schedule": list(line.schedule),
            "zone": line.zone,
            "policy": line.policy,
        }
        for line in lines
    ]
