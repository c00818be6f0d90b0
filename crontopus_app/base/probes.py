"""Runs health probes of components in parallel threads, each with a timeout."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from crontopus_app.base.errors import CrontopusError
from crontopus_app.base.masking import masked

log = logging.getLogger(__name__)

TIMEOUT_S = 3.0


@dataclass(frozen=True)
class ProbeResult:
    """The value that a probe returned after ``took_ms``, or the ``problem`` as a sentence."""

    value: Any = None
    problem: str = ""
    took_ms: float = 0.0


class _Probe(threading.Thread):
    """One running probe. It may outlive its caller, but not the process."""

    def __init__(self, name: str, function: Callable[[], Any]) -> None:
        super().__init__(name=f"probe {name}", daemon=True)
        self._function = function
        self.began = time.monotonic()
        self.result: ProbeResult | None = None

    def run(self) -> None:
        try:
            value = self._function()
            self.result = ProbeResult(value, took_ms=(time.monotonic() - self.began) * 1000)
        except CrontopusError as error:
            self.result = ProbeResult(problem=masked(error.message))
        except (RedisError, SQLAlchemyError, httpx.HTTPError, OSError, ValueError) as error:
            log.warning("%s: %s", self.name, masked(str(error)))
            self.result = ProbeResult(problem=_first_line(error))


def _first_line(error: Exception) -> str:
    lines = masked(str(error)).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


# At most one running probe per component: a component that hangs cannot fill the process with threads.
_running: dict[str, _Probe] = {}
_lock = threading.Lock()


def run(functions: Mapping[str, Callable[[], Any]], timeout_s: float = TIMEOUT_S) -> dict[str, ProbeResult]:
    """The result of each probe by name, after ``timeout_s`` seconds at the latest. Never raises."""
    with _lock:
        probes = {name: _started(name, function) for name, function in functions.items()}
    deadline = time.monotonic() + timeout_s
    for probe in probes.values():
        probe.join(max(0.0, deadline - time.monotonic()))
    return {name: probe.result or _timed_out(probe) for name, probe in probes.items()}


def _started(name: str, function: Callable[[], Any]) -> _Probe:
    running = _running.get(name)
    if running is not None and running.is_alive():
        return running
    probe = _running[name] = _Probe(name, function)
    probe.start()
    return probe


def _timed_out(probe: _Probe) -> ProbeResult:
    return ProbeResult(problem=f"no answer for {time.monotonic() - probe.began:.0f} s")
