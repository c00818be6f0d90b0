"""Decides which slots are missed and which runs are lost. Pure.

A slot is missed if no run of it started by its deadline: the slot plus the start grace. That is decided only when the
host has confirmed since the slot that no check-in waits on it; until then, the slot stays open.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise

from contract.schedule import ScheduleError, epochs
from contract.schedule_zones import load
from crontopus_app.monitoring.installed import InstalledLine

# The default start grace: 5 % of the time to the next slot, within these limits.
GRACE_SHARE = 0.05
LEAST_GRACE, MOST_GRACE = timedelta(minutes=2), timedelta(hours=1)
# A start's check-in has arrived, or waits on the host, this long after its slot.
ON_ITS_WAY = timedelta(seconds=15)
# A run belongs to the next slot if it starts at most this early: the host's clock may be ahead.
EARLY = timedelta(minutes=1)
# A run that starts more than this after its slot is flagged.
LATE_START = timedelta(minutes=1)
# Missed slots that one settlement returns. The next settlement continues.
AT_ONCE = 500
# Older slots are not recorded, so that a host that was off for a year does not cause half a million rows a job.
REMEMBERED = timedelta(days=7)
# A run that starts later than this after its slot is not looked up, whatever its grace.
LOOK_BACK = timedelta(days=1)
HORIZON_S = 50 * 366 * 86_400
# Until a host has been silent for so long, its open slots are examined again after RECHECK.
RECHECK = timedelta(seconds=30)
# A run that has sent a heartbeat or output within this time still runs.
ALIVE = timedelta(minutes=5)


# Why a run is lost, in words.
RESTARTED = "The host restarted during the run, and nothing was heard of the run since."
TIME_OVER = "The run did not report its end within its longest possible time."


@dataclass(frozen=True)
class DueSlot:
    """A slot, its deadline, and the slot after it (None: none)."""

    at: datetime
    deadline: datetime
    following: datetime | None

    def is_of(self, started_for: datetime, previous: datetime | None) -> bool:
        """Whether a run that names the slot ``started_for`` is a run of this one.

        cron may start a run a minute late, and a clock that is ahead may start it early.
        """
        if self.at <= started_for:
            end = min(self.deadline, self.following) if self.following else self.deadline
            return started_for == self.at or started_for < end
        if self.following is not None and self.following - self.at <= EARLY:
            return False  # due each minute: a run of the minute before is a run of its own slot
        return started_for != previous and self.at - started_for <= EARLY


@dataclass(frozen=True)
class Settlement:
    """``missed`` slots, the last slot that is settled, and the next deadline (None: no slot is due any more).

    ``ran``: the other settled slots, each with the slots that its runs name.
    ``held``: a deadline has passed, but the host has not confirmed yet that nothing waits on it.
    """

    missed: tuple[DueSlot, ...]
    settled_until: datetime | None
    next_deadline: datetime | None
    held: bool = False
    ran: tuple[tuple[datetime, frozenset[datetime]], ...] = ()


def due_slots(lines: Sequence[InstalledLine], grace: timedelta | None, after: datetime) -> Iterator[DueSlot]:
    """The slots of the lines after ``after``, ascending. A ``grace`` of None means the default for each slot."""
    return chain.from_iterable(_of_line(line, grace, after) for line in lines)


def settle(
    lines: Sequence[InstalledLine],
    grace: timedelta | None,
    settled_until: datetime | None,
    started_for: Collection[datetime],
    heard_until: datetime | None,
    now: datetime,
    *,
    in_contact: bool = True,
) -> Settlement:
    """Settles the slots whose deadline has passed.

    ``started_for``: the slots that known runs name. ``heard_until``: when the host last confirmed that all its
    check-ins have been sent (None: never). A host that is not ``in_contact`` must have done so after the deadline.
    """
    missed: list[DueSlot] = []
    ran: list[tuple[datetime, frozenset[datetime]]] = []
    settled, previous = settled_until, settled_until
    for slot in due_slots(lines, grace, _not_before(settled_until, now)):
        if slot.deadline > now:
            return Settlement(tuple(missed), settled, slot.deadline, ran=tuple(ran))
        if len(missed) == AT_ONCE:
            return Settlement(tuple(missed), settled, now, ran=tuple(ran))
        named = frozenset(each for each in started_for if slot.is_of(each, previous))
        if named:
            ran.append((slot.at, named))
        else:
            confirmed = slot.at + ON_ITS_WAY if in_contact else max(slot.deadline, slot.at + ON_ITS_WAY)
            if heard_until is None or heard_until < confirmed:
                return Settlement(tuple(missed), settled, None, held=True, ran=tuple(ran))
            missed.append(slot)
        settled = previous = slot.at
    return Settlement(tuple(missed), settled, None, ran=tuple(ran))


@dataclass(frozen=True)
class StartedRun:
    """A run that names a slot. ``flags`` are those that it has. A run that was skipped has not started."""

    run_id: str
    slot: datetime
    started_at: datetime | None
    flags: frozenset[str] = frozenset()
    is_skipped: bool = False


def start_flags(slot: datetime, runs: Iterable[StartedRun]) -> dict[str, frozenset[str]]:
    """The flags of the runs of one slot that get another: the first may have started late, further ones are extra."""
    begun = sorted((run.started_at or run.slot, run.run_id, run) for run in runs if not run.is_skipped)
    new = {run: run.flags | {"extra"} for _, _, run in begun[1:]}
    for at, _, run in begun[:1]:
        new[run] = run.flags | {"late_start"} if at - slot > LATE_START else run.flags
    return {run.run_id: flags for run, flags in new.items() if flags != run.flags}


def slot_of_run(lines: Sequence[InstalledLine], grace: timedelta | None, started_for: datetime) -> datetime:
    """The slot that a run which names ``started_for`` is a run of: the nearest, or that minute itself if none is."""
    found, previous = [], None
    for slot in due_slots(lines, grace, started_for - min(MOST_GRACE if grace is None else grace, LOOK_BACK) - EARLY):
        if slot.at > started_for + EARLY:
            break
        if slot.is_of(started_for, previous):
            found.append(slot.at)
        previous = slot.at
    return min(found, key=lambda at: abs(at - started_for), default=started_for)


def finish_deadline(lines: Sequence[InstalledLine], finish_by: str, slot: datetime | None) -> datetime | None:
    """The first time of day ``finish_by`` after the slot, in the zone of its line; None if the job has none."""
    if not finish_by or slot is None or not lines:
        return None
    line = next((line for line in reversed(lines) if line.since <= slot), lines[0])
    try:
        local = slot.astimezone(load(line.zone))
    except ScheduleError:
        return None
    hour, minute = map(int, finish_by.split(":"))
    due = local.replace(hour=hour, minute=minute, second=0, microsecond=0, fold=0)
    return (due if due > local else due + timedelta(days=1)).astimezone(UTC)


def slot_of_ping(lines: Sequence[InstalledLine], grace: timedelta | None, at: datetime) -> datetime | None:
    """The slot of a run that a ping at ``at`` started: the last one, or the next if it is at most a minute away.

    None if the last one is longer ago than the grace and ``MOST_GRACE``.
    """
    reach = min(max(grace or MOST_GRACE, MOST_GRACE), LOOK_BACK)
    found = None
    for slot in due_slots(lines, grace, at - reach):
        if slot.at > at + EARLY:
            break
        if found is None or slot.at <= at or slot.at - at < at - found:
            found = slot.at
    return found


def _not_before(settled_until: datetime | None, now: datetime) -> datetime:
    oldest = now - REMEMBERED
    return oldest if settled_until is None else max(settled_until, oldest)


def missed_run_id(monitor_id: str, slot: datetime) -> str:
    """The id of the run that records a missed slot: always the same, so that it is recorded once."""
    return str(uuid.uuid5(uuid.UUID(monitor_id), slot.astimezone(UTC).isoformat()))


def _of_line(line: InstalledLine, grace: timedelta | None, after: datetime) -> Iterator[DueSlot]:
    begin = _first_second(line.since, after)
    try:
        ascending = epochs(line.schedule, line.zone, line.policy, begin, begin + HORIZON_S)
        for at, following in pairwise(chain(ascending, (None,))):
            if at is None or (line.until is not None and at >= line.until.timestamp()):
                return
            yield _due_slot(at, following, grace)
    except ScheduleError:  # of a zone that this server does not know: nothing can be expected
        return


def _first_second(since: datetime, after: datetime) -> int:
    """The first whole second that is at or after ``since``, and after ``after``."""
    return max(math.ceil(since.timestamp()), math.floor(after.timestamp()) + 1)


def _due_slot(at: int, following: int | None, grace: timedelta | None) -> DueSlot:
    slot = datetime.fromtimestamp(at, UTC)
    if grace is None:
        share = MOST_GRACE if following is None else timedelta(seconds=(following - at) * GRACE_SHARE)
        grace = min(max(share, LEAST_GRACE), MOST_GRACE)
    return DueSlot(slot, slot + grace, None if following is None else datetime.fromtimestamp(following, UTC))


@dataclass(frozen=True)
class RunningRun:
    """A run that is not finished, as far as the server knows. ``boot_id``: the host's, when it started.

    ``alive_at``: when its last heartbeat or output was received, if its time is over.
    """

    started_at: datetime
    boot_id: str = ""
    alive_at: datetime | None = None


@dataclass(frozen=True)
class Loss:
    """Whether a run is lost and why, in words; or when to look at it again (None: nothing to wait for).

    ``overdue``: the state of a monitor with this run, which still runs: stuck, late, or empty.
    """

    why: str = ""
    look_again: datetime | None = None
    overdue: str = ""


def loss(run: RunningRun, limit: timedelta | None, boot_id: str, heard_until: datetime | None, now: datetime) -> Loss:
    """Whether a running run is lost: its time is over, or its host has restarted since, and no check-in waits there.

    A run whose time is over is not lost but stuck while it sends heartbeats or output.

    ``limit``: the longest time that a run can take (None: no limit). ``boot_id``: the host's current one.
    """
    heard = heard_until is not None and heard_until > run.started_at
    if heard and run.boot_id and boot_id and run.boot_id != boot_id:
        return Loss(RESTARTED)
    if limit is None:
        return Loss()
    deadline = run.started_at + limit
    if now < deadline:
        return Loss(look_again=deadline)
    if run.alive_at is not None and now < run.alive_at + ALIVE:
        return Loss(look_again=now + RECHECK, overdue="stuck")
    if run.alive_at is not None:
        deadline = max(deadline, run.alive_at + ALIVE)
    if heard_until is None or heard_until < deadline:
        return Loss(look_again=now + RECHECK)
    return Loss(TIME_OVER)


def late(found: Loss, finish_by: datetime | None, heard_until: datetime | None, now: datetime) -> Loss:
    """As ``found`` for a run that must have ended by ``finish_by``: it is late if no check-in waits on its host."""
    if found.why or finish_by is None:
        return found
    again = finish_by if now < finish_by else now + RECHECK
    is_late = heard_until is not None and finish_by <= min(heard_until, now)
    return Loss("", min(found.look_again or again, again), found.overdue or ("late" if is_late else ""))
