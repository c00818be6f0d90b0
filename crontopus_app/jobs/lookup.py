"""Finds jobs in the index."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

from contract.manifest_fields import NAME_PATTERN
from crontopus_app.base.errors import Conflict, NotFound
from crontopus_app.models import Change, JobIndex


def is_name(text: str) -> bool:
    """Whether the text is a valid name of a job or namespace."""
    return len(text) <= 63 and re.match(NAME_PATTERN, text) is not None


def rows_of(session: Session, tenant_id: str, namespace: str | None, *, manifests: bool = False) -> Sequence[JobIndex]:
    """The tenant's rows by namespace, name and path, without the columns text and lints, and (by default) manifest."""
    deferred = [JobIndex.yaml, JobIndex.lints, *([] if manifests else [JobIndex.manifest])]
    query = select(JobIndex).where(JobIndex.tenant_id == tenant_id)
    query = query.options(*(defer(col(column), raiseload=True) for column in deferred))  # pyright: ignore[reportArgumentType] -- col() is a wider type than its columns
    if namespace:
        query = query.where(JobIndex.namespace == namespace)
    return session.exec(query.order_by(JobIndex.namespace, JobIndex.name, JobIndex.path)).all()


def find_or_none(session: Session, tenant_id: str, namespace: str, name: str) -> JobIndex | None:
    """The job's row; among several with the name, a valid one, or else the first by path."""
    query = select(JobIndex).where(JobIndex.tenant_id == tenant_id, JobIndex.namespace == namespace)
    return session.exec(query.where(JobIndex.name == name).order_by(col(JobIndex.valid).desc(), JobIndex.path)).first()


def find(session: Session, tenant_id: str, namespace: str, name: str) -> JobIndex:
    """The job's row; raises NotFound, or Conflict while the job's creation is pending."""
    row = find_or_none(session, tenant_id, namespace, name)
    if row is not None:
        return row
    if is_pending(session, tenant_id, f"{namespace}/{name}.yaml"):
        raise Conflict(
            f"The job {namespace}/{name} is being committed to Git. Try again in a few seconds.", code="pending"
        )
    raise NotFound(f"No job {namespace}/{name}.")


def is_pending(session: Session, tenant_id: str, path: str) -> bool:
    """Whether the file at the path will exist after the newest pending change of it."""
    of_path = Change.tenant_id == tenant_id, Change.state == "pending", Change.path == path
    newest = select(Change.operation).where(*of_path).order_by(col(Change.sequence).desc())
    return session.exec(newest).first() in {"create", "update", "edit"}
