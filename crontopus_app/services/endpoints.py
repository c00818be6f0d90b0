"""Endpoints: enrolling, listing, what they report, revoking."""

from __future__ import annotations

import logging
import secrets
from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col, func, select

from contract import wire
from crontopus_app import security
from crontopus_app.db import reading, writing
from crontopus_app.errors import BadInput, Conflict, CrontopusError, NotAuthenticated, NotFound
from crontopus_app.git.forgejo import Forgejo
from crontopus_app.git.index import sync_monitors
from crontopus_app.models import Endpoint, EnrollmentToken, Monitor, Tenant
from crontopus_app.services import audit
from crontopus_app.services.actor import Actor
from crontopus_app.services.tenants import bot_name

log = logging.getLogger(__name__)

SILENT_AFTER = timedelta(minutes=3)
SEEN_EVERY = timedelta(seconds=15)
DRIFT_KEPT = 20
NAME_LENGTH = 63


def enroll(token: str, form: wire.EnrollRequest, forge: Forgejo, now: datetime) -> wire.Enrolled:
    """Makes the machine an endpoint of the token's tenant; a machine that is one already gets a new token.

    The Git credential is made first: a forge that is away uses up nothing. Raises NotAuthenticated, Conflict, Unavailable.
    """
    _check_form(form)
    with reading() as session:
        tenant = _tenant_of(session, token, now)
    org, repository = tenant.repository.split("/")
    git_token_name = f"endpoint-{secrets.token_hex(8)}"
    access = forge.create_read_token(bot_name(tenant.id), git_token_name, org, repository)
    try:
        with writing() as session:
            _use(session, token, now)
            endpoint, secret, replaced = _write_endpoint(session, tenant.id, form, git_token_name, now)
            sync_monitors(session, tenant.id, now)
    except BaseException:
        _drop_git_token(forge, tenant.id, git_token_name)
        raise
    if replaced:
        _drop_git_token(forge, tenant.id, replaced)
    return wire.Enrolled(
        endpoint_id=endpoint.id,
        agent_id=endpoint.id,
        token=secret,
        tenant_id=tenant.id,
        git=wire.GitAccess(**{**asdict(git_access(tenant, forge.url)), "token": access.secret}),
    )


def _check_form(form: wire.EnrollRequest) -> None:
    for name, value in (("machine_id", form.machine_id), ("hostname", form.hostname)):
        if not value.strip() or len(value) > 255 or not value.isprintable():
            message = f"{name} must be 1 to 255 printable characters."
            raise BadInput(message, problems=[wire.Problem(code="bad_value", message=message, field=name)])
    if len(form.name) > NAME_LENGTH or not form.name.isprintable():
        message = f"name must be at most {NAME_LENGTH} printable characters."
        raise BadInput(message, problems=[wire.Problem(code="bad_value", message=message, field="name")])


def _tenant_of(session: Session, token: str, now: datetime) -> Tenant:
    row = session.exec(select(EnrollmentToken).where(EnrollmentToken.token_hmac == security.token_hmac(token))).first()
    if row is None or row.revoked_at or (row.expires_at and row.expires_at <= now) or _used_up(row):
        raise NotAuthenticated("This enrolment token is unknown, expired, revoked or used up.", code="bad_token")
    tenant = session.get(Tenant, row.tenant_id)
    if tenant is None or tenant.suspended:
        raise NotAuthenticated("This tenant is suspended.", code="suspended")
    if tenant.provisioning != "ready":
        raise Conflict("The tenant's repository is not ready yet: try again in a minute.", code="not_provisioned")
    return tenant


def _used_up(row: EnrollmentToken) -> bool:
    return row.max_uses is not None and row.uses >= row.max_uses


def _use(session: Session, token: str, now: datetime) -> None:
    """Counts one use, atomically: of two hosts with a token for one, one gets in."""
    free = col(EnrollmentToken.max_uses).is_(None) | (col(EnrollmentToken.uses) < col(EnrollmentToken.max_uses))
    mine = col(EnrollmentToken.token_hmac) == security.token_hmac(token)
    alive = col(EnrollmentToken.revoked_at).is_(None)
    counted = update(EnrollmentToken).where(mine, free, alive).values(uses=EnrollmentToken.uses + 1)
    if session.execute(counted).rowcount != 1:  # pyright: ignore[reportAttributeAccessIssue] -- an UPDATE's result has it
        raise NotAuthenticated("This enrolment token was used up just now.", code="bad_token")


