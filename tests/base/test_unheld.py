"""The watch over transactions notices what it is there for: other tests stand on it."""

from __future__ import annotations

from collections.abc import Callable

import bcrypt
import httpx
import pytest
from sqlalchemy import Engine, text

from crontopus_app.base import probes
from crontopus_app.base.db import after_commit, reading, writing
from crontopus_app.base.live import Event, publish
from crontopus_app.base.queue import redis
from tests.fixtures.unheld import Watch

HASH = bcrypt.hashpw(b"x", bcrypt.gensalt(4))


def ask_git() -> object:
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as client:
        return client.get("http://forge.test")


@pytest.mark.parametrize(
    "act",
    [ask_git, lambda: redis().ping(), lambda: probes.run({"part": dict}), lambda: bcrypt.checkpw(b"x", HASH)],
    ids=["git", "redis", "probe", "bcrypt"],
)
def test_what_is_slow_is_noticed_within_a_transaction_only(
    db: Engine, redis_url: str, unheld: Watch, act: Callable[[], object]
) -> None:
    act()
    for session_of in (reading, writing):
        with session_of() as session:
            session.connection().execute(text("SELECT 1"))
            with pytest.raises(AssertionError, match="holds a connection"):
                act()
        act()
    assert len(unheld.found) == 2
    unheld.found.clear()


def test_what_follows_the_commit_is_outside_of_it(db: Engine, redis_url: str) -> None:
    with writing() as session:
        session.connection().execute(text("SELECT 1"))
        after_commit(session, publish, Event("alice", "tenant", "alice"))
        after_commit(session, ask_git)
