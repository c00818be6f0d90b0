"""State of the Enrol page: enrolment tokens, and the commands with a new one, shown once."""

from __future__ import annotations

from typing import Any

import reflex as rx
from reflex.event import EventSpec

from contract import wire
from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import CrontopusError
from crontopus_app.base.settings import settings
from crontopus_app.forge import addresses
from crontopus_app.people import tokens
from crontopus_app.ui import problems, session
from crontopus_app.ui.call import call, change
from crontopus_app.ui.kit import form_key, host_tokens, toast

# Installs the agent from a clone of Crontopus, with Python 3.9 or newer; as in docs/agent.md.
INSTALL = (
    "python3 -m venv ~/.local/share/crontopus",
    "~/.local/share/crontopus/bin/pip install .",
    "export PATH=~/.local/share/crontopus/bin:$PATH",
)


def commands(token: str, url: str) -> list[str]:
    """Commands to run on the host. The token is in the environment: it stays out of the process list."""
    return [
        f"export CRONTOPUS_ENROLLMENT_TOKEN={token}",
        f"crontopus-agent enroll --url {url}",
        "crontopus-agent run",
    ]


class EnrolState(rx.State):
    """Enrolment tokens, and the commands for a new one. ``unreachable`` warns of an address that hosts cannot reach."""

    ready: bool = False
    problem: str = ""
    unreachable: str = ""
    wrong: str = ""
    commands: list[str] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    tokens: list[host_tokens.EnrolmentTokenRow] = []  # noqa: RUF012
    joined: bool = False
    form_key: str = ""
    _token_id: str = ""

    @rx.event
    async def load(self) -> Any:
        """Fills the page. A token shown before is not shown again."""
        self.commands, self.wrong, self._token_id, self.form_key = [], "", "", form_key.new_key()
        self.unreachable = addresses.unreachable(settings())
        return await session.opened(self, "endpoint")

    async def _fill(self, actor: Actor) -> None:
        now = clock.now()
        listed = await call(tokens.list_enrollment, actor)
        self.tokens = [host_tokens.row(one, now) for one in listed]
        # Counting endpoints would miss a host that enrols again: it stays the same endpoint.
        self.joined = any(one.id == self._token_id and one.uses for one in listed)

    @rx.event
    async def create(self, form: dict[str, Any]) -> None:
        """Creates a token; the page shows it until it is left."""
        try:
            actor = await session.actor_of(self)
            request = wire.EnrollmentTokenRequest(str(form.get("name", "")), _count(form, "days"), _count(form, "uses"))
            created = await change(tokens.create_enrollment, actor, request, clock.now(), key=form_key.key_of(form))
            self.commands, self.wrong = commands(created.token or "", addresses.console(settings())), ""
            self._token_id, self.form_key = created.id, form_key.new_key()
            await session.fill(self, actor)
        except CrontopusError as error:
            self.wrong = problems.sentence(error)

    @rx.event
    async def revoke(self, form: dict[str, Any]) -> EventSpec:
        """Revokes a token. Enrolled hosts stay enrolled."""
        try:
            actor = await session.actor_of(self)
            await change(tokens.revoke_enrollment, actor, str(form.get("id") or ""), clock.now())
            await session.fill(self, actor)
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")
        return toast.say("Revoked. No more hosts can enrol with it.")


def _count(form: dict[str, Any], name: str) -> int | None:
    text = str(form.get(name, "")).strip()
    return int(text) if text.isdecimal() else None
