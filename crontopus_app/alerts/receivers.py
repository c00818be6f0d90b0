"""The channels of a tenant: create, change, try and delete them. Their secrets are never shown again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime

from sqlmodel import Session, col, func, select

from contract import wire_alerts
from contract.manifest_fields import NAME_HINT, NAME_PATTERN
from crontopus_app.alerts import notify
from crontopus_app.alerts.board import delivery
from crontopus_app.alerts.channels.base import Kind
from crontopus_app.alerts.kinds import KINDS
from crontopus_app.base import audit, bounds, idempotency
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import after_commit
from crontopus_app.base.errors import BadInput, Conflict, NotFound
from crontopus_app.base.live import Event, publish
from crontopus_app.base.sealing import seal, unseal
from crontopus_app.models import Channel, Delivery, Mail

MOST = 100
SHOWN = 20
_NAME = re.compile(NAME_PATTERN)
MASK = "••••••••"


def kinds(actor: Actor) -> list[wire_alerts.ChannelKind]:
    actor.require("read:alerts")
    return [
        wire_alerts.ChannelKind(
            kind.name,
            kind.label,
            kind.confirms,
            [wire_alerts.ChannelSetting(s.name, s.label, s.secret, s.required, s.hint) for s in kind.settings],
        )
        for kind in KINDS.values()
    ]


def list_all(session: Session, actor: Actor) -> list[wire_alerts.Channel]:
    actor.require("read:alerts")
    rows = session.exec(select(Channel).where(Channel.tenant_id == actor.tenant_id).order_by(Channel.name)).all()
    sent = select(Delivery.channel_id, func.max(Delivery.sent_at)).where(Delivery.tenant_id == actor.tenant_id)
    last = dict(session.exec(sent.group_by(Delivery.channel_id)).all())
    return [_shape(row, last.get(row.id)) for row in rows]


def create(
    session: Session, actor: Actor, form: wire_alerts.ChannelRequest, now: datetime, *, key: str = ""
) -> wire_alerts.Channel:
    """Creates a channel; the same idempotency ``key`` gets the same one again.

    Raises BadInput that names the fields, and Conflict for a name that exists.
    """
    actor.require("write:alerts")
    claim = idempotency.claim(session, actor, "channel", key, form, now)
    if claim.repeated:
        return _shape(session.get_one(Channel, claim.subject), None)
    kind = _kind(form.kind)
    settings = {name: value.strip() for name, value in form.settings.items() if value.strip()}
    _check(kind, settings, form.name)
    count = session.exec(select(func.count()).select_from(Channel).where(Channel.tenant_id == actor.tenant_id)).one()
    if count >= MOST:
        raise BadInput(f"At most {MOST} channels are allowed. Delete one first.")
    _check_free(session, actor, form.name)
    row = Channel(
        tenant_id=actor.tenant_id,
        name=form.name,
        kind=kind.name,
        settings=seal(json.dumps(settings)),
        created_by=actor.username,
        created_at=now,
    )
    session.add(row)
    claim.complete(row.id)
    _changed(session, actor, "channel.create", row, now)
    return _shape(row, None)


def change(
    session: Session, actor: Actor, channel_id: str, form: wire_alerts.ChannelRequest, now: datetime
) -> wire_alerts.Channel:
    """Replaces name and settings. An omitted secret, or its mask, keeps its value; the kind cannot change."""
    actor.require("write:alerts")
    row = _own(session, actor, channel_id)
    kind = _kind(row.kind)
    if form.kind != row.kind:
        raise bounds.bad("kind", "The kind of a channel cannot change. Create another channel.")
    secrets = {setting.name for setting in kind.settings if setting.secret}
    kept = {name: value for name, value in json.loads(unseal(row.settings)).items() if name in secrets}
    given = {name: value.strip() for name, value in form.settings.items() if value.strip() and value != MASK}
    _check(kind, kept | given, form.name)
    if form.name != row.name:
        _check_free(session, actor, form.name)
    row.name, row.settings, row.state, row.problem = form.name, seal(json.dumps(kept | given)), "ok", ""
    session.add(row)
    _changed(session, actor, "channel.change", row, now)
    return _shape(row, None)


def delete(session: Session, actor: Actor, channel_id: str, now: datetime) -> None:
    """Deletes the channel. Its waiting messages are cancelled; what was sent stays in the timelines."""
    actor.require("write:alerts")
    row = _own(session, actor, channel_id)
    session.delete(row)
    _changed(session, actor, "channel.delete", row, now)


def test(session: Session, actor: Actor, channel_id: str, now: datetime) -> wire_alerts.Delivery:
    """Sends a test message, soon; its delivery tells what came of it."""
    actor.require("write:alerts")
    row = _own(session, actor, channel_id)
    queued = Delivery(tenant_id=row.tenant_id, channel_id=row.id, event="test", created_at=now, next_at=now)
    session.add(queued)
    audit.record(session, actor, "channel.test", row.name, now)
    return delivery(queued, row.name)


def deliveries(session: Session, actor: Actor, channel_id: str) -> list[wire_alerts.Delivery]:
    """The newest messages to the channel."""
    actor.require("read:alerts")
    row = _own(session, actor, channel_id)
    newest = select(Delivery).where(Delivery.channel_id == row.id).order_by(col(Delivery.created_at).desc())
    return [delivery(each, row.name) for each in session.exec(newest.limit(SHOWN))]


def newest(session: Session, actor: Actor) -> list[wire_alerts.Delivery]:
    """The newest messages to all channels."""
    actor.require("read:alerts")
    query = (
        select(Delivery, Channel.name)
        .join(Channel, col(Channel.id) == Delivery.channel_id, isouter=True)
        .where(Delivery.tenant_id == actor.tenant_id)
        .order_by(col(Delivery.created_at).desc())
    )
    return [delivery(row, name or "a deleted channel") for row, name in session.exec(query.limit(SHOWN))]


def outbox(session: Session, actor: Actor) -> list[wire_alerts.Mail]:
    """The newest mails that were kept here, because no mail server is configured."""
    actor.require("read:alerts")
    newest = select(Mail).where(Mail.tenant_id == actor.tenant_id).order_by(col(Mail.at).desc()).limit(SHOWN)
    return [wire_alerts.Mail(row.id, row.recipient, row.subject, row.raw, row.at) for row in session.exec(newest)]


def _own(session: Session, actor: Actor, channel_id: str) -> Channel:
    row = session.get(Channel, channel_id)
    if row is None or row.tenant_id != actor.tenant_id:
        raise NotFound(f"No channel {channel_id}.")
    return row


def _kind(name: str) -> Kind:
    kind = KINDS.get(name)
    if kind is None:
        raise bounds.bad("kind", f"kind must be one of {', '.join(KINDS)}, not {name!r}.")
    return kind


def _check(kind: Kind, settings: Mapping[str, str], name: str) -> None:
    problems = kind.problems(settings)
    if not _NAME.fullmatch(name) or len(name) > 63:
        raise bounds.bad("name", f"{name!r} {NAME_HINT}.")
    if problems:
        raise BadInput(" ".join(problem.message for problem in problems), problems=problems)


def _check_free(session: Session, actor: Actor, name: str) -> None:
    taken = Channel.tenant_id == actor.tenant_id, Channel.name == name
    if session.exec(select(Channel.id).where(*taken)).first():
        raise Conflict(f"There is a channel {name} already. Choose another name.")


def _changed(session: Session, actor: Actor, action: str, row: Channel, now: datetime) -> None:
    audit.record(session, actor, action, row.name, now, row.kind)
    notify.look_again(session, actor.tenant_id, now)
    after_commit(session, publish, Event(actor.tenant_id, "incident", ""))


def _shape(row: Channel, last_sent_at: datetime | None) -> wire_alerts.Channel:
    secrets = {setting.name for setting in KINDS[row.kind].settings if setting.secret}
    settings = json.loads(unseal(row.settings))
    shown = {name: MASK if name in secrets else value for name, value in settings.items()}
    return wire_alerts.Channel(
        row.id, row.name, row.kind, row.state, row.problem, shown, row.created_by, row.created_at, last_sent_at
    )
