"""The page of a missed or lost run says why."""

from __future__ import annotations

import pytest
from sqlmodel import select

from crontopus_app.base.db import writing
from crontopus_app.models import Monitor, Run
from crontopus_app.monitoring.why_facts import NEXT
from crontopus_app.ui.runs.state import RunState
from tests.cast import Member
from tests.ui.conftest import RUN_ID
from tests.ui.states import page_at, run


def become(status: str, error: str) -> None:
    with writing() as session:
        row = session.get_one(Run, RUN_ID)
        row.status, row.error = status, error
        session.add(row)


@pytest.mark.parametrize(
    ("status", "verdict", "title"),
    [
        ("missed", "unexplained", "Why it did not run"),
        ("lost", "end not reported", "Why its end is unknown"),
        ("failed", "", ""),
    ],
)
async def test_the_page_shows_verdict_evidence_and_next_step(
    cookie: str, alice: Member, status: str, verdict: str, title: str
) -> None:
    become(status, "The stored reason.")
    page = page_at(f"/runs/{RUN_ID}", RunState, cookie)
    await run(page, "load")
    shown = page.why
    assert (shown.verdict, shown.title, page.error) == (verdict, title, "" if verdict else "The stored reason.")
    assert shown.next == NEXT.get(verdict.replace(" ", "_"), "")
    assert bool(shown.evidence) == bool(verdict)


async def test_without_a_monitor_the_page_shows_the_stored_reason(cookie: str, alice: Member) -> None:
    become("missed", "The stored reason.")
    with writing() as session:
        session.delete(session.exec(select(Monitor)).one())
    page = page_at(f"/runs/{RUN_ID}", RunState, cookie)
    await run(page, "load")
    assert (page.why.verdict, page.error, page.problem) == ("", "The stored reason.", "")
