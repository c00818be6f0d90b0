"""State of the Tokens page: API tokens with scopes, enrolment tokens with their uses left, ping keys."""

from __future__ import annotations

from typing import Any

import reflex as rx
from reflex.event import EventSpec

from contract import wire
from crontopus_app.base import clock
from crontopus_app.base.actor import SCOPES, Actor
from crontopus_app.base.errors import CrontopusError
from crontopus_app.base.settings import settings
from crontopus_app.people import ping_keys, tokens
from crontopus_app.ui import problems, session
from crontopus_app.ui.call import call, change
from crontopus_app.ui.kit import form_key, host_tokens, toast
from crontopus_app.ui.tokens import rows


class TokensState(rx.State):
    """Both lists, and a new token, shown once. ``wrong`` holds the form's errors by field."""

    ready: bool = False
    problem: str = ""
    wrong: dict[str, str] = {}  # noqa: RUF012 -- Reflex copies the defaults of a state
    new_token: str = ""
    new_token_name: str = ""
    form_key: str = ""
    tokens: list[rows.ApiTokenRow] = []  # noqa: RUF012
    key_wrong: str = ""
    ping_keys: list[rows.PingKeyRow] = []  # noqa: RUF012
    enrolment: list[host_tokens.EnrolmentTokenRow] = []  # noqa: RUF012

    @rx.event
    async def load(self) -> Any:
        """Fills the page. A token shown before is not shown again."""
        self.new_token, self.wrong, self.key_wrong, self.form_key = "", {}, "", form_key.new_key()
        return await session.opened(self, "endpoint")

    async def _fill(self, actor: Actor) -> None:
        now = clock.now()
        self.tokens = [rows.token(one, now) for one in await call(tokens.list_api, actor)]
        self.enrolment = [host_tokens.row(one, now) for one in await call(tokens.list_enrollment, actor)]
        keys = await call(ping_keys.list_all, actor)
        self.ping_keys = [rows.ping_key(one, settings().public_url) for one in keys]

    @rx.event
    async def create(self, form: dict[str, Any]) -> None:
        """Creates a token with the ticked scopes."""
        try:
            actor = await session.actor_of(self)
            scopes = sorted(scope for scope in SCOPES if form.get(scope))
            days = str(form.get("days") or "").strip()
            request = wire.ApiTokenRequest(str(form.get("name") or ""), scopes, int(days) if days.isdecimal() else None)
            created = await change(tokens.create_api, actor, request, clock.now(), key=form_key.key_of(form))
            self.new_token, self.new_token_name = created.token or "", created.name
            self.wrong, self.form_key = {}, form_key.new_key()
            await session.fill(self, actor)
        except CrontopusError as error:
            self.wrong, self.new_token = problems.fields(error), ""

    @rx.event
    async def create_ping_key(self, form: dict[str, Any]) -> None:
        """Creates a ping key. Unlike tokens, its URL stays visible."""
        try:
            actor = await session.actor_of(self)
            request = wire.PingKeyRequest(str(form.get("name") or ""))
            await change(ping_keys.create, actor, request, clock.now(), key=form_key.key_of(form))
            self.key_wrong, self.form_key = "", form_key.new_key()
            await session.fill(self, actor)
        except CrontopusError as error:
            self.key_wrong = problems.sentence(error)

    @rx.event
    async def revoke_ping_key(self, form: dict[str, Any]) -> EventSpec:
        """Revokes a ping key, effective immediately."""
        return await self._revoke(ping_keys.revoke, form, "Pings with it are refused.")

    @rx.event
    async def revoke(self, form: dict[str, Any]) -> EventSpec:
        """Revokes an API token, effective immediately."""
        return await self._revoke(tokens.revoke_api, form, "It no longer works.")

    @rx.event
    async def revoke_enrolment(self, form: dict[str, Any]) -> EventSpec:
        """Revokes an enrolment token. Enrolled hosts stay enrolled."""
        return await self._revoke(tokens.revoke_enrollment, form, "No more hosts can enrol with it.")

    async def _revoke(self, service: Any, form: dict[str, Any], effect: str) -> EventSpec:
        try:
            actor = await session.actor_of(self)
            await change(service, actor, str(form.get("id") or ""), clock.now())
            await session.fill(self, actor)
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")
        self.new_token = ""
        return toast.say(f"Revoked. {effect}")
