"""Maps states of runs, jobs, hosts and changes to colour tokens. No other file does."""

from __future__ import annotations

RUN = {
    "running": "running",
    "success": "ok",
    "failed": "failed",
    "timeout": "failed",
    "lost": "unknown",
    "skipped": "skipped",
    "missed": "missed",
}
JOB = {
    "ok": "ok",
    "failing": "failed",
    "running": "running",
    "late": "late",
    "stuck": "late",
    "missed": "missed",
    "paused": "paused",
    "invalid": "failed",
}
HOST = {
    "in sync": "ok",
    "behind": "late",
    "waiting": "late",
    "blocked": "failed",
    "failed": "failed",
    "silent": "unknown",
    "revoked": "paused",
}
# Causes of incidents; all others are failures.
INCIDENT = {"missed": "missed", "lost": "unknown", "host silent": "unknown", "unstable": "late", "no success": "late"}
CHANGE = {"pending": "running", "done": "ok", "failed": "failed"}
# A plan's action for a job on a host.
ACTION = {"create": "ok", "update": "running", "delete": "failed", "none": "paused"}
# A mark that stands for several states shows the worst.
WORST_FIRST = ("failed", "missed", "unknown", "late", "skipped", "running", "ok")


def of_run(status: str, *, late: bool = False) -> str:
    """Colour of a run; one that succeeded or is running but started or ended ``late`` is shown as late."""
    colour = RUN.get(status, "unknown")
    return "late" if late and colour in {"ok", "running"} else colour


def of_job(state: str) -> str:
    return JOB.get(state, "unknown")


def of_host(state: str) -> str:
    return HOST.get(state, "unknown")


def of_incident(cause: str) -> str:
    return INCIDENT.get(cause, "failed")


def of_change(state: str) -> str:
    return CHANGE.get(state, "unknown")


def badness(colour: str) -> int:
    """Rank of a colour, 0 the worst."""
    return WORST_FIRST.index(colour) if colour in WORST_FIRST else len(WORST_FIRST)
