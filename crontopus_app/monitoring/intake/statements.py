"""SQL statements over many rows, compiled once and executed by the database driver.

SQLAlchemy binds each value in Python and compiles a statement for each number of values, which was most of the cost of
a check-in. PostgreSQL takes all rows of a statement as one JSON text, and several statements in one round trip. SQLite
executes a statement per row, which is cheap there. This is the only difference between the databases for check-ins.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import JSON, Column, Connection, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from crontopus_app.models.base import Instant

Row = dict[str, Any]
# Fetches the rows of a statement that was sent.
Fetch = Callable[[], list[Row]]
Reader = Callable[[Any], Any]


def statements(session: Session) -> Statements:
    """The statements of the session's transaction."""
    connection = session.connection()
    return (_Sqlite if connection.dialect.name == "sqlite" else _Postgres)(connection)


class Statements(ABC):
    """Reads and writes of one transaction. Raises the driver's errors as SQLAlchemy's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @abstractmethod
    def together(self) -> AbstractContextManager[object]:
        """Statements in this context are sent together; fetch their rows after it."""

    @abstractmethod
    def limit(self, lock_ms: int) -> None:
        """To be called first in a transaction: sets the lock timeout, and forces the use of indexes."""

    @abstractmethod
    def query(self, sql: str, among: Sequence[Collection[str]], lock: str) -> Callable[[], list[tuple[Any, ...]]]:
        """Executes ``sql``, with each ``{among}`` after a column replaced by the next collection of ``among``.

        ``lock`` is a locking clause for PostgreSQL.
        """

    @abstractmethod
    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """Inserts rows, each with a value for every column."""

    @abstractmethod
    def delete(self, table: Table, key: str, values: Collection[str]) -> None:
        """Deletes the rows whose ``key`` is one of ``values``."""

    @abstractmethod
    def update(self, table: Table, key: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Sets ``columns`` of the rows with the same ``key``."""

    def select(
        self,
        table: Table,
        columns: Sequence[str],
        among: Mapping[str, Collection[str]],
        order: str = "",
        lock: str = "",
        newest: int = 0,
    ) -> Fetch:
        """Selects the rows in which each column of ``among`` has one of its values.

        With ``newest``, only so many of them, those with the largest value of ``order``.
        """
        columns = tuple(columns)
        fetch = self.query(_select(table, columns, tuple(among), order, newest), tuple(among.values()), lock)
        readers = self._readers(table, columns)

        def rows() -> list[Row]:
            converted = [dict(zip(columns, each, strict=True)) for each in fetch()]
            for row in converted:
                for name, reader in readers:
                    row[name] = reader(row[name])
            return converted

        return rows

    @staticmethod
    @abstractmethod
    def _readers(table: Table, columns: tuple[str, ...]) -> list[tuple[str, Reader]]:
        """Conversions for columns that the driver returns in another type than the models."""

    @contextmanager
    def _errors(self) -> Iterator[None]:
        dialect = self._connection.dialect
        driver: Any = dialect.loaded_dbapi
        try:
            yield
        except driver.Error as error:
            lost = dialect.is_disconnect(error, self._connection.connection.driver_connection, None)  # pyright: ignore[reportArgumentType] -- as SQLAlchemy asks it itself
            raise DBAPIError.instance(
                "", None, error, driver.Error, connection_invalidated=lost, dialect=dialect
            ) from error


@lru_cache(maxsize=100)
def _select(table: Table, columns: tuple[str, ...], among: tuple[str, ...], order: str, newest: int) -> str:
    where = " AND ".join(f'"{name}" {{among}}' for name in among)
    ordered = f' ORDER BY "{order}"' if order else ""
    ordered += f" DESC LIMIT {newest}" if newest else ""
    return f'SELECT {_names(columns)} FROM "{table.name}" WHERE {where}{ordered}'  # noqa: S608 -- names from the models


def _names(columns: Sequence[str], prefix: str = "") -> str:
    return ", ".join(f'{prefix}"{name}"' for name in columns)


def _of_type(table: Table, columns: Sequence[str], kind: type) -> list[str]:
    return [name for name in columns if isinstance(table.c[name].type, kind)]


