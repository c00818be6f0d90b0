"""What follows a commit: once, in order, and never after a rollback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from crontopus_app.base import clock
from crontopus_app.base.db import after_commit, reading, writing
from crontopus_app.models import Change, Tenant


def tenant(name: str) -> Tenant:
    return Tenant(id=name, repository=f"crontopus/{name}", webhook_secret="whs", created_at=clock.now())


def names() -> list[str]:
    with reading() as session:
        return sorted(session.exec(select(Tenant.id)))


def test_it_follows_the_commit_in_order_and_sees_what_was_written(db: Engine) -> None:
    done: list[object] = []
    with writing() as session:
        session.add(tenant("alice"))
        after_commit(session, lambda: done.append(names()))
        after_commit(session, done.append, "second")
        after_commit(session, done.append, "second")
        assert done == []
    assert done == [["alice"], "second", "second"]


def test_the_connection_is_back_in_the_pool_by_then(db: Engine) -> None:
    held: list[int] = []
    with writing() as session:
        session.add(tenant("alice"))
        session.flush()
        after_commit(session, lambda: held.append(db.pool.checkedout()))  # pyright: ignore[reportAttributeAccessIssue]
    assert held == [0]


def undone(session: Session, done: list[str]) -> None:
    session.add(tenant("bob"))
    session.flush()
    after_commit(session, done.append, "undone")
    raise KeyError


def refused_by_the_commit(session: Session, done: list[str]) -> None:
    """Every statement succeeds, the COMMIT itself does not."""
    session.add(tenant("alice"))
    session.flush()
    after_commit(session, done.append, "undone")
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        connection.execute(text("PRAGMA defer_foreign_keys=ON"))
        connection.execute(text("UPDATE change SET tenant_id = 'nobody'"))
    else:
        connection.execute(text("CREATE TEMP TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED) ON COMMIT DROP"))
        connection.execute(text("INSERT INTO t VALUES (1), (1)"))
    done.append("no statement failed")


def write(act: Callable[[Session, list[str]], None], done: list[str]) -> None:
    with writing() as session:
        act(session, done)


def in_a_savepoint(session: Session, act: Callable[[Session, list[str]], None], done: list[str]) -> None:
    with session.begin_nested():
        act(session, done)


def test_nothing_follows_a_rollback(db: Engine) -> None:
    done: list[str] = []
    with pytest.raises(KeyError):
        write(undone, done)
    assert (done, names()) == ([], [])


def test_nothing_follows_a_flush_that_fails(db: Engine) -> None:
    def twice(session: Session, done: list[str]) -> None:
        session.add(tenant("alice"))
        session.add(tenant("alice"))  # noticed when the block ends
        after_commit(session, done.append, "undone")

    done: list[str] = []
    with pytest.raises(IntegrityError):
        write(twice, done)
    assert (done, names()) == ([], [])


def test_nothing_follows_a_commit_that_fails(db: Engine) -> None:
    with writing() as session:
        session.add(tenant("zoe"))
        session.flush()
        facts: dict[str, Any] = {"user_id": "", "author_name": "", "author_email": "", "path": "", "message": ""}
        session.add(Change(tenant_id="zoe", sequence=1, operation="create", created_at=clock.now(), **facts))
    done: list[str] = []
    with pytest.raises(IntegrityError):
        write(refused_by_the_commit, done)
    assert (done, names()) == (["no statement failed"], ["zoe"])


def test_a_savepoint_that_is_rolled_back_takes_back_its_own_only(db: Engine) -> None:
    def nested(session: Session, done: list[str]) -> None:
        after_commit(session, done.append, "outer")
        in_a_savepoint(session, lambda *_: after_commit(session, done.append, "inner"), done)
        undone(session, done)

    done: list[str] = []
    with writing() as session:
        after_commit(session, done.append, "before")
        with session.begin_nested():
            session.add(tenant("alice"))
            after_commit(session, done.append, "kept")
        with pytest.raises(KeyError):
            in_a_savepoint(session, nested, done)
        after_commit(session, done.append, "after")
    assert (done, names()) == (["before", "kept", "after"], ["alice"])


def test_a_flush_that_fails_in_a_savepoint_takes_back_what_it_was_about(db: Engine) -> None:
    def again(session: Session, done: list[str]) -> None:
        session.add(tenant("alice"))
        after_commit(session, done.append, "again")
        session.flush()

    done: list[str] = []
    with writing() as session:
        again(session, done)
        session.expunge_all()
        with pytest.raises(IntegrityError):
            in_a_savepoint(session, again, done)
    assert (done, names()) == (["again"], ["alice"])


@pytest.mark.logs_errors
def test_one_that_raises_keeps_no_other_from_running_and_fails_nobody(
    db: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    def broken() -> None:
        raise KeyError("Redis")

    with writing() as session:
        session.add(tenant("alice"))
        after_commit(session, done.append, "first")
        after_commit(session, broken)
        after_commit(session, done.append, "last")
    assert (done, names()) == (["first", "last"], ["alice"])
    assert "broken" in caplog.text


def test_a_block_that_is_entered_twice_does_each_once(db: Engine) -> None:
    done: list[str] = []
    for name in ("alice", "bob"):
        with writing() as session:
            session.add(tenant(name))
            after_commit(session, done.append, name)
    assert done == ["alice", "bob"]


def test_what_follows_may_write_itself(db: Engine) -> None:
    def write(name: str) -> None:
        with writing() as session:
            session.add(tenant(name))

    with writing() as session:
        session.add(tenant("alice"))
        after_commit(session, write, "bob")
    assert names() == ["alice", "bob"]


def test_a_session_without_a_commit_of_ours_refuses(db: Engine) -> None:
    with reading() as session, pytest.raises(TypeError, match="writing"):
        after_commit(session, print)
    with Session(db) as session, pytest.raises(TypeError, match="writing"):
        after_commit(session, print)
