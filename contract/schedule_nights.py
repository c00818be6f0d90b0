"""What the clock changes of the next year do to a schedule: its runs are skipped, moved, doubled or not affected."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from contract.dialect import Expressions, Schedule, parse_all
from contract.schedule_slots import epochs, walls
from contract.schedule_words import MONTHS
from contract.schedule_zones import DAY, ClockChange, changes, load

_YEAR = 366 * DAY
UNVERIFIED = ("windows",)


@dataclass(frozen=True)
class ChangeNight:
    """One clock change and its effect on the schedule.

    ``at`` is the instant of the change (aware UTC), ``local`` the same instant after the change in the zone.
    ``shift`` is how far the clock jumps: positive forward (a gap), negative back (a fold).
    ``outcome`` is ``skipped``, ``moved``, ``twice`` or ``fine``; ``walls`` are the affected times of day (``02:30``).
    ``verified`` is False if we know the scheduler's behaviour from users' reports only, not from its manual or a test.
    """

    at: datetime
    local: datetime
    shift: timedelta
    outcome: str
    walls: tuple[str, ...]
    text: str
    verified: bool

    @property
    def is_gap(self) -> bool:
        return self.shift > timedelta(0)


def change_nights(expressions: Expressions, zone: str, policy: str, now: datetime) -> list[ChangeNight]:
    """The clock changes of the year after ``now``, in order; empty for a zone without. Raises ``ScheduleError``."""
    schedules = [schedule for schedule in parse_all(expressions) if not schedule.on_boot]
    load(zone)
    begin = int(now.timestamp())
    return [_night(schedules, zone, policy, change) for change in changes(zone, begin, begin + _YEAR)]


def _night(schedules: list[Schedule], zone: str, policy: str, change: ClockChange) -> ChangeNight:
    at = datetime.fromtimestamp(change.at, timezone.utc)
    local = at.astimezone(load(zone))
    affected, outcome = _outcome(schedules, zone, policy, change)
    times = tuple(f"{wall % DAY // 3600:02}:{wall % 3600 // 60:02}" for wall in affected)
    shift = timedelta(seconds=change.after - change.before)
    text = _sentence(local, shift, outcome, times)
    if policy in UNVERIFIED:
        text += " Not verified for this scheduler: users report that it may also skip a run when the clock goes back."
    return ChangeNight(at, local, shift, outcome, times, text, policy not in UNVERIFIED)


def _outcome(schedules: list[Schedule], zone: str, policy: str, change: ClockChange) -> tuple[list[int], str]:
    """The wall-clock times of the schedules that the change skips or repeats, and the outcome for them."""
    low, high = sorted((change.at + change.before, change.at + change.after))
    uneven = [schedule for schedule in schedules if not _is_hourly(schedule)]
    affected = sorted({wall for schedule in uneven for wall in walls(schedule, policy, low, high)})
    if not affected:
        return [], "fine"
    if change.after > change.before:
        in_gap = [schedule for schedule in uneven if _has_walls(schedule, policy, low, high)]
        return affected, "moved" if all(_runs_at(one, zone, policy, change.at) for one in in_gap) else "skipped"
    twice = [wall for wall in affected if _runs_at(uneven, zone, policy, wall - change.after)]
    return twice or affected, "twice" if twice else "fine"


def _is_hourly(schedule: Schedule) -> bool:
    """Whether it runs in each hour of the day: such a job keeps its interval over a clock change."""
    return schedule.sim is not None and len(schedule.sim.hours) == 24


def _has_walls(schedule: Schedule, policy: str, low: int, high: int) -> bool:
    return any(True for _ in walls(schedule, policy, low, high))


def _runs_at(schedules: Expressions, zone: str, policy: str, instant: int) -> bool:
    return any(True for _ in epochs(schedules, zone, policy, instant, instant + 1))


def _sentence(local: datetime, shift: timedelta, outcome: str, times: tuple[str, ...]) -> str:
    day = f"{local.day} {MONTHS[local.month]} {local.year}"
    listed = f"{', '.join(times[:3])}{' …' if len(times) > 3 else ''}"
    many = len(times) > 1
    if outcome == "skipped":
        return f"{day}: {listed} {'do' if many else 'does'} not exist that night. No run takes place."
    if outcome == "moved":
        return f"{day}: {listed} {'do' if many else 'does'} not exist that night. The job runs once, at {local:%H:%M}."
    if outcome == "twice":
        return f"{day}: {listed} {'happen' if many else 'happens'} twice that night. The job runs both times."
    if shift < timedelta(0) and times:
        return f"{day}: {listed} {'happen' if many else 'happens'} twice that night. The job runs once, at the first."
    return f"{day}: the clock goes {'forward' if shift > timedelta(0) else 'back'}. The schedule is not affected."
