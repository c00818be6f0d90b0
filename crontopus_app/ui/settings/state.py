"""State of the Settings page: the user's own account."""

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
# Scripts cannot delete the HttpOnly cookie: the API does.
FORGET = "fetch('/api/auth/logout', {method: 'POST'})"


class SettingsState(rx.State):
    """Account, sessions, and errors by form and field (``password.new``)."""

    ready: bool = False
    problem: str = ""
    me: rows.Profile = rows.Profile()
    sessions: list[rows.SessionRow] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    others: bool = False
    deletion: rows.Deletion = rows.Deletion()
    wrong: dict[str, str] = {}  # noqa: RUF012
    gone: bool = False

    @rx.event
    async def load(self) -> Any:
        """Fills the page and subscribes it to live events."""
        self.wrong, self.gone = {}, False
        return await session.opened(self, *KINDS)

    async def _fill(self, actor: Actor) -> None:
        self.me = rows.profile(await call(auth.me, actor))
        self.sessions = [rows.session(one) for one in await call(accounts.list_sessions, actor, clock.now())]
        self.others = len(self.sessions) > 1
        self.deletion = rows.deletion(await call(tenant_deletion.preview, actor))

    @rx.event
    async def save_email(self, form: dict[str, Any]) -> EventSpec | None:
        """Changes the e-mail address; needs the password."""
        update = wire.AccountUpdate(email=_text(form, "email").strip(), password=_text(form, "password"))
        return await self._update("email", update, "E-mail address changed.")

    @rx.event
    async def save_zone(self, form: dict[str, Any]) -> EventSpec | None:
        """Sets the time zone of all times shown; empty for the browser's."""
        zone = _text(form, "timezone").strip()
        text = f"Times are shown in {zone}." if zone else "Times are shown in the browser's zone."
        return await self._update("zone", wire.AccountUpdate(timezone=zone), text)

    @rx.event
    async def save_report(self, form: dict[str, Any]) -> EventSpec | None:
        """Chooses how often a report is sent by mail."""
        often = _text(form, "report")
        text = "You get no reports." if often == "off" else f"You get a {often} report by mail."
        return await self._update("report", wire.AccountUpdate(report=often), text)

    async def _update(self, form: str, update: wire.AccountUpdate, done: str) -> EventSpec | None:
        try:
            actor = await session.actor_of(self)
            me = await asyncio.to_thread(accounts.update_account, actor, update, clock.now())
        except CrontopusError as error:
            return self._refused(form, error)
        self.wrong, self.me = {}, rows.profile(me)
        (await self.get_state(session.SessionState)).timezone = me.timezone
        return toast.say(done)

    @rx.event
    async def change_password(self, form: dict[str, Any]) -> EventSpec | None:
        """Changes the password and ends all other sessions."""
        passwords = wire.PasswordChange(_text(form, "current"), _text(form, "new"))
        if passwords.new != _text(form, "again"):
            self.wrong = {"password.again": "The two new passwords differ."}
            return None
        try:
            actor = await session.actor_of(self)
            ended = await asyncio.to_thread(accounts.change_password, actor, passwords, clock.now())
            await session.fill(self, actor)
        except CrontopusError as error:
            return self._refused("password", error)
        self.wrong = {}
        return toast.say(f"Password changed. {words.plural(ended, 'other session')} ended.")

    @rx.event
    async def end_session(self, form: dict[str, Any]) -> EventSpec:
        """Signs out one session."""
        return await self._end(accounts.end_session, _text(form, "id"))

    @rx.event
    async def end_others(self, form: dict[str, Any]) -> EventSpec:  # noqa: ARG002 -- what a form's handler is given
        """Signs out all other sessions."""
        return await self._end(accounts.end_other_sessions)

    async def _end(self, service: Any, *session_id: str) -> EventSpec:
        try:
            actor = await session.actor_of(self)
            await asyncio.to_thread(service, actor, *session_id, clock.now())
            await session.fill(self, actor)
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")
        return toast.say("Signed out.")

    @rx.event
    async def leave(self, form: dict[str, Any]) -> EventSpec | None:
        """Deletes the account; the page then shows what is left to do, without live events."""
        confirmation = wire.AccountDeletion(_text(form, "username"), _text(form, "password"))
        try:
            actor = await session.actor_of(self)
            watchers.forget(self.router.session.client_token)
            try:
                await asyncio.to_thread(tenant_deletion.delete_account, actor, confirmation, clock.now())
            except CrontopusError:
                session.follow(self, actor, *KINDS)
                raise
        except CrontopusError as error:
            return self._refused("leave", error)
        self.gone, self.wrong, self.sessions = True, {}, []
        return rx.call_script(FORGET)

    def _refused(self, form: str, error: CrontopusError) -> EventSpec | None:
        """Shows errors at their fields, or in a toast if they have none."""
        self.wrong = {f"{form}.{field}": message for field, message in problems.fields(error).items() if field}
        return None if self.wrong else toast.say(problems.sentence(error), "failed")


def _text(form: dict[str, Any], name: str) -> str:
    return str(form.get(name) or "")
