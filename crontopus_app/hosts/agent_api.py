"""Services for agents: authentication, watching for changes, and reports. See ``contact.py`` for their contacts."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime

from sqlmodel import Session, select

from contract import wire
from crontopus_app.base import bounds, security
from crontopus_app.base.db import after_commit
from crontopus_app.base.errors import NotFound, bad_endpoint_token, suspended_tenant
from crontopus_app.base.live import Event, publish
from crontopus_app.base.settings import settings
from crontopus_app.forge import addresses
from crontopus_app.forge.names import bot_name
from crontopus_app.hosts import contact
from crontopus_app.hosts.contact import WORD
from crontopus_app.jobs.index import lock_tenant, sync_monitors
from crontopus_app.models import Endpoint, Monitor, Tenant
from crontopus_app.monitoring import installed
from crontopus_app.monitoring.installed import InstalledLine
from crontopus_app.monitoring.slots import policy_of
from crontopus_app.monitoring.state import RESTING

DRIFT_KEPT = 20
OUTCOMES = frozenset({"Applied", "Kept", "Waiting", "Blocked", "Failed"})
ONE_DAY_S = 86400
# Expressions of one job; a manifest can have no more.
LINES_KEPT = 100


def git_access(tenant: Tenant) -> wire.GitAccess:
    """The repository URL and user name for the tenant's agents, without the token."""
    url = addresses.clone(settings(), tenant.repository)
    return wire.GitAccess(url=url, branch=tenant.branch, username=bot_name(tenant.id))


def of_token(session: Session, token: str) -> Endpoint:
    """The endpoint with this ``ep_…`` token. Raises NotAuthenticated, and Forbidden for a suspended tenant."""
    if token.startswith("ep_"):
        row = session.exec(select(Endpoint).where(Endpoint.token_hmac == security.token_hmac(token))).first()
        if row is not None and row.status == "active":
            _check_tenant(session.get(Tenant, row.tenant_id))
            return row
    raise bad_endpoint_token()


def _check_tenant(tenant: Tenant | None) -> None:
    """Raises Forbidden for a suspended tenant."""
    if tenant is None or tenant.suspended:
        raise suspended_tenant()


def watch_state(session: Session, endpoint_id: str, now: datetime) -> wire.WatchAnswer:
    """The answer to a waiting agent."""
    endpoint = session.get(Endpoint, endpoint_id)
    tenant = session.get(Tenant, endpoint.tenant_id) if endpoint else None
    if endpoint is None or tenant is None or endpoint.status != "active":
        raise bad_endpoint_token()
    _check_tenant(tenant)
    wake_requested = endpoint.wake_at is not None and (
        endpoint.reported_at is None or endpoint.wake_at > endpoint.reported_at
    )
    return wire.WatchAnswer(
        head=tenant.head,
        git=git_access(tenant),
        server_time=now,
        wake=wake_requested,
        prune_confirmed=endpoint.prune_confirmed,
    )


def report(session: Session, endpoint_id: str, pass_report: wire.PassReport, now: datetime) -> None:
    """Stores the result of the agent's last pass. Raises BadInput, NotFound."""
    endpoint = session.get(Endpoint, endpoint_id)
    if endpoint is None:
        raise NotFound(f"No endpoint {endpoint_id}.")
    labels = bounds.mapping("labels", pass_report.labels)
    labels_changed = bool(labels) and labels != endpoint.labels
    if labels_changed:
        lock_tenant(session, endpoint.tenant_id)  # before the endpoint's row
    session.refresh(endpoint, with_for_update={"key_share": True})
    endpoint.pass_status, endpoint.pass_message = _status(pass_report.status), bounds.text(pass_report.message)
    endpoint.head_applied, endpoint.reported_at = bounds.text(pass_report.applied, WORD), now
    describe(endpoint, pass_report)
    endpoint.labels = labels or endpoint.labels
    endpoint.capabilities = bounds.mapping("capabilities", pass_report.capabilities) or endpoint.capabilities
    if pass_report.crontab:
        endpoint.crontab = [asdict(line) for line in pass_report.crontab]
    endpoint.drift = ([_jsonable(drift, now) for drift in pass_report.drift] + endpoint.drift)[:DRIFT_KEPT]
    contact.heard(session, endpoint, now, *contact.bounded(pass_report.spool, pass_report.boot_id))
    if labels_changed:
        sync_monitors(session, endpoint.tenant_id, now, hosts=[endpoint.id])
    _store_outcomes(session, endpoint, pass_report, now)
    after_commit(session, publish, Event(endpoint.tenant_id, "endpoint", endpoint.id))


def _status(status: str) -> str:
    if status not in OUTCOMES:
        raise bounds.bad("status", f"status must be one of {', '.join(sorted(OUTCOMES))}, not {status!r}.")
    return status


def describe(endpoint: Endpoint, facts: wire.PassReport | wire.EnrollRequest) -> None:
    """Stores facts about the machine; missing ones keep their value. Raises BadInput."""
    endpoint.platform = bounds.text(getattr(facts, "platform", ""), WORD) or endpoint.platform
    endpoint.agent_version = bounds.text(facts.agent_version, WORD) or endpoint.agent_version
    endpoint.timezone = bounds.text(facts.timezone, WORD) or endpoint.timezone
    endpoint.utc_offset = bounds.whole("utc_offset", facts.utc_offset, most=ONE_DAY_S, least=-ONE_DAY_S) or 0


def _jsonable(drift: wire.Drift, now: datetime) -> dict[str, object]:
    modified = drift.modified_at.isoformat() if drift.modified_at else None
    bounded = replace(
        drift,
        kind=bounds.text(drift.kind, WORD),
        expected=bounds.text(drift.expected),
        found=bounds.text(drift.found),
        owner=bounds.text(drift.owner, WORD),
        logged_in=[bounds.text(name, WORD) for name in drift.logged_in[:DRIFT_KEPT]],
    )
    return {**asdict(bounded), "modified_at": modified, "seen_at": now.isoformat()}


def _store_outcomes(session: Session, endpoint: Endpoint, pass_report: wire.PassReport, now: datetime) -> None:
    entries = {entry.job_id: entry for entry in pass_report.entries}
    for monitor in session.exec(select(Monitor).where(Monitor.endpoint_id == endpoint.id)):
        entry = entries.get(monitor.job_id)
        if entry is None:
            continue
        values = (bounds.text(entry.outcome, WORD), bounds.text(entry.reason), bounds.text(entry.commit, WORD))
        changed = values != (monitor.outcome, monitor.reason, monitor.applied_commit)
        monitor.outcome, monitor.reason, monitor.applied_commit = values
        if _store_line(monitor, entry, policy_of(endpoint.capabilities), now) or changed:
            monitor.updated_at = now
            session.add(monitor)


def _store_line(monitor: Monitor, entry: wire.EntryOutcome, policy: str, now: datetime) -> bool:
    """Stores which line of the job is installed now. Returns whether it is another one than before."""
    if entry.schedule is None or monitor.state in RESTING:
        return False
    schedule = tuple(bounds.text(expression, WORD) for expression in entry.schedule[:LINES_KEPT])
    line = InstalledLine(now, None, schedule, bounds.text(entry.zone, WORD), policy) if schedule else None
    before = installed.load(monitor.lines)
    lines = installed.reported(before, line, now)
    if lines == before:
        return False
    monitor.lines = installed.dump(installed.unsettled(lines, monitor.settled_until))
    monitor.next_deadline = now
    return True
