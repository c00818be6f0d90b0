"""State of Tokens: API tokens with their scopes, shown once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import reflex as rx

from contract import wire
from crontopus_app import clock
from crontopus_app.errors import CrontopusError
from crontopus_app.services import tokens
from crontopus_app.services.actor import SCOPES, Actor
from crontopus_app.ui import problems, session
from crontopus_app.ui.call import call, change
from crontopus_app.ui.kit import words


@dataclass(frozen=True)
class TokenRow:
    id: str
    name: str
    scopes: str
    used: str
    expires: str
    revoked: bool


def row(token: wire.ApiToken) -> TokenRow:
    used, expires = words.iso(token.last_used_at), words.iso(token.expires_at)
    return TokenRow(token.id, token.name, " ".join(token.scopes), used, expires, token.revoked)


class TokensState(rx.State):
    """The list, and the token just made."""

    ready: bool = False
    problem: str = ""
    wrong: str = ""
    made: str = ""
    tokens: list[TokenRow] = []  # noqa: RUF012 -- Reflex copies the defaults of a state

    @rx.event
    async def load(self) -> Any:
        """Fills the page; a token shown before is not shown again."""
        self.made = self.wrong = ""
        return await session.opened(self)

    async def _fill(self, actor: Actor) -> None:
        self.tokens = [row(one) for one in await call(tokens.list_api, actor)]

    @rx.event
    async def create(self, form: dict[str, Any]) -> None:
        """Makes a token with the scopes that are ticked."""
        try:
            actor = await session.actor_of(self)
            scopes = sorted(scope for scope in SCOPES if form.get(scope))
            days = str(form.get("days", "")).strip()
            wanted = wire.ApiTokenRequest(str(form.get("name", "")), scopes, int(days) if days.isdecimal() else None)
            self.made = (await change(tokens.create_api, actor, wanted, clock.now())).token or ""
            self.wrong = ""
            await session.fill(self, actor)
        except CrontopusError as error:
            self.wrong, self.made = problems.sentence(error), ""

    @rx.event
    async def revoke(self, token_id: str) -> None:
        """The token is dead at once."""
        try:
            actor = await session.actor_of(self)
            await change(tokens.revoke_api, actor, token_id, clock.now())
            await session.fill(self, actor)
        except CrontopusError as error:
            self.wrong = problems.sentence(error)
