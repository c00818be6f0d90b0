"""What the Job page's acts ask for, and of whom they refuse it. That they arrive in Git is shown by the journeys."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import select

from crontopus_app.base.db import reading
from crontopus_app.models import Change
from crontopus_app.ui.job.state import JobState
from tests.ui.states import page_at, run

ACTS: list[tuple[str, Any]] = [("set_paused", True), ("restore", {"sha": "4f1c2ab"}), ("delete", {})]


@pytest.mark.parametrize(("act", "given"), ACTS)
async def test_a_stranger_changes_nothing(charlies: str, act: str, given: Any) -> None:
    page = page_at("/jobs/production/backup", JobState, charlies)
    assert "There is no" in str(await run(page, act, given))
    assert pending() == []


@pytest.mark.parametrize(("act", "given"), ACTS)
async def test_who_has_signed_out_changes_nothing(cookie: str, act: str, given: Any) -> None:
    page = page_at("/jobs/production/backup", JobState, "crontopus_session=forged")
    assert "failed" in str(await run(page, act, given))
    assert pending() == []


@pytest.mark.parametrize("form", [{}, {"sha": None}, {"sha": "../../etc"}, {"sha": ["x"]}])
async def test_a_version_of_nonsense_is_refused(cookie: str, form: dict[str, Any]) -> None:
    page = page_at("/jobs/production/backup", JobState, cookie)
    assert "is not a commit" in str(await run(page, "restore", form))
    assert pending() == []


async def test_there_is_nothing_to_move_to_where_nothing_was_proposed(cookie: str) -> None:
    page = page_at("/jobs/production/backup", JobState, cookie)
    assert "no quieter slot" in str(await run(page, "move", {}))
    assert pending() == []


def pending() -> list[str]:
    with reading() as session:
        return list(session.exec(select(Change.operation)).all())
