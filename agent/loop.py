"""The daemon: told by ``watch``, a signal, the clock or a changed crontab, it makes passes and replays the spool.

One thread makes passes; a second one waits on the control plane and only rings. SIGTERM ends both within a second,
never in the middle of a write.
"""

from __future__ import annotations

import logging
import random
import signal
import threading
import time
from collections.abc import Hashable
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any, Callable

from agent.control import Control
from agent.errors import AgentError, Revoked, SchedulerFailed, ServerAway, Stop
from agent.reconcile import Agent
from agent.replay import replay_spool
from agent.state import State
from contract.wire import PassReport, WatchAnswer

LOOK_SECONDS = 10.0
POLL_SECONDS = 60.0
WATCH_SECONDS = 30.0
BACK_OFF = (1.0, 60.0)

log = logging.getLogger("crontopus.agent")


class Bell:
    """What the watching thread and the signals tell the passes: reasons to wake, and the last answer."""

    def __init__(self) -> None:
        self.reasons: SimpleQueue[str] = SimpleQueue()
        self.answer: WatchAnswer | None = None
        self.revoked = ""
        self.away = ""

    def ring(self, reason: str) -> None:
        self.reasons.put(reason)

    def wait(self, seconds: float) -> set[str]:
        """Every reason that has come; empty after ``seconds`` without one."""
        found: set[str] = set()
        try:
            found.add(self.reasons.get(timeout=max(0.0, seconds)))
            while True:
                found.add(self.reasons.get_nowait())
        except Empty:
            return found


class Daemon:
    """``crontopus-agent run``."""

    def __init__(self, agent: Agent, watcher: Control, jitter: Callable[[], float] = random.random) -> None:
        self.agent = agent
        agent.guard = self._guard
        self.bell = Bell()
        self._watcher = watcher
        self.watching = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._jitter = jitter
        self._mark: Hashable = None
        self._ended = threading.Event()
        self._poll = 0.0
        self._waited = 0
        self._safe = True

    def run(self) -> None:
        """Until SIGTERM (returns) or until the token is revoked (raises)."""
        self._signals()
        try:
            self.watching.start()
            self._forever()
        except Stop:
            log.info("stopped")

    # -- passes --------------------------------------------------------------------------------------

    def _forever(self) -> None:
        self._pass({"start"})
        while not self._ended.is_set():
            reasons = self.bell.wait(min(LOOK_SECONDS, self._poll - time.monotonic()))
            if self.bell.revoked:
                raise Revoked(self.bell.revoked)
            if self._changed_on_host():
                reasons.add("crontab")
            if time.monotonic() >= self._poll:
                reasons.add("poll")
            if reasons and not self._ended.is_set():
                self._pass(reasons)

    def _pass(self, reasons: set[str]) -> None:
        """One pass; trouble of any kind waits for the next one, a refused token ends the daemon."""
        self._learn()
        try:
            if reasons != {"crontab"}:
                self._replay()
            report = self._guarded(reasons)
        except Revoked:
            raise
        except AgentError as problem:
            log.warning("pass failed: %s", problem)
            self._plan_poll(waited=True)
            return
        self._mark = self._look()
        self._plan_poll(waited=report.status in ("Waiting", "Failed"))
        self._tell(report, reasons)
        if "changed while" in report.message:
            self.bell.ring("again")

    def _guarded(self, reasons: set[str]) -> PassReport:
        alone = reasons <= {"crontab"}
        always = bool(reasons - {"poll", "crontab", "again"})
        return self.agent.once(fetch=not alone, always_report=always)

    def _guard(self, writing: bool) -> None:
        """The agent says when a write begins and ends; a stop that came in between happens now."""
        self._safe = not writing
        if self._safe and self._ended.is_set():
            raise Stop

    def _learn(self) -> None:
        answer = self.bell.answer
        if answer is not None:
            self.agent.learn(answer.git)
            self.agent.prune_confirmed = answer.prune_confirmed

    def _changed_on_host(self) -> bool:
        return self._look() != self._mark

    def _look(self) -> Hashable:
        try:
            return self.agent.scheduler.mark()
        except (SchedulerFailed, OSError) as problem:
            return str(problem)

    def _plan_poll(self, waited: bool) -> None:
        """The next poll: in about a minute, sooner (with back-off) after a pass that had to wait."""
        self._waited = self._waited + 1 if waited else 0
        seconds = min(POLL_SECONDS, 2.0**self._waited) if waited else POLL_SECONDS
        self._poll = time.monotonic() + seconds * (0.75 + 0.5 * self._jitter())

    def _replay(self) -> None:
        try:
            replay_spool(self.agent.state, self.agent.identity)
        except ServerAway as problem:
            log.info("the spool waits: %s", problem)

    def _tell(self, report: PassReport, reasons: set[str]) -> None:
        level = logging.INFO if report.status in ("Applied", "Kept") else logging.WARNING
        told = f"{report.status} {report.head[:8]} ({', '.join(sorted(reasons))}) {report.message}".rstrip()
        log.log(level if report.status != "Kept" or reasons != {"poll"} else logging.DEBUG, told)

    # -- the watching thread --------------------------------------------------------------------------

    def _watch(self) -> None:
        """Long polls, one after the other; rings when the head is another one or somebody asked for a pass."""
        known = self.agent.state.memory().applied
        wait = BACK_OFF[0]
        while not self._ended.is_set():
            try:
                answer = self._watcher.watch(known, WATCH_SECONDS)
            except Revoked as problem:
                self.bell.revoked = str(problem)
                self.bell.ring("revoked")
                return
            except ServerAway as problem:
                self.bell.away = str(problem)
                log.info("waiting for the control plane: %s", problem)
                self._ended.wait(wait * (0.5 + self._jitter()))
                wait = min(wait * 2, BACK_OFF[1])
                continue
            self._answered(answer, known)
            wait = BACK_OFF[0]
            known = answer.head
            if answer.wake:  # stays so until the pass has reported: do not ask again at once
                self._ended.wait(BACK_OFF[0])

    def _answered(self, answer: WatchAnswer, known: str) -> None:
        confirmed = self.bell.answer.prune_confirmed if self.bell.answer else None
        self.bell.answer = answer
        if self.bell.away:
            self.bell.away = ""
            self.bell.ring("replay")
        if answer.wake or answer.head != known or answer.prune_confirmed != confirmed:
            self.bell.ring("told")

    # -- signals -------------------------------------------------------------------------------------

    def _signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        signal.signal(signal.SIGUSR1, lambda *_: self.bell.ring("signal"))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, *_: Any) -> None:
        self._ended.set()
        if self._safe:
            raise Stop

    def end(self) -> None:
        """Stop after the pass that runs, from another thread."""
        self._ended.set()
        self.bell.ring("end")


def mark_revoked(state: State, why: str) -> str:
    """Remember that the token is dead, so that a restart does not hammer; the entries stay."""
    told = f"This endpoint was revoked ({why}). Its entries stay: enroll again, or take them out with 'leave'"
    with state.lock():
        state.save_identity(replace(state.identity(), revoked=told))
    return told
