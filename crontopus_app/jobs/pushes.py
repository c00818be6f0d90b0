"""Records pushed files as changes, next to those made in Crontopus.

Indexing records a pushed file in its own transaction; the author is looked up afterwards. If the commit turns out to be
one of Crontopus (indexed before the worker recorded it), the change is deleted again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from contract.manifest_changes import in_words
from crontopus_app.base.db import storable
from crontopus_app.forge.client import CommitInfo
from crontopus_app.jobs.trailers import changes_in
from crontopus_app.models import Change, JobIndex

# Recorded files per indexing; the repository's log has all of them.
AT_MOST = 50


def files(session: Session, tenant_id: str, paths: Sequence[str]) -> dict[str, bytes]:
    """The content of the files in the index, by path."""
    query = select(JobIndex.path, JobIndex.yaml).where(JobIndex.tenant_id == tenant_id)
    return {path: yaml for path, yaml in session.exec(query.where(col(JobIndex.path).in_(paths)))}  # noqa: C416 -- dict() cannot be typed over rows


def record(
    session: Session, tenant_id: str, before: Mapping[str, bytes], after: Mapping[str, bytes | None], now: datetime
) -> None:
    """Adds a change for each file in ``after`` (None: deleted). ``before`` is the previous content by path."""
    for path, content in after.items():
        previous = before.get(path)
        operation = "delete" if content is None else "create" if previous is None else "update"
        session.add(
            Change(
                tenant_id=tenant_id,
                user_id="",
                author_name="",
                author_email="",
                operation=operation,
                path=path,
                message="",
                summary=in_words(previous, content) if previous is not None and content is not None else "",
                state="done",
                created_at=now,
                done_at=now,
            )
        )


def without_author(session: Session, tenant_id: str) -> dict[str, str]:
    """The changes whose author is not known yet: path by id."""
    query = select(Change.id, Change.path).where(*_without_author(tenant_id))
    return {change_id: path for change_id, path in session.exec(query)}  # noqa: C416 -- as above


def _without_author(tenant_id: str) -> tuple[bool, ...]:
    return Change.tenant_id == tenant_id, Change.state == "done", Change.user_id == "", col(Change.commit_sha).is_(None)  # pyright: ignore[reportReturnType] -- conditions of SQL


def set_author(session: Session, change_id: str, commit: CommitInfo | None) -> None:
    """Fills in the commit of a change. Deletes the change if there is none (rewritten branch) or Crontopus made it."""
    by_id = col(Change.id) == change_id
    if commit is None or changes_in(commit.message):
        session.execute(delete(Change).where(by_id))
        return
    texts = {"author_name": commit.author_name, "author_email": commit.author_email, "message": commit.message}
    values = {name: storable(text) for name, text in texts.items()}
    session.execute(update(Change).where(by_id).values(commit_sha=commit.sha, **values))