def _write_endpoint(
    session: Session, tenant_id: str, form: wire.EnrollRequest, git_token_name: str, now: datetime
) -> tuple[Endpoint, str, str]:
    """The row, its new token, and the name of the Git token that it replaces."""
    known = session.exec(
        select(Endpoint).where(Endpoint.tenant_id == tenant_id, Endpoint.machine_id == form.machine_id)
    ).first()
    secret = security.new_token("ep")
    endpoint = known or Endpoint(
        tenant_id=tenant_id,
        machine_id=form.machine_id,
        name=_free_name(session, tenant_id, form.name or form.hostname),
        hostname=form.hostname,
        token_hmac="",
        created_at=now,
    )
    replaced, endpoint.git_token_name = endpoint.git_token_name, git_token_name
    endpoint.hostname, endpoint.platform, endpoint.agent_version = form.hostname, form.platform, form.agent_version
    endpoint.timezone, endpoint.utc_offset = form.timezone, form.utc_offset
    endpoint.labels, endpoint.capabilities = dict(form.labels), dict(form.capabilities)
    endpoint.token_hmac, endpoint.status, endpoint.last_seen_at = security.token_hmac(secret), "active", now
    session.add(endpoint)
    session.flush()
    return endpoint, secret, replaced


def _free_name(session: Session, tenant_id: str, wanted: str) -> str:
    """The name, or the name with the first free number: manifests address endpoints by name."""
    taken = set(session.exec(select(Endpoint.name).where(Endpoint.tenant_id == tenant_id)))
    wanted = wanted.split(".")[0][:NAME_LENGTH] or "endpoint"
    return next(name for name in (wanted, *(f"{wanted}-{n}" for n in range(2, len(taken) + 3))) if name not in taken)


def _drop_git_token(forge: Forgejo, tenant_id: str, name: str) -> None:
    """Takes a Git token back; a forge that is away is told in the log, the token reads only this tenant's repository."""
    try:
        forge.delete_token(bot_name(tenant_id), name)
    except CrontopusError as error:
        log.warning("the Git token %s of tenant %s could not be deleted: %s", name, tenant_id, error)


def git_access(tenant: Tenant, forge_url: str) -> wire.GitAccess:
    """Where an agent of this tenant clones from, without the credential."""
    url = f"{forge_url}/{tenant.repository}.git"
    return wire.GitAccess(url=url, branch=tenant.branch, username=bot_name(tenant.id))


def of_token(session: Session, token: str) -> Endpoint:
    """The endpoint whose ``ep_…`` token this is; raises NotAuthenticated for unknown and revoked ones."""
    if token.startswith("ep_"):
        row = session.exec(select(Endpoint).where(Endpoint.token_hmac == security.token_hmac(token))).first()
        if row is not None and row.status == "active":
            return row
    raise NotAuthenticated("This endpoint token is unknown or revoked: enrol the machine again.", code="bad_token")


def seen(endpoint_id: str, now: datetime) -> None:
    """Notes that the endpoint was heard; at most every 15 seconds."""
    stale = col(Endpoint.last_seen_at).is_(None) | (col(Endpoint.last_seen_at) < now - SEEN_EVERY)
    with writing() as session:
        session.execute(update(Endpoint).where(col(Endpoint.id) == endpoint_id, stale).values(last_seen_at=now))


def watch_state(session: Session, endpoint_id: str, forge_url: str, now: datetime) -> wire.WatchAnswer:
    """What a waiting agent is told now."""
    endpoint = session.get(Endpoint, endpoint_id)
    tenant = session.get(Tenant, endpoint.tenant_id) if endpoint else None
    if endpoint is None or tenant is None or endpoint.status != "active":
        raise NotAuthenticated("This endpoint token is unknown or revoked: enrol the machine again.", code="bad_token")
    waked = endpoint.wake_at is not None and (endpoint.reported_at is None or endpoint.wake_at > endpoint.reported_at)
    return wire.WatchAnswer(
        head=tenant.head,
        git=git_access(tenant, forge_url),
        server_time=now,
        wake=waked,
        prune_confirmed=endpoint.prune_confirmed,
    )


