"""The decoded manifest: frozen dataclasses, durations as ``timedelta``, sizes in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Callable

from contract import wire


@dataclass(frozen=True)
class Problem(wire.Problem):
    """An error or a lint. Its text is `path:line:column: message`, without the backticks of the message."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.message.replace('`', '')}"


@dataclass(frozen=True)
class OutputSpec:
    """How many of the first and last bytes of output a check-in contains, and whether cron still mails the output."""

    head: int = 16 * 1024
    tail: int = 48 * 1024
    mail: str = "keep"


@dataclass(frozen=True)
class CheckinSpec:
    """What is expected of runs. ``start_grace`` None: 5 % of the time to the next slot, from 2 minutes to 1 hour."""

    enabled: bool = True
    start_grace: timedelta | None = None
    max_runtime: timedelta | None = None
    kill_grace: timedelta = timedelta(seconds=10)
    finish_by: str | None = None
    min_runtime: timedelta | None = None
    min_output_bytes: int | None = None
    success_exit_codes: tuple[int, ...] = (0,)
    output: OutputSpec = OutputSpec()


@dataclass(frozen=True)
class Retry:
    """``attempts``: further ones after the first. ``delay``: wait before the next, doubled each time if exponential."""

    attempts: int = 0
    backoff: str = "fixed"
    delay: timedelta = timedelta(seconds=30)


@dataclass(frozen=True)
class AgentTarget:
    """The endpoints of a job. ``endpoints`` None: not set. Empty and without selector: no endpoint, a job of pings."""

    selector: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    endpoints: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Alerts:
    """``after`` failures in a row open an incident, ``recover`` good runs in a row close it.

    ``rate`` (``3/10``: three bad runs among the last ten) opens one too, and so does ``no_success_for`` so long.
    """

    after: int = 1
    route: str | None = None
    remind: timedelta | None = None
    recover: int = 1
    rate: str | None = None
    no_success_for: timedelta | None = None


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
    checkin: CheckinSpec = CheckinSpec()
    agent: AgentTarget = AgentTarget()
    expect: str | int = "all"
    alerts: Alerts = Alerts()
    enabled: bool = True
    paused: bool = False

    def runs_on(self, name: str, hostname: str, labels: Mapping[str, str]) -> bool:
        """Whether the job runs on this endpoint: ``endpoints`` names it, ``selector`` matches it, or neither is set.

        Every key of the selector must match; a list matches any of its values. ``hostname`` ignores case.
        """
        target = self.agent
        if target.endpoints is not None and name in target.endpoints:
            return True
        if not target.selector:
            return target.endpoints is None
        return all(_matches(key, values, hostname, labels) for key, values in target.selector.items())


def _matches(key: str, values: tuple[str, ...], hostname: str, labels: Mapping[str, str]) -> bool:
    if key == "hostname":
        return hostname.lower() in {value.lower() for value in values}
    return labels.get(key) in values


@dataclass(frozen=True)
class Decoded:
    """A manifest, or the errors of its file. ``lints`` are computed on access."""

    manifest: Manifest | None
    errors: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    lint: Callable[[], tuple[Problem, ...]] | None = field(default=None, compare=False, repr=False)

    @property
    def lints(self) -> tuple[Problem, ...]:
        return self.notes + (self.lint() if self.lint else ())
