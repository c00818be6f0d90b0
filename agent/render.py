"""Renders a manifest for this host: crontab lines, the runner's job file, and the slots of the gate. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from agent.host import Host
from contract.manifest import Manifest
from contract.schedule import ScheduleError, cover, epochs, needs_gate, parse, resolve, seed

GATE_DAYS = 400
GATE_SLOTS = 20_000
# The agent computes a gate again when less than this share of its window is left.
GATE_LEFT = 0.5


class Blocked(Exception):
    """This host cannot run the job. The text says why, and what to change."""


@dataclass(frozen=True)
class Context:
    """Everything besides the manifest that affects rendering."""

    tenant: str
    endpoint_id: str
    name: str
    labels: Mapping[str, str]
    host: Host
    runner: Path
    now: datetime

    def selects(self, manifest: Manifest) -> bool:
        """Whether the job is enabled and runs on this host."""
        return manifest.enabled and manifest.runs_on(self.name, self.host.hostname, self.labels)


@dataclass(frozen=True)
class Gate:
    """The slots up to ``until``, in UTC epoch seconds. At any other minute the runner does not run the job.

    ``late``: a start in the minute after a slot belongs to that slot, because cron never starts the job in two
    consecutive minutes.
    """

    slots: list[int]
    until: int
    refresh_at: float
    late: bool = False

    def as_json(self) -> dict[str, Any]:
        return {"until": self.until, "slots": self.slots, "late": self.late}


@dataclass(frozen=True)
class Rendered:
    lines: list[str]
    line_hash: str
    job: dict[str, Any] = field(default_factory=dict)
    gate: Gate | None = None


def render(manifest: Manifest, context: Context, commit: str) -> Rendered:
    """The lines and the job file. Raises ``Blocked`` if this host cannot run the job as the manifest says."""
    _check_host(manifest, context.host)
    hashed_from = seed(manifest.id, context.endpoint_id)
    plain = [_resolved(expression, hashed_from) for expression in manifest.schedule]
    expressions, gate = _fit(manifest, plain, context)
    lines = [_comment(manifest, commit), *(_line(text, manifest, context) for text in expressions)]
    line_hash = hashlib.sha256("".join(lines[1:]).encode()).hexdigest()[:16]
    job = job_file(manifest, commit, line_hash)
    job["schedule"] = plain
    job["gate"] = gate.as_json() if gate else None
    return Rendered(lines, line_hash, job, gate)


def _check_host(manifest: Manifest, host: Host) -> None:
    if manifest.user and manifest.user != host.user and not host.root:
        raise Blocked(
            f"spec.user is {manifest.user}, but the agent runs as {host.user}: run the agent as root to use other users"
        )


def _resolved(expression: str, hashed_from: str) -> str:
    try:
        return resolve(expression, hashed_from)
    except ScheduleError as problem:
        raise Blocked(f"this host's cron cannot run {expression!r}: {problem}") from problem


def _fit(manifest: Manifest, plain: list[str], context: Context) -> tuple[list[str], Gate | None]:
    """The schedule as cron lines in the host's zone, and a gate if these lines fire too often."""
    host = context.host
    zone = manifest.timezone or host.zone
    try:
        lines = cover(plain, zone, host.zone, host.policy, context.now, GATE_DAYS)
        if lines == ["@reboot"] or not needs_gate(plain, zone, host.zone):
            return lines, None
        if "@reboot" in lines:
            raise Blocked(
                f"the job has @reboot and times in {zone}, but the host's zone is {host.zone}: split it into two jobs"
            )
        return lines, replace(_gate(plain, zone, context), late=has_gaps(lines))
    except ScheduleError as problem:
        raise Blocked(
            f"the schedule in {zone} does not fit cron lines in the host's {host.zone}: {problem}"
        ) from problem


def _gate(timed: list[str], zone: str, context: Context) -> Gate:
    now = int(context.now.timestamp())
    begin, end = now - 120, now + GATE_DAYS * 86400
    slots = list(islice(epochs(timed, zone, context.host.policy, begin, end), GATE_SLOTS))
    until = slots[-1] if len(slots) == GATE_SLOTS else end
    return Gate(slots, until, now + (until - now) * GATE_LEFT)


def has_gaps(lines: list[str]) -> bool:
    """Whether these lines never fire in two consecutive minutes, also over a clock change.

    Compares minutes modulo 30, because the smallest clock change of any zone is 30 minutes.
    """
    halves = {at // 60 % 30 for line in lines for at in parse(line).times}
    return not any((minute + 1) % 30 in halves for minute in halves)


def _comment(manifest: Manifest, commit: str) -> str:
    paused = " paused" if manifest.paused else ""
    return f"# {manifest.namespace}/{manifest.name} {commit[:8]}{paused}\n"


def _line(expression: str, manifest: Manifest, context: Context) -> str:
    off = "#" if manifest.paused else ""
    return f"{off}{expression} {context.runner} {manifest.id}\n"


def job_file(manifest: Manifest, commit: str, line_hash: str) -> dict[str, Any]:
    """The runner's job file, format version 1."""
    return {
        "v": 1,
        "job_id": manifest.id,
        "name": manifest.name,
        "namespace": manifest.namespace,
        "shell": manifest.shell or "/bin/sh",
        "command": manifest.command,
        "args": list(manifest.args),
        "user": manifest.user,
        "cwd": manifest.working_dir,
        "env": dict(manifest.env),
        "env_file": manifest.env_file,
        "umask": manifest.umask,
        "nice": manifest.nice,
        "concurrency": manifest.concurrency,
        "retry": _retry(manifest),
        "checkin": _checkin(manifest),
        "commit": commit,
        "line_hash": line_hash,
        "timezone": manifest.timezone,
    }


def _retry(manifest: Manifest) -> dict[str, Any]:
    retry = manifest.retry
    return {"attempts": retry.attempts, "backoff": retry.backoff, "delay_s": _seconds(retry.delay)}


def _checkin(manifest: Manifest) -> dict[str, Any]:
    checkin = manifest.checkin
    return {
        "enabled": checkin.enabled,
        "max_runtime_s": _seconds(checkin.max_runtime),
        "kill_grace_s": _seconds(checkin.kill_grace),
        "min_runtime_s": _seconds(checkin.min_runtime),
        "min_output_bytes": checkin.min_output_bytes,
        "success_exit_codes": list(checkin.success_exit_codes),
        "head": checkin.output.head,
        "tail": checkin.output.tail,
        "mail": checkin.output.mail,
    }


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()
