"""The daemon. A new head, a signal, the poll interval or a changed crontab starts a pass.

The main thread makes passes and replays the spool. A second thread long-polls the control plane and wakes the first.
SIGTERM ends both within a second, but never during a write. While the server rejects the token, both threads pause: the
crontab stays as it is, and ``agent.rejection`` asks the server again from time to time.
"""

from __future__ import annotations

import logging
import random
import signal
import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Callable

from agent.control import Control
from agent.errors import AgentError, Refused, Revoked, SchedulerFailed, ServerAway, Stop
from agent.host import boot_id
from agent.install import install_runner
from agent.reconcile import Agent
from agent.rejection import Rejection
from agent.replay import replay_spool
from agent.schedulers.base import CHANGED_MEANWHILE
from agent.spool import stuck
from contract.wire import PassReport, WatchAnswer

POLL_SECONDS = 60.0
BACK_OFF = (1.0, 60.0)

log = logging.getLogger("crontopus.agent")


@dataclass(frozen=True)
class Intervals:
    """Seconds between two looks at the crontab, of one long poll, and between two requests with a rejected token.

    ``confirm``: from the first rejection to the next request. A rejection is believed if that is rejected too.
    """

    look: float = 10.0
    watch: float = 30.0
    confirm: float = 300.0
    ask_again: float = 3600.0


class Bell:
    """Passes messages from the watch thread and the signals to the main thread: reasons to wake, the last answer."""

    def __init__(self) -> None:
        self.reasons: SimpleQueue[str] = SimpleQueue()
        self.answer: WatchAnswer | None = None
        self.revoked = ""
        self.away = ""

    def ring(self, reason: str) -> None:
        self.reasons.put(reason)

    def wait(self, seconds: float) -> set[str]:
        """All queued reasons; waits up to ``seconds`` for the first. Empty if none comes."""
        reasons: set[str] = set()
        try:
            reasons.add(self.reasons.get(timeout=max(0.0, seconds)))
            while True:
                reasons.add(self.reasons.get_nowait())
        except Empty:
            return reasons


