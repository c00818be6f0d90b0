"""The engine and its sessions, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, ParamSpec

from sqlalchemy import Engine, event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import SessionTransaction
from sqlmodel import Session, create_engine

from crontopus_app.base import postgres
from crontopus_app.base.errors import BadInput, Unavailable
from crontopus_app.base.settings import settings

P = ParamSpec("P")

log = logging.getLogger(__name__)

BUSY_TIMEOUT_S = 20
BUSY_PAUSE_S = 0.01
# PostgreSQL's "deadlock detected" and "could not serialize".
RACES = frozenset({"40P01", "40001"})
LOCK_TIMEOUT = "55P03"


@lru_cache(maxsize=1)
def engine() -> Engine:
    """This process's engine for the configured database."""
    made = make_engine(settings().database_url)
    if made.dialect.name == "postgresql":
        postgres.give_up_on_silence(made)
    return made


def make_engine(url: str) -> Engine:
    """An engine whose statements may take any time."""
    if url.startswith("sqlite"):
        made = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False})
        event.listen(made, "connect", _prepare_sqlite)
        event.listen(made, "begin", _begin_immediate)
        return made
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=20,
        pool_timeout=postgres.POOL_TIMEOUT_S,
        connect_args=postgres.NETWORK,
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling would begin late and deferred; ours begins in _begin_immediate.
    connection.isolation_level = None
    cursor = connection.cursor()
    _write_ahead(cursor)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Switches a new file to a write-ahead log. Of two that do so at once SQLite refuses one without any patience."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(BUSY_PAUSE_S)


def _begin_immediate(connection: Any) -> None:
    """A reader that turns writer fails at once whatever the timeout, so writers say so from the start."""
    reading = connection.get_execution_options().get("crontopus_reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def storable(text: str) -> str:
    """Text that both databases store: NUL is shown as the symbol for it, half a surrogate pair as a question mark."""
    return text.replace("\0", "\u2400").encode(errors="replace").decode()


@contextmanager
def reading() -> Iterator[Session]:
    """A session that only reads: on SQLite it takes no lock that a writer waits for."""
    with (
        _translated(),
        engine().connect().execution_options(crontopus_reading=True) as connection,
        Session(connection, expire_on_commit=False) as session,
    ):
        yield session


class _WritingSession(Session):
    """A session that knows what to do after its commit, and how much of that was known when each savepoint began."""

    def __init__(self, bind: Engine) -> None:
        super().__init__(bind, expire_on_commit=False)
        self.after_commit: list[Callable[[], object]] = []
        self.marks: dict[SessionTransaction, int] = {}


@event.listens_for(_WritingSession, "after_transaction_create")
def _mark(session: _WritingSession, transaction: SessionTransaction) -> None:
    if transaction.nested:
        session.marks[transaction] = len(session.after_commit)


@event.listens_for(_WritingSession, "after_soft_rollback")
def _forget(session: _WritingSession, transaction: SessionTransaction) -> None:
    """What was registered since the savepoint (or at all) is about rows that are gone."""
    while not transaction.nested and transaction.parent is not None:  # a flush is no savepoint: its surroundings go
        transaction = transaction.parent
    del session.after_commit[session.marks.get(transaction, 0) :]


@contextmanager
def writing() -> Iterator[Session]:
    """A session whose transaction is committed when the block ends, and rolled back when it raises.

    What was registered with ``after_commit`` is done then, once the connection is back in the pool.
    """
    with _translated(), _WritingSession(engine()) as session, session.begin():
        yield session
    _do(session.after_commit)


def after_commit(session: Session, act: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Calls ``act(*args, **kwargs)`` once the transaction of ``writing()`` is committed; never after a rollback.

    Acts are done in the order of registration. One that raises is logged: the commit stands, the others are done.
    """
    if not isinstance(session, _WritingSession):
        raise TypeError("Only a session of writing() has something after its commit.")
    session.after_commit.append(partial(act, *args, **kwargs))


def _do(acts: Sequence[Callable[[], object]]) -> None:
    for act in acts:
        try:
            act()
        except Exception:
            log.exception("what follows a commit failed: %r", act)


@contextmanager
def _translated() -> Iterator[None]:
    """A database that is away becomes an Unavailable that says so, a value that no column can hold a BadInput."""
    if not postgres.silence.lets_through():
        raise Unavailable("The database did not answer a moment ago: try again shortly.", part="database")
    try:
        yield
    except (DataError, OverflowError) as error:
        raise BadInput("This cannot be stored or looked for: leave out NUL characters and huge numbers.") from error
    except (OperationalError, PoolTimeout) as error:
        raise Unavailable("The database does not answer: try again shortly.", part="database") from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise Unavailable("The database connection was lost: try again shortly.", part="database") from error


def raced(error: Exception) -> bool:
    """Whether a transaction failed because another one was in its way: begun again it may succeed."""
    found = error.__cause__ if isinstance(error, Unavailable) else error
    return isinstance(found, IntegrityError) or _sqlstate(found) in RACES


def locked_out(error: Exception) -> bool:
    """Whether a transaction failed because another one held a lock for longer than it waits."""
    return _sqlstate(error.__cause__) == LOCK_TIMEOUT


def _sqlstate(error: BaseException | None) -> str | None:
    return getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
