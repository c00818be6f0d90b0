"""Silences and maintenance: entries of the tenant's crontopus.yaml, which are listed, added and removed one by one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import yaml
from sqlmodel import Session

from contract import policy as policies
from contract.policy_types import Maintenance, Silence, When
from contract.time_intervals import in_words
from contract.wire_alerts import Window, WindowRequest, WindowScope
from contract.yaml_nodes import load, to_plain
from crontopus_app.base import audit, bounds, idempotency
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import BadInput, Conflict, NotFound
from crontopus_app.jobs import changes
from crontopus_app.jobs.batch import blob_sha
from crontopus_app.jobs.changes import Submitted
from crontopus_app.jobs.policies import PATH
from crontopus_app.jobs.yaml_edit import EditError, edit
from crontopus_app.models import Tenant

# The fields of crontopus.yaml that hold them, by their name.
FIELDS = {"silence": "silences", "maintenance": "maintenance"}
MOST_MINUTES = 366 * 24 * 60


def list_all(session: Session, actor: Actor, kind: str, now: datetime) -> list[Window]:
    """The silences or the maintenance, in the order of the file."""
    actor.require("read:alerts")
    text = session.get_one(Tenant, actor.tenant_id).policy
    decoded = getattr(policies.in_force(text), FIELDS[kind])
    return [_window(plain, each, now) for plain, each in zip(_entries(text, kind), decoded, strict=True)]


def _entries(text: bytes, kind: str) -> list[dict[str, Any]]:
    """The entries as the file has them."""
    return list(_plain(text).get(FIELDS[kind]) or [])


def _plain(text: bytes) -> dict[str, Any]:
    root = load(text).root
    plain = to_plain(root) if root is not None else None
    return plain if isinstance(plain, dict) else {}


def _window(plain: Mapping[str, Any], each: Silence | Maintenance, now: datetime) -> Window:
    state = "over" if each.until is not None and each.until <= now else "active" if each.holds(now) else "planned"
    during = [in_words(interval) for interval in each.during] if isinstance(each, Maintenance) else []
    return Window(_id(plain), state, each.starts, each.until, _scope(each.when), each.reason, during)


def _scope(when: When) -> WindowScope:
    labels = {name: list(values) for name, values in when.labels.items()}
    return WindowScope(list(when.namespaces), list(when.jobs), list(when.endpoints), labels)


def _id(plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def add(
    session: Session, actor: Actor, kind: str, request: WindowRequest, now: datetime, *, key: str = ""
) -> Submitted:
    """Adds an entry. For a repeated ``key``, returns the change of the first request. Raises BadInput, Conflict."""
    actor.require("write:alerts")
    claim = idempotency.claim(session, actor, kind, key, repr(request), now)
    if claim.repeated:
        return changes.submitted(session, claim.subject)
    text = _current(session, actor)
    entry = _entry(kind, request, now)
    entries = _entries(text, kind)
    if entry in entries:
        raise Conflict(f"{PATH} has this {kind} already.", code="exists")
    change = _submit(session, actor, kind, "Add", text, [*entries, entry], now)
    claim.complete(change.id)
    return change


def end(session: Session, actor: Actor, kind: str, window_id: str, now: datetime) -> Submitted:
    """Removes an entry. Raises NotFound, Conflict."""
    actor.require("write:alerts")
    text = _current(session, actor)
    entries = _entries(text, kind)
    others = [entry for entry in entries if _id(entry) != window_id]
    if len(others) == len(entries):
        raise NotFound(f"No {kind} {window_id}. It may have been changed or removed meanwhile.")
    return _submit(session, actor, kind, "End", text, others, now)


def _current(session: Session, actor: Actor) -> bytes:
    """The file; raises Conflict if its newest version is invalid, which an edit must not overwrite."""
    tenant = session.get_one(Tenant, actor.tenant_id)
    if tenant.policy_sha and blob_sha(tenant.policy) != tenant.policy_sha:
        raise Conflict(f"{PATH} is invalid. Correct it in the repository first.", code="invalid_file")
    return tenant.policy


def _entry(kind: str, request: WindowRequest, now: datetime) -> dict[str, Any]:
    until, starts = bounds.instant("until", request.until), bounds.instant("starts", request.starts)
    if request.minutes is not None:
        if until is not None or not 1 <= request.minutes <= MOST_MINUTES:
            raise bounds.bad("minutes", f"Give either until, or minutes from 1 to {MOST_MINUTES}.")
        until = (starts or now) + timedelta(minutes=request.minutes)
    if until is None and not (kind == "maintenance" and request.during):
        raise bounds.bad("until", "Say when it ends: give until or minutes.")
    if until is not None and until <= now:
        raise bounds.bad("until", "The end is over already.")
    when = {name: value for name, value in asdict(request.when).items() if value}
    entry: dict[str, Any] = {"from": _text(starts), "until": _text(until), "when": when, "reason": request.reason}
    entry |= {"during": request.during} if kind == "maintenance" else {}
    return {name: value for name, value in entry.items() if value}


def _text(at: datetime | None) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}" if at is not None else ""


def _submit(
    session: Session, actor: Actor, kind: str, verb: str, text: bytes, entries: list[dict[str, Any]], now: datetime
) -> Submitted:
    content = _edited(text, kind, entries)
    errors = policies.decode(content).errors
    if errors:
        raise BadInput(errors[0].message, code="invalid_policy", problems=list(errors))
    audit.record(session, actor, f"{kind}.{verb.lower()}", PATH, now)
    exists = bool(session.get_one(Tenant, actor.tenant_id).policy_sha)
    base = {"base_sha": blob_sha(text)} if exists else {}
    operation = "update" if exists else "create"
    return changes.submit(session, actor, operation, PATH, f"{verb} {kind}", now, content=content, **base)


def _edited(text: bytes, kind: str, entries: list[dict[str, Any]]) -> bytes:
    if not _plain(text):  # only comments, or nothing
        written = yaml.safe_dump({FIELDS[kind]: entries}, sort_keys=False, allow_unicode=True)
        return text + (b"" if text.endswith(b"\n") or not text else b"\n") + written.encode()
    # A file must not become empty.
    nothing = [] if set(_plain(text)) == {FIELDS[kind]} else None
    try:
        return edit(text, {FIELDS[kind]: entries or nothing})
    except EditError as error:
        raise BadInput(f"{PATH} cannot be edited: {error}", code="not_editable") from error
