"""The engine and its sessions, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlmodel import Session, create_engine

from crontopus_app.errors import BadInput, Unavailable
from crontopus_app.settings import settings

BUSY_TIMEOUT_S = 20
BUSY_PAUSE_S = 0.01
# PostgreSQL's "deadlock detected" and "could not serialize".
RACES = frozenset({"40P01", "40001"})


@lru_cache(maxsize=1)
def engine() -> Engine:
    """This process's engine for the configured database."""
    return make_engine(settings().database_url)


def make_engine(url: str) -> Engine:
    if url.startswith("sqlite"):
        made = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False})
        event.listen(made, "connect", _prepare_sqlite)
        event.listen(made, "begin", _begin_immediate)
        return made
    return create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20, connect_args={"connect_timeout": 5})


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


@contextmanager
def writing() -> Iterator[Session]:
    """A session whose transaction is committed when the block ends, and rolled back when it raises."""
    with _translated(), Session(engine(), expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def _translated() -> Iterator[None]:
    """A database that is away becomes an Unavailable that says so, a value that no column can hold a BadInput."""
    try:
        yield
    except (DataError, OverflowError) as error:
        raise BadInput("This cannot be stored or looked for: leave out NUL characters and huge numbers.") from error
    except OperationalError as error:
        raise Unavailable("The database does not answer: try again shortly.", part="database") from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise Unavailable("The database connection was lost: try again shortly.", part="database") from error


def raced(error: Exception) -> bool:
    """Whether a transaction failed because another one was in its way: begun again it may succeed."""
    found = error.__cause__ if isinstance(error, Unavailable) else error
    if isinstance(found, IntegrityError):
        return True
    return isinstance(found, DBAPIError) and getattr(found.orig, "sqlstate", None) in RACES
