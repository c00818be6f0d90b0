"""Many rows of one table written by a few statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, bindparam, update
from sqlmodel import Session


def update_rows(session: Session, table: Table, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Sets columns of rows by id, in the order given; one statement for each set of columns."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row_id, values in rows:
        named = {f"new_{name}": value for name, value in values.items()}
        groups.setdefault(tuple(values), []).append({"the_id": row_id, **named})
    for names, parameters in groups.items():
        statement = update(table).where(table.c.id == bindparam("the_id"))
        session.connection().execute(statement.values({name: bindparam(f"new_{name}") for name in names}), parameters)
