"""State of Settings: one's own account."""

from __future__ import annotations

import asyncio
from typing import Any

import reflex as rx
from reflex.event import EventSpec

from contract import wire
from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import CrontopusError
from crontopus_app.operations import tenant_deletion
from crontopus_app.people import accounts, auth
from crontopus_app.ui import problems, session
from crontopus_app.ui.call import call
from crontopus_app.ui.kit import toast, words
from crontopus_app.ui.live import watchers
from crontopus_app.ui.settings import rows

KINDS = ("tenant", "endpoint")
# The cookie is out of reach of scripts: the API takes it back.
FORGET = "fetch('/api/auth/logout', {method: 'POST'})"


class SettingsState(rx.State):
    """The account, its sessions, and what is wrong in which form (``password.new`` → the sentence)."""

    ready: bool = False
    problem: str = ""
    me: rows.Profile = rows.Profile()
    sessions: list[rows.SessionRow] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    others: bool = False
    going: rows.Going = rows.Going()
    wrong: dict[str, str] = {}  # noqa: RUF012
    gone: bool = False

    @rx.event
    async def load(self) -> Any:
        """Fills the page and follows it."""
        self.wrong, self.gone = {}, False
        return await session.opened(self, *KINDS)

    async def _fill(self, actor: Actor) -> None:
        self.me = rows.profile(await call(auth.me, actor))
        self.sessions = [rows.session(one) for one in await call(accounts.list_sessions, actor, clock.now())]
        self.others = len(self.sessions) > 1
        self.going = rows.going(await call(tenant_deletion.preview, actor))

    @rx.event
    async def save_email(self, form: dict[str, Any]) -> EventSpec | None:
        """Another address, with the password."""
        wanted = wire.AccountUpdate(email=_text(form, "email").strip(), password=_text(form, "password"))
        return await self._update("email", wanted, "The e-mail address is changed.")

    @rx.event
    async def save_zone(self, form: dict[str, Any]) -> EventSpec | None:
        """The zone of all times; empty for the browser's."""
        zone = _text(form, "timezone").strip()
        said = f"Times are shown in {zone}." if zone else "Times are shown in the browser's zone."
        return await self._update("zone", wire.AccountUpdate(timezone=zone), said)

    async def _update(self, form: str, wanted: wire.AccountUpdate, said: str) -> EventSpec | None:
        try:
            actor = await session.actor_of(self)
            told = await asyncio.to_thread(accounts.update_account, actor, wanted, clock.now())
        except CrontopusError as error:
            return self._refused(form, error)
        self.wrong, self.me = {}, rows.profile(told)
        (await self.get_state(session.SessionState)).timezone = told.timezone
        return toast.say(said)

    @rx.event
    async def change_password(self, form: dict[str, Any]) -> EventSpec | None:
        """A new password; every other session ends."""
        wanted = wire.PasswordChange(_text(form, "current"), _text(form, "new"))
        if wanted.new != _text(form, "again"):
            self.wrong = {"password.again": "This is not the new password typed again."}
            return None
        try:
            actor = await session.actor_of(self)
            ended = await asyncio.to_thread(accounts.change_password, actor, wanted, clock.now())
            await session.fill(self, actor)
        except CrontopusError as error:
            return self._refused("password", error)
        self.wrong = {}
        return toast.say(f"The password is changed; {words.plural(ended, 'other session')} ended.")

    @rx.event
    async def end_session(self, form: dict[str, Any]) -> EventSpec:
        """One session less, at once."""
        return await self._end(accounts.end_session, _text(form, "id"))

    @rx.event
    async def end_others(self, form: dict[str, Any]) -> EventSpec:  # noqa: ARG002 -- what a form's handler is given
        """This session only."""
        return await self._end(accounts.end_other_sessions)

    async def _end(self, act: Any, *which: str) -> EventSpec:
        try:
            actor = await session.actor_of(self)
            await asyncio.to_thread(act, actor, *which, clock.now())
            await session.fill(self, actor)
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")
        return toast.say("Ended. Its open pages say so now.")

    @rx.event
    async def leave(self, form: dict[str, Any]) -> EventSpec | None:
        """Deletes the account; this page then says what is left to do, and follows nothing more."""
        wanted = wire.AccountDeletion(_text(form, "username"), _text(form, "password"))
        try:
            actor = await session.actor_of(self)
            watchers.forget(self.router.session.client_token)
            try:
                await asyncio.to_thread(tenant_deletion.delete_account, actor, wanted, clock.now())
            except CrontopusError:
                session.follow(self, actor, *KINDS)
                raise
        except CrontopusError as error:
            return self._refused("leave", error)
        self.gone, self.wrong, self.sessions = True, {}, []
        return rx.call_script(FORGET)

    def _refused(self, form: str, error: CrontopusError) -> EventSpec | None:
        """The sentence at its field; in a toast where it is about none."""
        self.wrong = {f"{form}.{field}": told for field, told in problems.fields(error).items() if field}
        return None if self.wrong else toast.say(problems.sentence(error), "failed")


def _text(form: dict[str, Any], name: str) -> str:
    return str(form.get(name) or "")