class Daemon:
    """``crontopus-agent run``."""

    def __init__(
        self,
        agent: Agent,
        watcher: Control,
        jitter: Callable[[], float] = random.random,
        intervals: Intervals = Intervals(),
    ) -> None:
        self.agent = agent
        self._intervals = intervals
        self._rejection = Rejection(agent.state, intervals.confirm, intervals.ask_again, jitter)
        self._trusted = threading.Event()  # not set while the server rejects the token
        agent.guard = self._guard
        self.bell = Bell()
        self._watcher = watcher
        self.watching = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._jitter = jitter
        self._ended = threading.Event()
        self._next_poll = 0.0
        self._failures = 0
        self._may_stop = True

    def run(self) -> None:
        """Runs until SIGTERM. Raises ``Refused`` if the machine has been enrolled again."""
        self._handle_signals()
        try:
            self.watching.start()
            self._make_passes()
        except Stop:
            log.info("stopped")

    # -- passes --------------------------------------------------------------------------------------

    def _make_passes(self) -> None:
        if self._rejection.believed:
            self._wait_for_acceptance()
        else:
            self._trusted.set()
        self._pass({"start"})
        while not self._ended.is_set():
            reasons = self.bell.wait(min(self._intervals.look, self._next_poll - time.monotonic()))
            if self.bell.revoked:
                self._reject(self.bell.revoked)
                reasons = {"accepted"}
            if self._changed_on_host():
                reasons.add("crontab")
            if time.monotonic() >= self._next_poll:
                reasons.add("poll")
            if reasons and not self._ended.is_set():
                self._pass(reasons)

    def _pass(self, reasons: set[str]) -> None:
        """One pass. Logs errors, also of a full disk, and leaves them to the next pass."""
        try:
            self._keep_state()
            self._take_answer()
            if reasons != {"crontab"}:
                self._replay()
            report = self._once(reasons)
        except Revoked as problem:
            self._reject(str(problem))
            self.bell.ring("accepted")
            return
        except (AgentError, OSError) as problem:
            log.warning("pass failed: %s", problem)
            self._plan_poll(failed=True)
            return
        self._plan_poll(failed=report.status in ("Waiting", "Failed"))
        self._log(report, reasons)
        if report.message == CHANGED_MEANWHILE:
            self.bell.ring("again")

    # -- a rejected token ----------------------------------------------------------------------------

    def _reject(self, why: str) -> None:
        """Pauses both threads until the server accepts the token again, or the daemon ends."""
        self._trusted.clear()
        self._rejection.note(why, time.monotonic())
        log.warning("the server rejects this endpoint's token: %s. The crontab stays as it is.", why)
        self._wait_for_acceptance()

    def _wait_for_acceptance(self) -> None:
        while not self._ended.is_set():
            reasons = self.bell.wait(min(self._intervals.look, self._rejection.ask_at - time.monotonic()))
            self._check_identity()
            if time.monotonic() < self._rejection.ask_at and not reasons & {"signal"}:
                continue
            if self._is_accepted():
                self._rejection.clear()
                self.agent.identity = self.agent.state.identity()
                self.bell.revoked = ""
                self._trusted.set()
                log.info("the server accepts this endpoint's token again")
                return

    def _is_accepted(self) -> bool:
        """Asks the server once whether it accepts the token. A server that is away says nothing about it."""
        try:
            self.agent.control.heartbeat(stuck(self.agent.state.spool, time.time()), boot_id())
        except Revoked as problem:
            if self._rejection.note(str(problem), time.monotonic()):
                log.error("%s", self._rejection.believed)
            return False
        except ServerAway as problem:
            log.info("waiting for the control plane: %s", problem)
            self._rejection.postpone(time.monotonic())
            return False
        return True

    def _check_identity(self) -> None:
        """Raises ``Stop`` after ``leave``, and ``Refused`` after a new enrolment, whose token this process lacks."""
        if not self.agent.state.enrolled:
            raise Stop
        if self.agent.state.identity().token != self.agent.identity.token:
            raise Refused("This machine has been enrolled again. Restart the agent.")

    # -- the parts of a pass ---------------------------------------------------------------------------

    def _keep_state(self) -> None:
        """Creates missing folders. If all is gone while the crontab still has our lines, this was not ``leave``."""
        agent = self.agent
        removed = not agent.state.enrolled
        if removed:
            self._stop_if_left()
            log.warning("%s was removed, but the crontab has its jobs: restoring it", agent.state.folder)
        try:
            if agent.state.create():
                install_runner(agent.state, agent.identity)
        except OSError as problem:  # the pass reports what it cannot do
            log.warning("the agent's files are incomplete: %s", problem)
        if removed:
            agent.state.save_identity(agent.identity)

    def _stop_if_left(self) -> None:
        if not self.agent.scheduler.observe(None).entries:
            raise Stop

    def _once(self, reasons: set[str]) -> PassReport:
        crontab_only = reasons <= {"crontab"}
        always = bool(reasons - {"poll", "crontab", "again"})
        try:
            return self.agent.once(fetch=not crontab_only, always_report=always)
        except Stop:
            if not self._ended.is_set():
                self._stop_if_left()  # else the folder was removed just now
                raise SchedulerFailed(f"{self.agent.state.folder} was removed during this pass") from None
            raise

    def _guard(self, writing: bool) -> None:
        """Called before and after each write. Raises ``Stop`` after a write if SIGTERM came during it."""
        self._may_stop = not writing
        if self._may_stop and self._ended.is_set():
            raise Stop

    def _take_answer(self) -> None:
        answer = self.bell.answer
        if answer is not None:
            self.agent.learn(answer.git)
            self.agent.prune_confirmed = answer.prune_confirmed

    def _changed_on_host(self) -> bool:
        return self.agent.scheduler.mark() != self.agent.scheduler.seen

    def _plan_poll(self, failed: bool) -> None:
        """Sets the time of the next poll: in about a minute, or sooner (with back-off) after a failed pass."""
        self._failures = self._failures + 1 if failed else 0
        seconds = min(POLL_SECONDS, 2.0**self._failures) if failed else POLL_SECONDS
        self._next_poll = time.monotonic() + seconds * (0.75 + 0.5 * self._jitter())

    def _replay(self) -> None:
        try:
            replay_spool(self.agent.state, self.agent.identity)
        except (ServerAway, OSError) as problem:
            log.info("check-ins stay in the spool: %s", problem)

    def _log(self, report: PassReport, reasons: set[str]) -> None:
        level = logging.INFO if report.status in ("Applied", "Kept") else logging.WARNING
        line = f"{report.status} {report.head[:8]} ({', '.join(sorted(reasons))}) {report.message}".rstrip()
        log.log(level if report.status != "Kept" or reasons != {"poll"} else logging.DEBUG, line)

    # -- the watching thread --------------------------------------------------------------------------

    def _watch(self) -> None:
        """Long-polls the control plane. Rings for a new head, a requested pass or a confirmed removal."""
        head = self.agent.state.memory().applied
        wait = BACK_OFF[0]
        while not self._ended.is_set():
            self._trusted.wait()
            if self._ended.is_set():
                return
            try:
                answer = self._watcher.watch(
                    head, self._intervals.watch, stuck(self.agent.state.spool, time.time()), boot_id()
                )
            except Revoked as problem:
                self._trusted.clear()
                self.bell.revoked = str(problem)
                self.bell.ring("revoked")
                continue
            except (ServerAway, OSError) as problem:
                self.bell.away = str(problem)
                log.info("waiting for the control plane: %s", problem)
                self._ended.wait(wait * (0.5 + self._jitter()))
                wait = min(wait * 2, BACK_OFF[1])
                continue
            self._handle_answer(answer, head)
            wait = BACK_OFF[0]
            head = answer.head
            if answer.wake:  # the server keeps it set until the pass has reported, so do not poll again at once
                self._ended.wait(BACK_OFF[0])

    def _handle_answer(self, answer: WatchAnswer, head: str) -> None:
        confirmed = self.bell.answer.prune_confirmed if self.bell.answer else None
        self.bell.answer = answer
        if self.bell.away:
            self.bell.away = ""
            self.bell.ring("replay")
        if answer.wake or answer.head != head or answer.prune_confirmed != confirmed:
            self.bell.ring("watch")

    # -- signals -------------------------------------------------------------------------------------

    def _handle_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        signal.signal(signal.SIGUSR1, lambda *_: self.bell.ring("signal"))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, *_: Any) -> None:
        self._ended.set()
        self._trusted.set()  # the watching thread may wait for it
        if self._may_stop:
            raise Stop

    def end(self) -> None:
        """Stops the daemon after the current pass. Callable from another thread."""
        self._ended.set()
        self._trusted.set()
        self.bell.ring("end")
