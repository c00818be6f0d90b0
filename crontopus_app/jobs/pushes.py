"""Files that somebody pushed, noted as changes beside those made here: who, what in words, and on how many hosts.

A file is noted by the pass of the index that finds it, in its transaction; whose commit it was is looked up afterwards.
One that turns out to be ours was found before the worker could say so, and is forgotten again.
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

# Of one pass; what more was pushed is in the repository's log.
AT_MOST = 50


def files(session: Session, tenant_id: str, paths: Sequence[str]) -> dict[str, bytes]:
    """The files as the index has them, before it is written."""
    query = select(JobIndex.path, JobIndex.yaml).where(JobIndex.tenant_id == tenant_id)
    return {path: yaml for path, yaml in session.exec(query.where(col(JobIndex.path).in_(paths)))}  # noqa: C416 -- dict() cannot be typed over rows


def note(
    session: Session, tenant_id: str, before: Mapping[str, bytes], after: Mapping[str, bytes | None], now: datetime
) -> None:
    """One change for each file of ``after``, None being one that is gone; ``before`` has those that were there."""
    for path, content in after.items():
        was = before.get(path)
        operation = "delete" if content is None else "create" if was is None else "update"
        session.add(
            Change(
                tenant_id=tenant_id,
                user_id="",
                author_name="",
                author_email="",
                operation=operation,
                path=path,
                message="",
                said=in_words(was, content) if was is not None and content is not None else "",
                state="done",
                created_at=now,
                done_at=now,
            )
        )


def unknown(session: Session, tenant_id: str) -> dict[str, str]:
    """Those of whom nobody knows the author yet: path by id."""
    query = select(Change.id, Change.path).where(*_unknown(tenant_id))
    return {change_id: path for change_id, path in session.exec(query)}  # noqa: C416 -- as above


def _unknown(tenant_id: str) -> tuple[bool, ...]:
    return Change.tenant_id == tenant_id, Change.state == "done", Change.user_id == "", col(Change.commit_sha).is_(None)  # pyright: ignore[reportReturnType] -- conditions of SQL


def tell(session: Session, change_id: str, commit: CommitInfo | None) -> None:
    """Whose commit it was; without one (the branch was rewritten) or with ours there is nothing to tell."""
    mine = col(Change.id) == change_id
    if commit is None or changes_in(commit.message):
        session.execute(delete(Change).where(mine))
        return
    texts = {"author_name": commit.author_name, "author_email": commit.author_email, "message": commit.message}
    told = {name: storable(text) for name, text in texts.items()}
    session.execute(update(Change).where(mine).values(commit_sha=commit.sha, **told))
