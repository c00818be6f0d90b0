"""The database engine and sessions, for SQLite and PostgreSQL."""

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
    configured = make_engine(settings().database_url)
    if configured.dialect.name == "postgresql":
        postgres.limit_waits(configured)
    return configured


def make_engine(url: str) -> Engine:
    """An engine without a statement timeout, for migrations."""
    if url.startswith("sqlite"):
        sqlite = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False})
        event.listen(sqlite, "connect", _prepare_sqlite)
        event.listen(sqlite, "begin", _begin_immediate)
        return sqlite
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=20,
        pool_timeout=postgres.POOL_TIMEOUT_S,
        connect_args=postgres.NETWORK,
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Turn off the driver's transaction handling, which begins late and deferred: _begin_immediate begins them.
    connection.isolation_level = None
    cursor = connection.cursor()
    _write_ahead(cursor)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Switches a new file to a write-ahead log.

    SQLite ignores the busy timeout here: of two processes that switch at once it refuses one, so this retries.
    """
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
    """Takes the write lock at the start: SQLite fails a reader that becomes a writer at once, whatever the timeout."""
    only_reads = connection.get_execution_options().get("crontopus_reading", False)
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")


def storable(text: str) -> str:
    """Text that both databases accept: NUL becomes its symbol (U+2400), a lone surrogate a question mark."""
    return text.replace("\0", "\u2400").encode(errors="replace").decode()


@contextmanager
def reading() -> Iterator[Session]:
    """A read-only session. On SQLite it does not block writers."""
    with (
        _translated(),
        engine().connect().execution_options(crontopus_reading=True) as connection,
        Session(connection, expire_on_commit=False) as session,
    ):
        yield session


class _WritingSession(Session):
    """A session with callbacks to run after its commit.

    ``lengths_at_savepoint`` is the number of callbacks when each open savepoint began.
    """

    def __init__(self, bind: Engine) -> None:
        super().__init__(bind, expire_on_commit=False)
        self.after_commit: list[Callable[[], object]] = []
        self.lengths_at_savepoint: dict[SessionTransaction, int] = {}


@event.listens_for(_WritingSession, "after_transaction_create")
def _note_length(session: _WritingSession, transaction: SessionTransaction) -> None:
    if transaction.nested:
        session.lengths_at_savepoint[transaction] = len(session.after_commit)


@event.listens_for(_WritingSession, "after_soft_rollback")
def _drop_callbacks(session: _WritingSession, transaction: SessionTransaction) -> None:
    """Drops the callbacks registered since the savepoint, or all of them: their rows were rolled back."""
    while not transaction.nested and transaction.parent is not None:  # a failed flush rolls back what encloses it
        transaction = transaction.parent
    del session.after_commit[session.lengths_at_savepoint.get(transaction, 0) :]


@contextmanager
def writing() -> Iterator[Session]:
    """A session whose transaction is committed when the block ends, and rolled back when it raises.

    Callbacks registered with ``after_commit`` run after the commit, when the connection is back in the pool.
    """
    with _translated(), _WritingSession(engine()) as session, session.begin():
        yield session
    _run(session.after_commit)


def after_commit(session: Session, callback: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Calls ``callback(*args, **kwargs)`` once the transaction of ``writing()`` is committed; never after a rollback.

    Callbacks run in the order of registration. One that raises is logged; the commit stands and the others run.
    """
    if not isinstance(session, _WritingSession):
        raise TypeError("after_commit needs a session of writing().")
    session.after_commit.append(partial(callback, *args, **kwargs))


def _run(callbacks: Sequence[Callable[[], object]]) -> None:
    for callback in callbacks:
        try:
            callback()
        except Exception:
            log.exception("A callback after a commit failed: %r", callback)


@contextmanager
def _translated() -> Iterator[None]:
    """Raises Unavailable for a database that does not answer, BadInput for a value that no column can hold."""
    if not postgres.circuit.allows():
        raise Unavailable("The database is not responding. Try again in a few seconds.", part="database")
    try:
        yield
    except (DataError, OverflowError) as error:
        raise BadInput(
            "A value cannot be stored or searched for. Remove NUL characters and very large numbers."
        ) from error
    except (OperationalError, PoolTimeout) as error:
        raise Unavailable("The database is not responding. Try again in a few seconds.", part="database") from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise Unavailable(
            "The connection to the database was lost. Try again in a few seconds.", part="database"
        ) from error


def raced(error: Exception) -> bool:
    """Whether a transaction failed because of a concurrent one and may succeed when repeated."""
    cause = error.__cause__ if isinstance(error, Unavailable) else error
    return isinstance(cause, IntegrityError) or _sqlstate(cause) in RACES


def locked_out(error: Exception) -> bool:
    """Whether a transaction failed because it waited too long for another transaction's lock."""
    return _sqlstate(error.__cause__) == LOCK_TIMEOUT


def _sqlstate(error: BaseException | None) -> str | None:
    return getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
