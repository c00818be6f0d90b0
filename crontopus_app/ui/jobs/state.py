"""State of the Jobs page. Its filters are in the address."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import reflex as rx
from reflex.event import EventSpec
from sqlmodel import Session

from contract import wire
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import CrontopusError
from crontopus_app.monitoring import stats
from crontopus_app.queries import jobs
from crontopus_app.ui import problems, session
from crontopus_app.ui.call import moment, shared
from crontopus_app.ui.jobs import bulk, rows
from crontopus_app.ui.kit import toast
from crontopus_app.ui.kit.filters import Pages, Pill

PAGE = 100


class JobsState(rx.State):
    """The table and its filters."""

    ready: bool = False
    problem: str = ""
    total: int = 0
    pages: Pages = Pages()
    query: rows.JobQuery = rows.JobQuery()
    heads: list[rows.Head] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    jobs: list[rows.JobRow] = []  # noqa: RUF012
    invalid: list[rows.InvalidJob] = []  # noqa: RUF012
    pills: list[Pill] = []  # noqa: RUF012

    @rx.event
    async def load(self) -> Any:
        """Fills the page and subscribes it to live events."""
        return await session.opened(self, "run", "job", "change", "endpoint")

    async def _fill(self, actor: Actor) -> None:
        named = {"text": "q", "namespace": "namespace", "state": "state", "sort": "sort"}
        query = rows.JobQuery(**{field: session.query_of(self, name)[:400] for field, name in named.items()})
        listed = await shared(_listed, actor, query.text, moment())
        chosen = rows.chosen(listed.jobs, query)
        valid = [job for job in chosen if job.valid]
        page = rows.page_of(session.query_of(self, "page"), len(valid), PAGE)
        shown = valid[(page - 1) * PAGE : page * PAGE]
        last = await shared(stats.last_of_jobs, actor, tuple(job.id for job in shown), rows.SHOWN)
        self.total, self.query = len(listed.jobs), query
        session.put(self, "pages", rows.pages(page, len(valid), PAGE, query))
        session.put(self, "heads", rows.heads(query))
        session.put(self, "jobs", [rows.job_row(job, last.get(job.id, [])) for job in shown])
        session.put(self, "invalid", [rows.invalid(job) for job in chosen if not job.valid])
        session.put(self, "pills", rows.pills(listed.jobs, query))

    @rx.event
    async def bulk(self, form: dict[str, Any]) -> EventSpec:
        """Pauses, resumes or deletes the selected jobs by one commit."""
        names = str(form.get("jobs", "")).split()
        try:
            actor = await session.actor_of(self)
            notice = await bulk.act(self, actor, str(form.get("action", "")), names)
            await session.fill(self, actor)
        except CrontopusError as error:
            return toast.say(problems.sentence(error), "failed")
        return notice


def _listed(db: Session, actor: Actor, text: str, now: datetime) -> wire.JobList:
    return jobs.list_all(db, actor, text=text or None, now=now)
