"""One pass: fetch → observe → plan → apply → report. It acts on the observed state, not on events.

A pass always sends its report. If the repository or the crontab cannot be read, the pass stops and removes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Callable

from agent import VERSION
from agent.control import Control
from agent.desired import POLICY, Desired, build, decoder_for, fingerprint
from agent.errors import AgentError, FetchFailed, Revoked, RunnerFailed, SchedulerFailed, ServerAway, Stop, Unproved
from agent.host import Host, boot_id
from agent.install import drop_jobs, install_runner, missing_jobs, write_jobs
from agent.plan import BLOCKED, CREATE, DELETE, KEEP, UPDATE, PassPlan, body, brake, confirms_prune, make_plan, written
from agent.policy import NO_POLICY, HostPolicy, policy_of
from agent.render import Context
from agent.schedulers import Observed, Prepared, Scheduler
from agent.selftest import facts_of, problem_of
from agent.source import RepositoryAccess, Source
from agent.spool import stuck
from agent.state import Entry, Identity, Memory, State, keep_backup
from contract.wire import EntryOutcome, GitAccess, PassReport

NOTHING = Observed(b"", False, {})


@dataclass
class Pass:
    """The state of one pass, from which the report is made, also after an error."""

    memory: Memory
    started: datetime
    clock: float
    head: str = ""
    status: str = "Failed"
    message: str = ""
    cannot_run: bool = False
    policy: HostPolicy = NO_POLICY
    policy_blob: str = ""
    fingerprint: str = ""
    desired: Desired = field(default_factory=Desired)
    plan: PassPlan = field(default_factory=lambda: PassPlan(()))
    before: Observed = NOTHING
    prepared: Prepared = field(default_factory=lambda: Prepared(NOTHING, b"", None))


class Agent:
    """The passes of one enrolled endpoint."""

    def __init__(
        self,
        state: State,
        scheduler: Scheduler,
        control: Control,
        look: Callable[[], Host],
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self.state = state
        self.identity: Identity = state.identity()
        self.scheduler = scheduler
        self.control = control
        self.host = look()
        self.source = Source(state.repo)
        self.prune_confirmed: str | None = None
        self.guard: Callable[[bool], None] = _ignore
        self._look, self._clock = look, clock
        self._proved: Hashable = None
        self._sent: tuple[object, ...] | None = None

    def close(self) -> None:
        self.control.close()

    def once(self, *, fetch: bool = True, always_report: bool = True) -> PassReport:
        """One pass. ``fetch=False`` uses the last applied head and only compares the crontab with it."""
        current = Pass(Memory(), self._clock(), time.perf_counter())
        stopping = False
        try:
            self._check_enrolled()
            with self.state.lock():
                self._check_enrolled()
                current.memory = self.state.memory()
                current.head = current.memory.applied
                self._steps(current, fetch, dry=False)
        except FetchFailed as problem:
            current.status, current.message = "Waiting", str(problem)
        except RunnerFailed as problem:
            current.status, current.message, current.cannot_run = "Failed", str(problem), True
        except OSError as problem:  # such as a full disk
            current.status, current.message = "Failed", f"the agent's files cannot be used: {problem}"
        except SchedulerFailed as problem:
            current.status = "Blocked" if isinstance(problem, Unproved) else "Failed"
            current.message = str(problem)
        except Stop:
            stopping = True
            raise
        finally:
            report = self._report(current)
            if not stopping:
                self._send(report, always_report)
        return report

    def _check_enrolled(self) -> None:
        """Raises ``Stop`` if ``leave`` has removed the state: the agent must not write any more."""
        if not self.state.enrolled:
            raise Stop

    def preview(self) -> tuple[PassPlan, Prepared, str]:
        """A pass without changes: the plan, the crontab before and after, and why it would not be applied."""
        current = Pass(self.state.memory(), self._clock(), time.perf_counter())
        self._steps(current, fetch=True, dry=True)
        return current.plan, current.prepared, current.message

    def learn(self, git: GitAccess) -> None:
        """Saves the repository address from the server; an empty field keeps the saved value."""
        old = self.identity
        new = replace(
            old,
            git_url=git.url or old.git_url,
            git_branch=git.branch or old.git_branch,
            git_username=git.username or old.git_username,
            git_token=git.token or old.git_token,
        )
        if new != old:
            self.identity = new
            self.state.save_identity(new)

    # -- the steps -----------------------------------------------------------------------------------

    def _steps(self, current: Pass, fetch: bool, dry: bool) -> None:
        self._want(current, fetch)
        self._observe(current)
        self._plan(current)
        if not dry:
            self._prove(current)
        stopped = self._stopped(current)
        if stopped:
            current.status, current.message = stopped
        elif not dry:
            self.guard(True)
            try:
                self._apply(current)
            finally:
                self.guard(False)

    def _want(self, current: Pass, fetch: bool) -> None:
        """Sets ``desired`` from Git. Without a change since the last pass it reuses the saved entries."""
        self.host = self._look()  # its zone or its cron may have changed
        memory = current.memory
        access = self._access()
        current.head = self.source.head(access) if fetch or not memory.applied else memory.applied
        context = self._context(current.started)
        same = memory.fingerprint == fingerprint(context, memory.policy_blob)
        missing = missing_jobs(self.state, (e.job_id for e in memory.entries.values() if e.lines))
        due = any(
            e.refresh_at is not None and e.refresh_at <= current.started.timestamp() for e in memory.entries.values()
        )
        if current.head == memory.applied and same and not missing and not due and memory.entries:
            current.desired = Desired(dict(memory.entries))
            current.policy, current.policy_blob = policy_of(memory.policy), memory.policy_blob
            current.fingerprint = memory.fingerprint
            return
        self._read(current, access, context, missing)

    def _read(self, current: Pass, access: RepositoryAccess, context: Context, missing: set[str]) -> None:
        memory = current.memory
        snapshot = self.source.fetch(access)
        current.head = snapshot.head
        files = dict(snapshot.files)
        blob = files.pop(POLICY, "")
        text = self.source.read(blob).decode("utf-8", "replace") if blob else ""
        current.policy, current.policy_blob = policy_of(text, memory.policy), blob
        current.fingerprint = fingerprint(context, blob)
        decoder = decoder_for(self.identity.tenant, current.policy)
        keep = current.fingerprint == memory.fingerprint
        current.desired = build(
            files, memory.entries, keep, missing, self.source.read_all, decoder, context, snapshot.head
        )

    def _observe(self, current: Pass) -> None:
        try:
            current.before = self.scheduler.observe(current.memory.block)
        except SchedulerFailed:  # the report says of each job what could not be applied
            current.plan = make_plan(current.desired.entries, current.memory.entries, written(current.memory.entries))
            raise

    def _plan(self, current: Pass) -> None:
        memory, before = current.memory, current.before
        memory.migrated.update(before.legacy)
        current.plan = make_plan(current.desired.entries, memory.entries, before.entries)
        lines = body(current.desired.entries.values(), memory.migrated)
        current.prepared = self.scheduler.prepare(before, lines, self.host.zone if self.host.cron_tz else "")

    def _prove(self, current: Pass) -> None:
        """Raises ``RunnerFailed`` if cron cannot start the runner and installing it again does not help.

        Starts it once an hour, and after each change of what it needs.
        """
        state, hour = self.state, int(current.started.timestamp()) // 3600
        if not any(entry.lines for entry in current.desired.entries.values()):
            return
        if self._proved == (hour, facts_of(state.runner, state.runner_cache)):
            return
        problem = problem_of(state.runner)
        if problem:
            try:
                install_runner(state, self.identity)
                problem = problem_of(state.runner)
            except OSError as failed:
                problem = f"{problem}; it cannot be installed again: {failed}"
        if problem:
            raise RunnerFailed(problem)
        self._proved = (hour, facts_of(state.runner, state.runner_cache))

    def _stopped(self, current: Pass) -> tuple[str, str] | None:
        """Status and reason if the plan must not be applied: freeze, prune limit, or drift that is only reported."""
        if current.before.other_agent:
            return "Blocked", (
                f"another agent manages this crontab too, with the runner {current.before.other_agent}: each removes "
                "the other's jobs. Run 'crontopus-agent leave' for one of them (--state names its folder)"
            )
        frozen = current.policy.frozen(current.started)
        if frozen and (current.plan.changes or current.before.drift):
            return "Waiting", frozen
        managed = len({e.job_id for e in current.memory.entries.values() if e.lines})
        reason = brake(current.plan, managed, current.policy.prune_max_share)
        if reason and not self._prune_allowed(current):
            return "Blocked", reason
        if current.before.drift and not current.policy.heal and current.head == current.memory.applied:
            return "Blocked", "the managed block was edited on the host; crontopus.yaml says drift: report, so it stays"
        return None

    def _prune_allowed(self, current: Pass) -> bool:
        if self.prune_confirmed and self.prune_confirmed == current.head:
            return True
        messages = self.source.messages_since(self._access(), current.memory.applied, current.head)
        return confirms_prune(messages)

    def _apply(self, current: Pass) -> None:
        memory = current.memory
        ids = {entry.job_id for entry in current.desired.entries.values() if entry.lines}
        write_jobs(self.state, current.desired.jobs)
        changed = current.prepared.changes
        if changed:
            self.scheduler.apply(current.prepared, lambda content: self._back_up(current, content))
        current.status = "Applied" if changed or current.desired.jobs else "Kept"
        current.message = "the managed block was edited on the host; it is restored" if current.before.drift else ""
        self._remember(memory, current, ids)
        drop_jobs(self.state, ids)

    def _back_up(self, current: Pass, content: bytes) -> None:
        if current.memory.had_crontab is None:
            current.memory.had_crontab = current.before.exists
            self.state.save_memory(replace(self.state.memory(), had_crontab=current.before.exists))
        keep_backup(self.state.backups, content, current.started.strftime("%Y%m%dT%H%M%SZ"))

    def _remember(self, memory: Memory, current: Pass, ids: set[str]) -> None:
        before = (memory.applied, memory.block, memory.entries, memory.fingerprint)
        memory.fingerprint, memory.policy_blob = current.fingerprint, current.policy_blob
        memory.policy = current.policy.text
        memory.applied = current.head
        memory.entries = current.desired.entries
        memory.migrated = {job: line for job, line in memory.migrated.items() if job not in ids}
        memory.block = current.prepared.ours
        if before != (memory.applied, memory.block, memory.entries, memory.fingerprint) or current.desired.jobs:
            self.state.save_memory(memory)

    # -- the report ----------------------------------------------------------------------------------

    def _report(self, current: Pass) -> PassReport:
        titles = {entry.job_id: entry.title for entry in current.memory.entries.values()}
        content = current.prepared.content if current.status == "Applied" else current.before.content
        return PassReport(
            status=current.status,
            head=current.head,
            applied=current.memory.applied,
            started_at=current.started,
            duration_s=round(time.perf_counter() - current.clock, 4),
            message=current.message,
            entries=self._outcomes(current),
            drift=current.before.drift,
            crontab=self.scheduler.discover(content, titles),
            agent_version=VERSION,
            timezone=self.host.zone,
            utc_offset=self.host.utc_offset(current.started),
            labels=dict(self.identity.labels),
            capabilities=dict(self.host.capabilities),
            spool=stuck(self.state.spool, self._clock().timestamp()),
            boot_id=boot_id(),
        )

    def _outcomes(self, current: Pass) -> list[EntryOutcome]:
        blocked = {action.entry.job_id for action in current.plan.of(BLOCKED)}
        installed = {entry.job_id: entry for entry in current.memory.entries.values() if entry.lines}
        return [
            _outcome(action.kind, action.entry, action.reason, current, installed.get(action.entry.job_id))
            for action in current.plan.actions
            if not (action.kind == DELETE and action.entry.job_id in blocked)
        ]

    def _send(self, report: PassReport, always: bool) -> None:
        """Sends the report, or a heartbeat if nothing has changed. Ignores a server that is away."""
        content = (
            report.status,
            report.head,
            report.applied,
            report.message,
            tuple(report.entries),
            tuple(report.crontab),
            report.timezone,
        )
        try:
            if always or report.drift or content != self._sent:
                self.control.report(report)
            else:
                self.control.heartbeat(report.spool, report.boot_id)
            self._sent = content
        except ServerAway:
            self._sent = None

    def _access(self) -> RepositoryAccess:
        identity = self.identity
        return RepositoryAccess(identity.git_url, identity.git_branch, identity.git_username, identity.git_token)

    def _context(self, now: datetime) -> Context:
        me = self.identity
        return Context(me.tenant, me.endpoint_id, me.name, me.labels, self.host, self.state.runner, now)


def _ignore(_writing: bool) -> None:
    """The guard of an agent without a daemon."""


def _unaffected(current: Pass) -> tuple[str, ...]:
    """The kinds of steps with an outcome of their own, although the pass was not applied."""
    return (BLOCKED,) if current.cannot_run else (KEEP, BLOCKED)


_DONE = {CREATE: "Applied", UPDATE: "Applied", DELETE: "Applied", KEEP: "Kept"}


def _outcome(kind: str, entry: Entry, reason: str, current: Pass, installed: Entry | None) -> EntryOutcome:
    """Failed for a file with errors, Blocked for a job that this host cannot run, else the result of the pass.

    ``installed``: the job's entry in the crontab after the pass; None if it has none.
    """
    outcome, text = _DONE.get(kind, "Blocked"), reason
    if entry.standing == "broken":
        outcome = "Failed"
        text = f"{entry.problem} (the last valid version stays installed)" if entry.lines else entry.problem
    elif current.status in ("Waiting", "Blocked", "Failed") and kind not in _unaffected(current):
        outcome, text = current.status, current.message
    elif kind == DELETE:
        text = f"removed: {reason}"
    schedule, zone = ([], "") if installed is None or installed.paused else (installed.schedule, installed.zone)
    return EntryOutcome(entry.job_id, entry.path, outcome, text, entry.commit, entry.line_hash, schedule, zone)


__all__ = ["Agent", "AgentError", "Revoked"]
