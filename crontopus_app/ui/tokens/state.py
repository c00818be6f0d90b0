"""State of Tokens: API tokens with their scopes, shown once; enrolment tokens with what is left of them."""

from __future__ import annotations

from typing import Any

import reflex as rx
from reflex.event import EventSpec

from contract import wire
from crontopus_app.base import clock
from crontopus_app.base.actor import SCOPES, Actor
from crontopus_app.base.errors import CrontopusError
from crontopus_app.people import tokens
from crontopus_app.ui import problems, session
from crontopus_app.ui.call import call, change
from crontopus_app.ui.kit import form_key, host_tokens, toast
from crontopus_app.ui.tokens import rows


class TokensState(rx.State):
    """The lists, and the token just made; ``wrong`` is the new token's field → the sentence."""

    ready: bool = False
    problem: str = ""
    wrong: dict[str, str] = {}  # noqa: RUF012 -- Reflex copies the defaults of a state
    made: str = ""
    made_name: str = ""
    form_key: str = ""
    tokens: list[rows.ApiTokenRow] = []  # noqa: RUF012
    enrolment: list[host_tokens.EnrolmentTokenRow] = []  # noqa: RUF012

    @rx.event
    async def load(self) -> Any:
        """Fills the page; a token shown before is not shown again."""
        self.made, self.wrong, self.form_key = "", {}, form_key.new_key()
        return await session.opened(self, "endpoint")

    async def _fill(self, actor: Actor) -> None:
        now = clock.now()
        self.tokens = [rows.token(one, now) for one in await call(tokens.list_api, actor)]
        self.enrolment = [host_tokens.row(one, now) for one in await call(tokens.list_enrollment, actor)]

    @rx.event
    async def create(self, form: dict[str, Any]) -> None:
        """Makes a token with the scopes that are ticked."""
        try:
            actor = await session.actor_of(self)
            scopes = sorted(scope for scope in SCOPES if form.get(scope))
            days = str(form.get("days") or "").strip()
            wanted = wire.ApiTokenRequest(str(form.get("name") or ""), scopes, int(days) if days.isdecimal() else None)
            made = await change(tokens.create_api, actor, wanted, clock.now(), key=form_key.key_of(form))
            self.made, self.made_name, self.wrong, self.form_key = made.token or "", made.name, {}, form_key.new_key()
            await session.fill(self, actor)
        except CrontopusError as error:
            self.wrong, self.made = problems.fields(error), ""

    @rx.event
    async def revoke(self, form: dict[str, Any]) -> EventSpec:
        """The token is dead at once."""
        return await self._revoke(tokens.revoke_api, form, "Scripts with it get 401 from now on.")

    @rx.event
    async def revoke_enrolment(self, form: dict[str, Any]) -> EventSpec:
        """No further host joins with it; those that have stay."""
        return await self._revoke(tokens.revoke_enrollment, form, "No further host can join with it.")

    async def _revoke(self, act: Any, form: dict[str, Any], said: str) -> EventSpec:
        try:
            actor = await session.actor_of(self)
            await change(act, actor, str(form.get("id") or ""), clock.now())
            await session.fill(self, actor)
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")
        self.made = ""
        return toast.say(f"Revoked. {said}")
