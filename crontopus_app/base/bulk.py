"""Bulk writes: many rows of one table in a few statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, bindparam, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session


def update_rows(session: Session, table: Table, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Updates rows by id, in the given order. Rows that set the same columns share one statement."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row_id, values in rows:
        parameters = {f"new_{name}": value for name, value in values.items()}
        groups.setdefault(tuple(values), []).append({"row_id": row_id, **parameters})
    for columns, batch in groups.items():
        statement = update(table).where(table.c.id == bindparam("row_id"))
        session.connection().execute(statement.values({name: bindparam(f"new_{name}") for name in columns}), batch)


def insert_missing(
    session: Session, table: Table, rows: Sequence[Mapping[str, Any]], key: Sequence[str] = ("id",)
) -> None:
    """Inserts rows; leaves those whose ``key`` exists as they are."""
    if rows:
        dialect = session.connection().dialect.name
        insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
        session.connection().execute(insert(table).on_conflict_do_nothing(index_elements=key), list(rows))