class _Postgres(Statements):
    def together(self) -> AbstractContextManager[object]:
        return self._pipeline()

    @contextmanager
    def _pipeline(self) -> Iterator[None]:
        driver: Any = self._connection.connection.driver_connection
        with self._errors(), driver.pipeline():
            yield

    def limit(self, lock_ms: int) -> None:
        # PostgreSQL caches plans; without this, it would keep the sequential scans planned for small tables.
        self._run(
            "SELECT set_config('enable_seqscan', 'off', true), set_config('lock_timeout', %s, true)", [f"{lock_ms}ms"]
        )

    def query(self, sql: str, among: Sequence[Collection[str]], lock: str) -> Callable[[], list[tuple[Any, ...]]]:
        cursor = self._run(f"{sql.replace('{among}', '= ANY(%s)')} {lock}", [list(each) for each in among])

        def found() -> list[tuple[Any, ...]]:
            with self._errors():
                return cursor.fetchall()

        return found

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        if rows:
            self._run(_insert_json(table), [_json(rows)])

    def delete(self, table: Table, key: str, values: Collection[str]) -> None:
        if values:
            self._run(f'DELETE FROM "{table.name}" WHERE "{key}" = ANY(%s)', [list(values)])  # noqa: S608

    def update(self, table: Table, key: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        if rows:
            names = (key, *columns)
            self._run(_update_json(table, names), [_json([{name: row[name] for name in names} for row in rows])])

    def _run(self, sql: str, parameters: Sequence[Any]) -> Any:
        driver: Any = self._connection.connection.driver_connection
        with self._errors():
            return driver.cursor().execute(sql, parameters)

    @staticmethod
    def _readers(table: Table, columns: tuple[str, ...]) -> list[tuple[str, Reader]]:
        return [(name, _in_utc) for name in _of_type(table, columns, Instant)]


def _in_utc(value: datetime | None) -> datetime | None:
    return value and value.astimezone(UTC)


def _json(rows: Sequence[Row]) -> str:
    return msgspec.json.encode(rows).decode()


@lru_cache(maxsize=20)
def _insert_json(table: Table) -> str:
    names = _names([column.name for column in table.c])
    rows = _from_json(tuple(table.c))
    return f'INSERT INTO "{table.name}" ({names}) SELECT {names} FROM {rows}'  # noqa: S608 -- names from the models


@lru_cache(maxsize=20)
def _update_json(table: Table, names: tuple[str, ...]) -> str:
    key, *columns = names
    changes = ", ".join(f'"{name}" = new."{name}"' for name in columns)
    rows = _from_json(tuple(table.c[name] for name in names))
    return f'UPDATE "{table.name}" SET {changes} FROM {rows} WHERE "{table.name}"."{key}" = new."{key}"'  # noqa: S608


def _from_json(columns: Sequence[Column[Any]]) -> str:
    dialect = postgresql.dialect()
    types = ", ".join(f'"{column.name}" {column.type.compile(dialect)}' for column in columns)
    return f"json_to_recordset(%s::json) AS new({types})"


class _Sqlite(Statements):
    @contextmanager
    def together(self) -> Iterator[None]:
        yield

    def limit(self, lock_ms: int) -> None:
        """Nothing to do: a transaction of SQLite holds the only lock from its start."""

    def query(self, sql: str, among: Sequence[Collection[str]], lock: str) -> Callable[[], list[tuple[Any, ...]]]:  # noqa: ARG002 -- SQLite locks at the start
        with self._errors():
            lists = [json.dumps(list(each)) for each in among]
            rows = (
                self._cursor().execute(sql.replace("{among}", "IN (SELECT value FROM json_each(?))"), lists).fetchall()
            )
        return lambda: rows

    def insert(self, table: Table, rows: Sequence[Row]) -> None:
        names = tuple(column.name for column in table.c)
        places = ", ".join("?" * len(names))
        self._for_each(f'INSERT INTO "{table.name}" ({_names(names)}) VALUES ({places})', table, names, rows)  # noqa: S608

    def delete(self, table: Table, key: str, values: Collection[str]) -> None:
        with self._errors():
            self._cursor().executemany(f'DELETE FROM "{table.name}" WHERE "{key}" = ?', [[value] for value in values])  # noqa: S608

    def update(self, table: Table, key: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        changes = ", ".join(f'"{name}" = ?' for name in columns)
        self._for_each(f'UPDATE "{table.name}" SET {changes} WHERE "{key}" = ?', table, (*columns, key), rows)  # noqa: S608

    def _for_each(self, sql: str, table: Table, names: tuple[str, ...], rows: Sequence[Row]) -> None:
        converted = [_of_type(table, names, kind) for kind in (Instant, JSON)]
        prepared = [
            row
            | {name: _naive(row[name]) for name in converted[0]}
            | {name: json.dumps(row[name]) for name in converted[1]}
            for row in rows
        ]
        with self._errors():
            self._cursor().executemany(sql, [[row[name] for name in names] for row in prepared])

    def _cursor(self) -> Any:
        driver: Any = self._connection.connection.driver_connection
        return driver.cursor()

    @staticmethod
    def _readers(table: Table, columns: tuple[str, ...]) -> list[tuple[str, Reader]]:
        moments = [(name, _aware) for name in _of_type(table, columns, Instant)]
        return [*moments, *((name, json.loads) for name in _of_type(table, columns, JSON))]


def _naive(value: datetime | None) -> str | None:
    """The format of SQLAlchemy: in UTC, without a zone."""
    return value and value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _aware(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if value else None
