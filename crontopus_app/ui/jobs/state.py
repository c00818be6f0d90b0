"""State of the Jobs page. Its filters are in the address."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import reflex as rx
from sqlmodel import Session

from contract import wire
from crontopus_app.base.actor import Actor
from crontopus_app.monitoring import stats
from crontopus_app.queries import jobs
from crontopus_app.ui import session
from crontopus_app.ui.call import moment, shared
from crontopus_app.ui.jobs import rows
from crontopus_app.ui.kit.filters import Pages, Pill

PAGE = 100


class JobsState(rx.State):
    """The table and its filters."""

    ready: bool = False
    problem: str = ""
    total: int = 0
    pages: Pages = Pages()
    text: str = ""
    jobs: list[rows.JobRow] = []  # noqa: RUF012 -- Reflex copies the defaults of a state
    invalid: list[rows.InvalidJob] = []  # noqa: RUF012
    pills: list[Pill] = []  # noqa: RUF012

    @rx.event
    async def load(self) -> Any:
        """Fills the page and subscribes it to live events."""
        return await session.opened(self, "run", "job", "change", "endpoint")

    async def _fill(self, actor: Actor) -> None:
        namespace, state = session.query_of(self, "namespace"), session.query_of(self, "state")
        text = session.query_of(self, "q")
        listed = await shared(_listed, actor, text, moment())
        chosen = [job for job in listed.jobs if job.valid and namespace in ("", job.namespace)]
        chosen = [job for job in chosen if state in ("", job.state)]
        page = rows.page_of(session.query_of(self, "page"), len(chosen), PAGE)
        shown = chosen[(page - 1) * PAGE : page * PAGE]
        last = await shared(stats.last_of_jobs, actor, tuple(job.id for job in shown), rows.SHOWN)
        self.total, self.text = len(listed.jobs), text
        session.put(self, "pages", rows.pages(page, len(chosen), PAGE, (namespace, state, text)))
        session.put(self, "jobs", [rows.job_row(job, last.get(job.id, [])) for job in shown])
        session.put(self, "invalid", [rows.invalid(job) for job in listed.jobs if not job.valid])
        session.put(self, "pills", rows.pills(listed.jobs, namespace, state, text))


def _listed(db: Session, actor: Actor, text: str, now: datetime) -> wire.JobList:
    return jobs.list_all(db, actor, text=text or None, now=now)
