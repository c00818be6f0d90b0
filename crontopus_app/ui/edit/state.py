"""State of New and Edit."""

from __future__ import annotations

import asyncio
from typing import Any

import reflex as rx

from crontopus_app import clock
from crontopus_app.errors import CrontopusError, PreconditionFailed
from crontopus_app.services import changes, endpoints, jobs
from crontopus_app.services.actor import Actor
from crontopus_app.ui import problems, session
from crontopus_app.ui.call import call, change
from crontopus_app.ui.edit import rows


class EditState(rx.State):
    """One manifest in the making; the YAML is the truth, the form shows it."""

    ready: bool = False
    problem: str = ""
    new: bool = True
    form: rows.Form = rows.Form()
    yaml: str = ""
    check: rows.Check = rows.Check()
    wrong: list[rows.Told] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    conflict: bool = False
    _sha: str = ""
    _tenant: str = ""
    _zones: tuple[str, ...] = ()

    @rx.event
    async def load(self) -> Any:
        """Fills the page; it follows nothing, so that nobody's typing is overwritten."""
        self.wrong, self.conflict = [], False
        return await session.opened(self)

    async def _fill(self, actor: Actor) -> None:
        place, self._tenant = session.path_of(self), actor.tenant_id
        self.new = len(place) < 4
        if self.new:
            self.form, self._sha = rows.Form(), ""
            self._zones = await call(endpoints.zones_of, actor)
            self.yaml = rows.fresh(self.form)
        else:
            detail = await call(jobs.get, actor, place[1], place[2], clock.now())
            self.yaml, self._sha = detail.yaml, detail.sha
            self._zones = await call(endpoints.zones_of, actor, detail.job.id)
            self.form = rows.form_of(detail.yaml, rows.Form(name=place[2], namespace=place[1]))
        await self._look()

    async def _look(self) -> None:
        self.check = await asyncio.to_thread(rows.check, self.yaml, self.form, self._tenant, clock.now(), self._zones)

    @rx.event
    async def set_field(self, name: str, text: str) -> None:
        """One field of the form was typed: the YAML follows, comments and order stay."""
        try:
            self.form = rows.with_field(self.form, name, text[:20_000])
        except KeyError:
            return
        self.yaml = await asyncio.to_thread(rows.changed, self.yaml, {name: text[:20_000]})
        await self._look()

    @rx.event
    async def set_yaml(self, text: str) -> None:
        """The YAML was typed: the form follows where it can."""
        self.yaml = text[: 256 * 1024]
        self.form = await asyncio.to_thread(rows.form_of, self.yaml, self.form)
        await self._look()

    @rx.event
    async def save(self) -> Any:
        """Commits; a file that somebody else changed meanwhile is not overwritten."""
        try:
            actor = await session.actor_of(self)
            made = await change(*self._asked(actor))
            await asyncio.to_thread(changes.ring, made)
            told = await asyncio.to_thread(changes.wait, made.id)
        except PreconditionFailed as error:
            self.conflict, self.wrong = True, [rows.Told("", problems.sentence(error), "failed")]
            return None
        except CrontopusError as error:
            found = [rows.told(one) for one in error.problems]
            self.wrong = found or [rows.Told("", problems.sentence(error), "failed")]
            return None
        if told.state == "failed":
            self.wrong = [rows.Told("", told.error or "The change was refused.", "failed")]
            return None
        return rx.redirect(f"/jobs/{self.form.namespace}/{self.form.name}?tab=definition" if told.commit else "/jobs")

    def _asked(self, actor: Actor) -> tuple[Any, ...]:
        data, now = self.yaml.encode(), clock.now()
        if self.new:
            return jobs.create_yaml, actor, self.form.namespace, data, now
        return _replace, actor, self.form.namespace, self.form.name, data, self._sha, now

    @rx.event
    async def mine(self) -> None:
        """Keeps what is typed and lets it replace what somebody else committed meanwhile."""
        try:
            actor = await session.actor_of(self)
            detail = await call(jobs.get, actor, self.form.namespace, self.form.name, clock.now())
            self._sha, self.conflict, self.wrong = detail.sha, False, []
        except CrontopusError as error:
            self.wrong = [rows.Told("", problems.sentence(error), "failed")]


def _replace(db: Any, actor: Actor, namespace: str, name: str, data: bytes, sha: str, now: Any) -> Any:
    return jobs.update(db, actor, namespace, name, data, if_match=sha, now=now)
