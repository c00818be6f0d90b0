"""State of the Channels page."""

from __future__ import annotations

from typing import Any

import reflex as rx
from reflex.event import EventSpec

from contract import wire_alerts
from crontopus_app.alerts import receivers
from crontopus_app.alerts.kinds import KINDS
from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import CrontopusError
from crontopus_app.ui import problems, session
from crontopus_app.ui.call import call, change
from crontopus_app.ui.channels import rows
from crontopus_app.ui.kit import filters, toast
from crontopus_app.ui.kit.filters import Pill


class ChannelsState(rx.State):
    """The channels, the newest messages, and the outbox. ``kind`` is the chosen one of the form."""

    ready: bool = False
    problem: str = ""
    kind: str = "email"
    kinds: list[Pill] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    email: str = ""
    wrong: dict[str, str] = {}  # noqa: RUF012
    channels: list[rows.ChannelRow] = []  # noqa: RUF012
    deliveries: list[rows.DeliveryRow] = []  # noqa: RUF012
    mails: list[rows.MailRow] = []  # noqa: RUF012

    @rx.event
    async def load(self) -> Any:
        """Fills the page and subscribes it to live events."""
        self.wrong = {}
        return await session.opened(self, "incident")

    async def _fill(self, actor: Actor) -> None:
        chosen = session.query_of(self, "kind")
        session.put(self, "kind", chosen if chosen in KINDS else next(iter(KINDS)))
        pills = [
            Pill(kind.label, filters.address("/channels", {"kind": kind.name}), kind.name == self.kind)
            for kind in KINDS.values()
        ]
        session.put(self, "kinds", pills)
        session.put(self, "email", actor.email)
        labels = {kind.name: kind.label for kind in KINDS.values()}
        listed = await call(receivers.list_all, actor)
        session.put(self, "channels", [rows.channel(one, labels) for one in listed])
        session.put(self, "deliveries", [rows.delivery(one) for one in await call(receivers.newest, actor)])
        session.put(self, "mails", [rows.mail(one) for one in await call(receivers.outbox, actor)])

    @rx.event
    async def create(self, form: dict[str, Any]) -> EventSpec | None:
        """Creates a channel of the chosen kind."""
        given = {name: str(value) for name, value in form.items() if name != "name"}
        request = wire_alerts.ChannelRequest(str(form.get("name") or ""), self.kind, given)
        try:
            actor = await session.actor_of(self)
            created = await change(receivers.create, actor, request, clock.now())
            self.wrong = {}
            await session.fill(self, actor)
        except CrontopusError as error:
            self.wrong = problems.fields(error)
            return None
        return toast.say(f"Channel {created.name} created. Send it a test message to be sure.")

    @rx.event
    async def test(self, form: dict[str, Any]) -> EventSpec:
        """Sends a test message."""
        return await self._act(receivers.test, form, "Test message queued. Its outcome appears below.")

    @rx.event
    async def delete(self, form: dict[str, Any]) -> EventSpec:
        """Deletes a channel."""
        return await self._act(receivers.delete, form, "Channel deleted.")

    async def _act(self, service: Any, form: dict[str, Any], words: str) -> EventSpec:
        try:
            actor = await session.actor_of(self)
            await change(service, actor, str(form.get("id") or ""), clock.now())
            await session.fill(self, actor)
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")
        return toast.say(words)
