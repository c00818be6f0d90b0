"""Open pages are told when nobody evaluates the deadlines, and when somebody does again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from crontopus_app.base import clock
from crontopus_app.base.db import writing
from crontopus_app.base.live import Event
from crontopus_app.models import Lease
from crontopus_app.monitoring import evaluator
from crontopus_app.ui import unwatched
from crontopus_app.ui.live import Watch, watchers
from crontopus_app.ui.session import SessionState
from tests.fixtures.processes import wait_until


@pytest.fixture(autouse=True)
def _nobody_watches() -> Iterator[None]:
    yield
    watchers.keep(set())
    watchers.unwatched = ""


async def _follow_until(told: Callable[[], object]) -> None:
    task = asyncio.create_task(unwatched.follow(0.02))
    try:
        await asyncio.to_thread(wait_until, told, "the event for the pages")
    finally:
        task.cancel()


def test_pages_are_told(sqlite_db: Engine, published: Callable[[], list[Event]]) -> None:
    watchers.add("token", Watch("alice", SessionState, frozenset(), ""))
    asyncio.run(_follow_until(lambda: published() == [Event("alice", "tenant", "")]))
    assert "no evaluator is running" in watchers.unwatched
    with writing() as session:
        session.add(Lease(name=evaluator.LEASE, owner="a/1/b/c", until=clock.now() + timedelta(hours=1)))
    asyncio.run(_follow_until(lambda: published() == [Event("alice", "tenant", "")]))
    assert watchers.unwatched == ""
