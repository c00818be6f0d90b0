"""Which colour a state has: the only place that says so. What the words look like is the theme's."""

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
CHANGE = {"pending": "running", "done": "ok", "failed": "failed"}
# What a change does to a job on a host.
ACTION = {"create": "ok", "update": "running", "delete": "failed", "none": "paused"}
# Where one mark stands for several, it is the worst of them.
WORST_FIRST = ("failed", "missed", "unknown", "late", "skipped", "running", "ok")


def of_run(status: str, *, late: bool = False) -> str:
    """A run that went well, or still runs, but began or ended late is late."""
    colour = RUN.get(status, "unknown")
    return "late" if late and colour in {"ok", "running"} else colour


def of_job(state: str) -> str:
    return JOB.get(state, "unknown")


def of_host(state: str) -> str:
    return HOST.get(state, "unknown")


def of_change(state: str) -> str:
    return CHANGE.get(state, "unknown")


def badness(colour: str) -> int:
    """The place of a colour among all, the worst first."""
    return WORST_FIRST.index(colour) if colour in WORST_FIRST else len(WORST_FIRST)
