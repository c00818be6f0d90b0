"""Bulk updates: many rows of one table in a few statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, bindparam, update
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
