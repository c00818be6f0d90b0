"""REST: channels, their deliveries, and the outbox of mails."""

from __future__ import annotations

from fastapi import APIRouter

from contract import wire_alerts
from crontopus_app.alerts import receivers
from crontopus_app.api.deps import CurrentActor, Now
from crontopus_app.api.idempotency import IdempotencyKey
from crontopus_app.base.db import reading, writing

router = APIRouter(tags=["channels"])


@router.get("/channel-kinds")
def list_channel_kinds(actor: CurrentActor) -> list[wire_alerts.ChannelKind]:
    """The kinds of channels, with their settings."""
    return receivers.kinds(actor)


@router.get("/channels")
def list_channels(actor: CurrentActor) -> list[wire_alerts.Channel]:
    with reading() as session:
        return receivers.list_all(session, actor)


@router.post("/channels", status_code=201)
def create_channel(
    form: wire_alerts.ChannelRequest, actor: CurrentActor, now: Now, key: IdempotencyKey = ""
) -> wire_alerts.Channel:
    with writing() as session:
        return receivers.create(session, actor, form, now, key=key)


@router.put("/channels/{channel_id}")
def change_channel(
    channel_id: str, form: wire_alerts.ChannelRequest, actor: CurrentActor, now: Now
) -> wire_alerts.Channel:
    """Replaces name and settings. An omitted secret keeps its value."""
    with writing() as session:
        return receivers.change(session, actor, channel_id, form, now)


@router.delete("/channels/{channel_id}", status_code=204)
def delete_channel(channel_id: str, actor: CurrentActor, now: Now) -> None:
    with writing() as session:
        receivers.delete(session, actor, channel_id, now)


@router.post("/channels/{channel_id}/test", status_code=202)
def test_channel(channel_id: str, actor: CurrentActor, now: Now) -> wire_alerts.Delivery:
    """Queues a test message. ``GET /api/channels/{id}/deliveries`` tells what came of it."""
    with writing() as session:
        return receivers.test(session, actor, channel_id, now)


@router.get("/channels/{channel_id}/deliveries")
def list_deliveries(channel_id: str, actor: CurrentActor) -> list[wire_alerts.Delivery]:
    """The newest messages to the channel."""
    with reading() as session:
        return receivers.deliveries(session, actor, channel_id)


@router.get("/outbox")
def list_outbox(actor: CurrentActor) -> list[wire_alerts.Mail]:
    """Mails that were not sent, because the server has no mail server configured."""
    with reading() as session:
        return receivers.outbox(session, actor)
