"""State of the Repository page."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import reflex as rx
from reflex.event import EventSpec

from contract import wire
from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import CrontopusError
from crontopus_app.forge.configured import forge
from crontopus_app.jobs import repository
from crontopus_app.people import git_credentials
from crontopus_app.ui import problems, session
from crontopus_app.ui.call import call, outside
from crontopus_app.ui.kit import form_key, toast
from crontopus_app.ui.kit.filters import page_number
from crontopus_app.ui.repository import rows


class RepositoryState(rx.State):
    """Branch, index, invalid files, commits and Git credentials."""

    ready: bool = False
    problem: str = ""
    repo: rows.Repo = rows.Repo()
    folders: list[rows.Folder] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    invalid: list[rows.InvalidFile] = []  # noqa: RUF012
    left_out: int = 0
    commits: rows.Commits = rows.Commits()
    access: rows.Access = rows.Access()
    form_key: str = ""

    @rx.event
    async def load(self) -> Any:
        """Fills the page and subscribes it to live events. A token shown before is not shown again."""
        self.access, self.form_key = rows.Access(), form_key.new_key()
        return await session.opened(self, "tenant", "change", "job")

    async def _fill(self, actor: Actor) -> None:
        log = await outside(repository.log, actor, forge(), page_number(session.query_of(self, "page")))
        details = await call(repository.get, actor)
        self.repo, self.commits = rows.repo(details, log), rows.commits(log, details)
        self.folders = rows.folders(details)
        self.invalid = [rows.invalid(file) for file in details.invalid]
        self.left_out = details.invalid_count - len(self.invalid)
        listed = await call(git_credentials.list_all, actor)
        self.access = replace(self.access, credentials=rows.credentials(listed))

    @rx.event
    async def reindex(self) -> Any:
        """Has a worker read every file again."""
        try:
            actor = await session.actor_of(self)
            queued = await outside(repository.reindex, actor)
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")
        if not queued:
            return toast.say("Redis is unavailable, so no worker could be notified. Try again later.", "failed")
        return toast.say("Re-indexing every file. The page follows.", "running")

    @rx.event
    async def create_credential(self, form: dict[str, Any]) -> EventSpec | None:
        """Creates a user name and password for Git, shown until the page is left."""
        request = wire.GitCredentialRequest(str(form.get("name") or ""), str(form.get("access") or ""))
        try:
            actor = await session.actor_of(self)
            key = form_key.key_of(form)
            created = await asyncio.to_thread(git_credentials.create, actor, request, forge(), clock.now(), key=key)
            self.access, self.form_key = rows.Access(created=rows.created(created)), form_key.new_key()
            await session.fill(self, actor)
        except CrontopusError as error:
            if error.code == "already_created" and self.access.created.token:
                return None  # the first of two clicks created it, and the page shows it
            return toast.say(problems.sentence(error), "failed")
        return None

    @rx.event
    async def revoke_credential(self, form: dict[str, Any]) -> EventSpec:
        """Revokes a credential, effective immediately."""
        try:
            actor = await session.actor_of(self)
            try:
                await asyncio.to_thread(git_credentials.revoke, actor, str(form.get("id") or ""), forge(), clock.now())
            finally:
                self.access = rows.Access()
                await session.fill(self, actor)
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")
        return toast.say("Revoked. Git now rejects it.")
