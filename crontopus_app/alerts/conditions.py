"""Whether a monitor's runs call for an incident. Pure.

An incident follows from the latest runs and the manifest's ``alerts`` alone, so comparing twice changes nothing, and
runs that are reported late or in another order lead to the same result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from contract.manifest_types import Alerts

BAD = frozenset({"failed", "timeout", "lost", "missed"})
CAUSES = {"failed": "failing", "timeout": "failing", "lost": "lost", "missed": "missed"}
# A job that changes between good and bad so often within so many runs and so much time is unstable.
CHANGES, AMONG, WITHIN = 5, 20, timedelta(hours=6)
# Good runs in a row that end "unstable".
STEADY = 5


@dataclass(frozen=True)
class EndedRun:
    """A run that has ended or was missed. ``at`` orders it; ``word`` says how it ended, as "exit 1"."""

    id: str
    status: str
    at: datetime
    word: str = ""

    @property
    def bad(self) -> bool:
        return self.status in BAD


@dataclass(frozen=True)
class Condition:
    """Why an incident is to be open: its cause, in words, the run that shows it, and since when it lasts."""

    cause: str
    what: str
    run_id: str
    since: datetime


@dataclass(frozen=True)
class Assessment:
    """``condition``: why an incident is to be open (None: none opens). ``closes``: whether an open one ends.

    Without a condition, an open incident of too few good runs stays open. ``look_again``: when time alone can change
    this.
    """

    condition: Condition | None = None
    closes: bool = True
    look_again: datetime | None = None


def overdue(state: str, run_id: str, started_at: datetime, finish_by: str) -> Condition:
    """The condition of a run that is late or stuck."""
    words = {"late": f"did not end by {finish_by}", "stuck": "runs longer than it may, and still sends signs of life"}
    return Condition(state, words[state], run_id, started_at)


def assess(
    runs: Sequence[EndedRun],
    alerts: Alerts,
    now: datetime,
    open_cause: str = "",
    last_good: datetime | None = None,
    overdue: Condition | None = None,
) -> Assessment:
    """What the runs, newest first, call for.

    ``last_good``: the last success, which may be older than ``runs``. ``overdue``: the condition of
    a run that still runs.
    """
    stale, look_again = _no_success(runs, alerts, now, last_good)
    bad = _unstable(runs, now, open_cause) or _bad_in_a_row(runs, alerts) or _too_many_bad(runs, alerts)
    condition = bad or overdue or stale
    if condition:
        return Assessment(condition, closes=False, look_again=look_again)
    good = _in_a_row(runs, bad=False)
    return Assessment(None, closes=good >= min(alerts.recover, len(runs)), look_again=look_again)


def _in_a_row(runs: Sequence[EndedRun], *, bad: bool) -> int:
    return next((number for number, run in enumerate(runs) if run.bad != bad), len(runs))


def _bad_in_a_row(runs: Sequence[EndedRun], alerts: Alerts) -> Condition | None:
    row = _in_a_row(runs, bad=True)
    if not row or row < alerts.after:
        return None
    newest, first = runs[0], runs[row - 1]
    more = "+" if row == len(runs) == AMONG else ""
    times = f", {row}{more} times in a row" if row > 1 else ""
    return Condition(CAUSES[newest.status], f"{newest.word or newest.status}{times}", newest.id, first.at)


def _too_many_bad(runs: Sequence[EndedRun], alerts: Alerts) -> Condition | None:
    if alerts.rate is None:
        return None
    most, among = (int(number) for number in alerts.rate.split("/"))
    bad = [run for run in runs[:among] if run.bad]
    if len(bad) < most:
        return None
    what = f"{len(bad)} of the last {min(among, len(runs))} runs were bad, the last with {bad[0].word or bad[0].status}"
    return Condition("failing", what, bad[0].id, bad[-1].at)


def _unstable(runs: Sequence[EndedRun], now: datetime, open_cause: str) -> Condition | None:
    """Changes again and again. Once open, it stays until enough good runs in a row."""
    recent = [run for run in runs[:AMONG] if run.at > now - WITHIN]
    changes = sum(run.bad != before.bad for run, before in zip(recent, recent[1:], strict=False))
    going_on = open_cause == "unstable" and _in_a_row(runs, bad=False) < STEADY
    bad = [run for run in runs if run.bad]
    if not bad or not (going_on or (changes >= CHANGES and _in_a_row(runs, bad=False) < STEADY)):
        return None
    what = f"changed {changes} times between good and bad in {len(recent)} runs" if changes else "not steady yet"
    return Condition("unstable", what, bad[0].id, bad[-1].at)


def _no_success(
    runs: Sequence[EndedRun], alerts: Alerts, now: datetime, last_good: datetime | None
) -> tuple[Condition | None, datetime | None]:
    """Too long without a success, and when that will be so."""
    newest_good = max((at for at in (last_good, *(run.at for run in runs if not run.bad)) if at), default=None)
    if alerts.no_success_for is None or (newest_good is None and not runs):
        return None, None
    since = newest_good or runs[-1].at
    deadline = since + alerts.no_success_for
    if now < deadline:
        return None, deadline
    hours = alerts.no_success_for / timedelta(hours=1)
    run_id = runs[0].id if runs else ""
    return Condition("no success", f"no success for {hours:g} h", run_id, since), None