def report(session: Session, endpoint_id: str, told: wire.PassReport, now: datetime) -> None:
    """Writes what the last pass did."""
    endpoint = session.get(Endpoint, endpoint_id)
    if endpoint is None:
        raise NotFound("There is no such endpoint.")
    endpoint.pass_status, endpoint.pass_message = told.status, told.message[:2000]
    endpoint.head_applied, endpoint.reported_at, endpoint.last_seen_at = told.applied, now, now
    endpoint.agent_version = told.agent_version or endpoint.agent_version
    endpoint.timezone, endpoint.utc_offset = told.timezone or endpoint.timezone, told.utc_offset
    endpoint.capabilities = dict(told.capabilities) or endpoint.capabilities
    labels_changed = bool(told.labels) and dict(told.labels) != endpoint.labels
    endpoint.labels = dict(told.labels) or endpoint.labels
    if told.crontab:
        endpoint.crontab = [asdict(line) for line in told.crontab]
    endpoint.drift = ([_jsonable(drift, now) for drift in told.drift] + endpoint.drift)[:DRIFT_KEPT]
    session.add(endpoint)
    if labels_changed:
        session.flush()
        sync_monitors(session, endpoint.tenant_id, now)
    _note_outcomes(session, endpoint, told, now)


def _jsonable(drift: wire.Drift, now: datetime) -> dict[str, object]:
    modified = drift.modified_at.isoformat() if drift.modified_at else None
    return {**asdict(drift), "modified_at": modified, "seen_at": now.isoformat()}


def _note_outcomes(session: Session, endpoint: Endpoint, told: wire.PassReport, now: datetime) -> None:
    told_of = {entry.job_id: entry for entry in told.entries}
    for monitor in session.exec(select(Monitor).where(Monitor.endpoint_id == endpoint.id)):
        entry = told_of.get(monitor.job_id)
        if entry is None:
            continue
        told_facts = (entry.outcome, entry.reason, entry.commit)
        if told_facts != (monitor.outcome, monitor.reason, monitor.applied_commit):
            monitor.outcome, monitor.reason, monitor.applied_commit = told_facts
            monitor.updated_at = now
            session.add(monitor)


def list_page(
    session: Session, actor: Actor, *, page: int = 1, page_size: int = 50, now: datetime
) -> wire.EndpointList:
    """The tenant's endpoints by name, revoked ones last."""
    actor.require("read:agents")
    page, page_size = max(page, 1), min(max(page_size, 1), 100)
    mine = Endpoint.tenant_id == actor.tenant_id
    total = session.exec(select(func.count()).select_from(Endpoint).where(mine)).one()
    query = select(Endpoint).where(mine).order_by(col(Endpoint.status), col(Endpoint.name))
    rows = session.exec(query.offset((page - 1) * page_size).limit(page_size)).all()
    head, counts = _head(session, actor.tenant_id), _job_counts(session, [row.id for row in rows])
    shaped = [shape(row, head, counts.get(row.id, 0), now) for row in rows]
    return wire.EndpointList(endpoints=shaped, total=total, page=page, page_size=page_size)


def get(session: Session, actor: Actor, endpoint_id: str, now: datetime) -> wire.Endpoint:
    actor.require("read:agents")
    row = _mine(session, actor, endpoint_id)
    return shape(row, _head(session, actor.tenant_id), _job_counts(session, [row.id]).get(row.id, 0), now)


def _mine(session: Session, actor: Actor, endpoint_id: str) -> Endpoint:
    row = session.get(Endpoint, endpoint_id)
    if row is None or row.tenant_id != actor.tenant_id:
        raise NotFound("There is no such endpoint.")
    return row


def _head(session: Session, tenant_id: str) -> str:
    tenant = session.get(Tenant, tenant_id)
    return tenant.head if tenant else ""


def _job_counts(session: Session, endpoint_ids: list[str]) -> dict[str, int]:
    rows = session.exec(
        select(Monitor.endpoint_id, func.count())
        .where(col(Monitor.endpoint_id).in_(endpoint_ids), Monitor.state != "retired")
        .group_by(Monitor.endpoint_id)
    )
    return {endpoint_id: count for endpoint_id, count in rows}  # noqa: C416 -- dict() cannot be typed over rows


def shape(row: Endpoint, head: str, jobs: int, now: datetime) -> wire.Endpoint:
    """The row as the API shows it. ``state`` is in sync, behind, waiting, blocked, failed, silent or revoked."""
    return wire.Endpoint(
        id=row.id,
        name=row.name,
        hostname=row.hostname,
        platform=row.platform,
        agent_version=row.agent_version,
        timezone=row.timezone,
        utc_offset=row.utc_offset,
        labels=dict(row.labels),
        capabilities=dict(row.capabilities),
        status=row.status,
        state=state_of(row, head, now),
        last_seen_at=row.last_seen_at,
        head_applied=row.head_applied,
        jobs=jobs,
        created_at=row.created_at,
        message=row.pass_message,
    )


