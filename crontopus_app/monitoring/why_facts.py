"""The facts about a slot from which ``why`` finds a cause, and the causes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from contract.wire import Evidence
from crontopus_app.monitoring.installed import InstalledLine

# The runner's exit code for a job file that is missing or damaged.
JOB_FILE_DAMAGED = 78
# What to do next, by verdict. These codes are stable; docs/monitoring.md lists them.
NEXT = {
    "ran": "Nothing: open the run for its outcome.",
    "overlap": "Make the job faster, run it less often, or choose another spec.concurrency.",
    "host_restarted": "Check why the host restarted. Run the job again if its work is needed.",
    "started_twice": "Look for a second line of the job in the host's crontabs, or a person who started it.",
    "end_not_reported": "Check on the host whether the command still runs, and whether the runner was killed.",
    "job_file_damaged": "Sync the host (Endpoints): the agent writes the job file again.",
    "not_in_git": "Restore the manifest from Git's history if the job is still needed.",
    "invalid_manifest": "Fix the manifest: hosts keep its last valid version.",
    "paused": "Resume the job if it should run.",
    "disabled": "Set spec.enabled to true if the job should run.",
    "not_monitored": "Set spec.checkin.enabled to true to see its runs.",
    "retired": "Check the job's endpoints and labels if it should run on this host.",
    "endpoint_revoked": "Enrol the host again.",
    "no_such_time": "Choose a time outside the hours of clock changes, or a time zone without them (UTC).",
    "not_due": "Check the schedule and its time zone.",
    "not_installable": "Fix what the agent reports; the next sync installs the job.",
    "freeze": "Wait for the end of the freeze window, or shorten it in crontopus.yaml.",
    "maintenance": "Nothing: in maintenance, runs may be missed.",
    "drift": "Find out who edits the crontab. Change the job in Git instead.",
    "line_removed": "Check the commits at that time if the removal was not intended.",
    "not_applied": "Nothing, if the job was new or changed: its next slot counts.",
    "line_changed": "Nothing: the line was being replaced at that moment.",
    "host_never_seen": "Start the agent on the host: crontopus-agent run",
    "host_silent": "Check whether the host is up, has network, and runs the agent.",
    "host_off": "Start the job by hand if its work is needed. cron does not make up for missed times.",
    "host_cut_off": "Check the host's network and its agent's log at that time.",
    "not_yet": "Wait.",
    "spool_waiting": "Check the host's connection to this server: the check-ins arrive when it works.",
    "not_settled": "Wait: the slot is settled when the host says that no check-in waits there.",
    "not_recorded": "Nothing: only slots that are settled within seven days are recorded.",
    "no_ping": "Check that the job runs where it is scheduled and can reach its ping address.",
    "contact_unknown": "Check the host's log of cron at that time.",
    "unexplained": "Check on the host that its cron runs, and cron's log at that time.",
}


@dataclass(frozen=True)
class HostFacts:
    """A host, as far as its contacts tell. Only its latest silence is known."""

    name: str
    last_seen_at: datetime | None = None
    silent_from: datetime | None = None
    silent_until: datetime | None = None
    restarted: bool = False
    is_silent: bool = False
    spool: int = 0
    revoked: bool = False
    drift: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Switch:
    """A commit that turned a job off or on: ``word`` is paused, resumed, disabled or enabled."""

    at: datetime
    word: str
    author: str
    commit: str


@dataclass(frozen=True)
class JobFacts:
    """The job's manifest in Git, and the commit that last changed it.

    ``schedule`` has no ``H``; empty if it cannot be known. ``switches`` ascend in time.
    """

    schedule: tuple[str, ...] = ()
    valid: bool = True
    paused: bool = False
    enabled: bool = True
    monitored: bool = True
    commit: str = ""
    author: str = ""
    commit_at: datetime | None = None
    switches: Sequence[Switch] = ()


@dataclass(frozen=True)
class SlotRun:
    """A run of the slot, or one beside it."""

    status: str
    run_id: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    received_at: datetime | None = None
    error: str = ""
    flags: Sequence[str] = ()


@dataclass(frozen=True)
class Facts:
    """All that is known about a job in a slot. A row of a missed run proves that its line was installed.

    ``host`` is None for a job without an agent. ``damaged``: a run in the slot's grace that found its job file damaged.
    ``beside``: other runs of the job that ran at that time. ``job`` is None if it is not in Git any more.
    ``retired_at``: since when the job no longer belongs on the host. ``frozen`` and ``maintenance``: the
    window of crontopus.yaml, in words.
    """

    at: datetime
    now: datetime
    host: HostFacts | None
    run: SlotRun | None = None
    lines: Sequence[InstalledLine] = ()
    grace: timedelta | None = None
    settled_until: datetime | None = None
    job_id: str = ""
    job: JobFacts | None = None
    damaged: SlotRun | None = None
    beside: Sequence[SlotRun] = ()
    outcome: str = ""
    reason: str = ""
    commit: str = ""
    frozen: str = ""
    maintenance: str = ""
    retired_at: datetime | None = None
    zone: str = "UTC"
    policy: str = "debian"

    @property
    def line(self) -> InstalledLine | None:
        """The line that was installed in the slot."""
        return next((line for line in self.lines if line.since <= self.at and not line.ended_by(self.at)), None)


@dataclass(frozen=True)
class Cause:
    verdict: str
    sentence: str
    evidence: list[Evidence] = field(default_factory=list)

    @property
    def next(self) -> str:
        return NEXT[self.verdict]
