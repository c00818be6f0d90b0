"""Who may use the actions of the Job page. tests/e2e/test_job_page.py shows that they arrive in Git."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import select

from crontopus_app.base.db import reading
from crontopus_app.models import Change
from crontopus_app.ui.job.state import JobState
from tests.ui.states import page_at, run

ACTIONS: list[tuple[str, Any]] = [("set_paused", True), ("restore", {"sha": "4f1c2ab"}), ("delete", {})]


@pytest.mark.parametrize(("action", "argument"), ACTIONS)
async def test_another_tenants_user_changes_nothing(charlies: str, action: str, argument: Any) -> None:
    page = page_at("/jobs/production/backup", JobState, charlies)
    assert "No job" in str(await run(page, action, argument))
    assert pending() == []


@pytest.mark.parametrize(("action", "argument"), ACTIONS)
async def test_a_signed_out_user_changes_nothing(cookie: str, action: str, argument: Any) -> None:
    page = page_at("/jobs/production/backup", JobState, "crontopus_session=forged")
    assert "failed" in str(await run(page, action, argument))
    assert pending() == []


@pytest.mark.parametrize("form", [{}, {"sha": None}, {"sha": "../../etc"}, {"sha": ["x"]}])
async def test_an_unknown_version_is_refused(cookie: str, form: dict[str, Any]) -> None:
    page = page_at("/jobs/production/backup", JobState, cookie)
    assert "is not a commit" in str(await run(page, "restore", form))
    assert pending() == []


async def test_move_without_a_proposed_time_changes_nothing(cookie: str) -> None:
    page = page_at("/jobs/production/backup", JobState, cookie)
    assert "no longer a quieter time" in str(await run(page, "move", {}))
    assert pending() == []


def pending() -> list[str]:
    with reading() as session:
        return list(session.exec(select(Change.operation)).all())
