"""What a decoded manifest is: plain, frozen, with durations as ``timedelta`` and sizes in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Callable

from contract import wire


@dataclass(frozen=True)
class Problem(wire.Problem):
    """An error or a lint; as text `path:line:column: message`."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.message}"


@dataclass(frozen=True)
class Output:
    """How much of the first and last bytes a check-in carries, and whether cron mails the output too."""

    head: int = 16 * 1024
    tail: int = 48 * 1024
    mail: str = "keep"


@dataclass(frozen=True)
class Checkin:
    enabled: bool = True
    start_grace: timedelta = timedelta(minutes=5)
    max_runtime: timedelta | None = None
    kill_grace: timedelta = timedelta(seconds=10)
    finish_by: str | None = None
    min_runtime: timedelta | None = None
    min_output_bytes: int | None = None
    success_exit_codes: tuple[int, ...] = (0,)
    output: Output = Output()


@dataclass(frozen=True)
class Retry:
    """``attempts`` after the first; ``delay`` before the next, doubled each time when exponential."""

    attempts: int = 0
    backoff: str = "fixed"
    delay: timedelta = timedelta(seconds=30)


@dataclass(frozen=True)
class AgentTarget:
    """``endpoints`` None: not given. An empty list and no selector: no endpoint at all, the job only pings."""

    selector: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    endpoints: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Alerts:
    """``after`` failures in a row open an incident."""

    after: int = 1
    route: str | None = None
    remind: timedelta | None = None


@dataclass(frozen=True)
class Manifest:
    id: str
    id_given: bool
    name: str
    namespace: str
    path: str
    schedule: tuple[str, ...]
    command: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    timezone: str | None = None
    args: tuple[str, ...] = ()
    shell: str = "/bin/sh"
    user: str | None = None
    working_dir: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    env_file: str | None = None
    umask: str | None = None
    nice: int | None = None
    concurrency: str = "allow"
    retry: Retry = Retry()
    checkin: Checkin = Checkin()
    agent: AgentTarget = AgentTarget()
    expect: str | int = "all"
    alerts: Alerts = Alerts()
    enabled: bool = True
    paused: bool = False

    def runs_on(self, name: str, hostname: str, labels: Mapping[str, str]) -> bool:
        """This endpoint is meant: named in ``endpoints``, or matched by every key of ``selector``, or neither is given.

        A list in the selector means any of. ``hostname`` compares with the host's own name whatever the letters' case.
        """
        target = self.agent
        if target.endpoints is not None and name in target.endpoints:
            return True
        if not target.selector:
            return target.endpoints is None
        return all(_matches(key, wanted, hostname, labels) for key, wanted in target.selector.items())


def _matches(key: str, wanted: tuple[str, ...], hostname: str, labels: Mapping[str, str]) -> bool:
    if key == "hostname":
        return hostname.lower() in {value.lower() for value in wanted}
    return labels.get(key) in wanted


@dataclass(frozen=True)
class Decoded:
    """A manifest, or the errors that prevent one; ``lints`` are worked out when somebody asks."""

    manifest: Manifest | None
    errors: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    lint: Callable[[], tuple[Problem, ...]] | None = field(default=None, compare=False, repr=False)

    @property
    def lints(self) -> tuple[Problem, ...]:
        return self.notes + (self.lint() if self.lint else ())
