"""State of Enrol: a token, shown once, in the command to copy."""

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

# In a clone of Crontopus on a host without the agent, with Python 3.9 or newer: what docs/agent.md says.
INSTALL = (
    "python3 -m venv ~/.local/share/crontopus",
    "~/.local/share/crontopus/bin/pip install .",
    "export PATH=~/.local/share/crontopus/bin:$PATH",
)


def commands(token: str, url: str) -> list[str]:
    """What is typed on the host; the token in the environment stays out of the process list."""
    return [
        f"export CRONTOPUS_ENROLLMENT_TOKEN={token}",
        f"crontopus-agent enroll --url {url}",
        "crontopus-agent run",
    ]


class EnrolState(rx.State):
    """Tokens and the commands of the one just made."""

    ready: bool = False
    problem: str = ""
    unreachable: str = ""
    wrong: str = ""
    commands: list[str] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    tokens: list[host_tokens.EnrolmentTokenRow] = []  # noqa: RUF012
    joined: bool = False
    form_key: str = ""
    _made: str = ""

    @rx.event
    async def load(self) -> Any:
        """Fills the page; a token shown before is not shown again."""
        self.commands, self.wrong, self._made, self.form_key = [], "", "", form_key.new_key()
        self.unreachable = addresses.unreachable(settings())
        return await session.opened(self, "endpoint")

    async def _fill(self, actor: Actor) -> None:
        now = clock.now()
        found = await call(tokens.list_enrollment, actor)
        self.tokens = [host_tokens.row(one, now) for one in found]
        # Not by counting endpoints: a machine that was one already comes back as the same.
        self.joined = any(one.id == self._made and one.uses for one in found)

    @rx.event
    async def create(self, form: dict[str, Any]) -> None:
        """Makes a token; its text is on the page until one leaves it."""
        try:
            actor = await session.actor_of(self)
            wanted = wire.EnrollmentTokenRequest(str(form.get("name", "")), _count(form, "days"), _count(form, "uses"))
            made = await change(tokens.create_enrollment, actor, wanted, clock.now(), key=form_key.key_of(form))
            self.commands, self.wrong = commands(made.token or "", addresses.console(settings())), ""
            self._made, self.form_key = made.id, form_key.new_key()
            await session.fill(self, actor)
        except CrontopusError as error:
            self.wrong = problems.sentence(error)

    @rx.event
    async def revoke(self, form: dict[str, Any]) -> EventSpec:
        """Hosts that are enrolled already stay enrolled."""
        try:
            actor = await session.actor_of(self)
            await change(tokens.revoke_enrollment, actor, str(form.get("id") or ""), clock.now())
            await session.fill(self, actor)
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")
        return toast.say("Revoked. No further host can join with it.")


def _count(form: dict[str, Any], name: str) -> int | None:
    text = str(form.get(name, "")).strip()
    return int(text) if text.isdecimal() else None