def state_of(row: Endpoint, head: str, now: datetime) -> str:
    if row.status == "revoked":
        return "revoked"
    if row.last_seen_at is None or row.last_seen_at < now - SILENT_AFTER:
        return "silent"
    if row.pass_status in {"Waiting", "Blocked", "Failed"}:
        return row.pass_status.lower()
    if not row.reported_at:
        return "waiting"
    return "in sync" if row.head_applied == head else "behind"


def instances(session: Session, actor: Actor, endpoint_id: str) -> list[wire.InstanceStatus]:
    """The jobs of one endpoint."""
    actor.require("read:agents")
    endpoint = _mine(session, actor, endpoint_id)
    monitors = session.exec(
        select(Monitor)
        .where(Monitor.endpoint_id == endpoint.id, Monitor.state != "retired")
        .order_by(col(Monitor.namespace), col(Monitor.job_name))
    )
    return [instance(monitor, endpoint.name) for monitor in monitors]


def instance(monitor: Monitor, endpoint_name: str) -> wire.InstanceStatus:
    return wire.InstanceStatus(
        job_id=monitor.job_id,
        job_name=monitor.job_name,
        namespace=monitor.namespace,
        endpoint_id=monitor.endpoint_id,
        endpoint_name=endpoint_name,
        state=monitor.state,
        outcome=monitor.outcome,
        reason=monitor.reason,
        commit=monitor.applied_commit,
        last_run_id=monitor.last_run_id,
        last_run_status=monitor.last_run_status,
        last_run_at=monitor.last_run_at,
    )


def crontab(session: Session, actor: Actor, endpoint_id: str) -> list[wire.CrontabLine]:
    """The host's crontab as its agent read it last."""
    actor.require("read:agents")
    return [wire.CrontabLine(**line) for line in _mine(session, actor, endpoint_id).crontab]


def drift(session: Session, actor: Actor, endpoint_id: str) -> list[dict[str, object]]:
    """What was found changed by other hands, newest first."""
    actor.require("read:agents")
    return list(_mine(session, actor, endpoint_id).drift)


def rename(session: Session, actor: Actor, endpoint_id: str, name: str, now: datetime) -> wire.Endpoint:
    """Gives an endpoint another name. Raises BadInput, Conflict, NotFound."""
    actor.require("write:agents")
    row, name = _mine(session, actor, endpoint_id), name.strip()
    if not 1 <= len(name) <= NAME_LENGTH or not name.isprintable():
        raise BadInput(f"name must be 1 to {NAME_LENGTH} printable characters.")
    others = select(Endpoint.id).where(Endpoint.tenant_id == actor.tenant_id, Endpoint.name == name)
    if session.exec(others.where(Endpoint.id != row.id)).first():
        raise Conflict(f"Another endpoint is named {name!r}.")
    row.name = name
    session.add(row)
    session.flush()
    sync_monitors(session, actor.tenant_id, now)
    audit.record(session, actor, "endpoint.rename", row.name, now)
    return get(session, actor, endpoint_id, now)


def revoke(session: Session, actor: Actor, endpoint_id: str, now: datetime) -> str:
    """Ends the endpoint's token at once and retires its instances; gives the Git token to take back after the commit."""
    actor.require("write:agents")
    row = _mine(session, actor, endpoint_id)
    row.status, git_token, row.git_token_name = "revoked", row.git_token_name, ""
    session.add(row)
    session.flush()
    sync_monitors(session, actor.tenant_id, now)
    audit.record(session, actor, "endpoint.revoke", row.name, now)
    return git_token


def drop_git_token(forge: Forgejo, actor: Actor, name: str) -> None:
    """Takes a revoked endpoint's Git token back, after the commit."""
    if name:
        _drop_git_token(forge, actor.tenant_id, name)


def wake(session: Session, actor: Actor, endpoint_id: str, now: datetime) -> None:
    """Asks the endpoint's agent for a pass now."""
    actor.require("write:agents")
    row = _mine(session, actor, endpoint_id)
    row.wake_at = now
    session.add(row)


def confirm_prune(session: Session, actor: Actor, endpoint_id: str, head: str, now: datetime) -> None:
    """Lets the endpoint's agent apply the deletions that ``head`` asks for."""
    actor.require("write:agents")
    row = _mine(session, actor, endpoint_id)
    row.prune_confirmed, row.wake_at = head, now
    session.add(row)
    audit.record(session, actor, "endpoint.confirm_prune", row.name, now, head)
