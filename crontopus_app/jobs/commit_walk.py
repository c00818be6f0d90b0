"""Finds the last commit of each file by walking the branch's history, newest commit first, in slices of time.

Each request reads a page of commits with their changed files, so the number of requests depends on the length of the
history, not on the number of files. The tenant's row stores the position: the next slice continues there. If the branch
has moved, the new commits are walked down to the start of the previous walk.

The first pass ignores merges, because a merge lists all files that it brought in. Files that only a merge changed are
found by a second pass, which includes merges.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import bindparam, update
from sqlmodel import Session, col, select

from contract import wire
from crontopus_app.base.db import reading, writing
from crontopus_app.base.live import Event, publish
from crontopus_app.forge.client import CommitInfo, Forgejo, ForgeNotFound
from crontopus_app.forge.names import RepositoryName
from crontopus_app.jobs import index_rows, pushes
from crontopus_app.models import JobIndex, Tenant

SLICE_S = 1.0


@dataclass(frozen=True)
class Segment:
    """An unread part of the history below the commit ``start``. It continues at ``page`` of the log of ``ref``.

    ``open`` are the unread parents of commits that were read.
    """

    start: str
    ref: str
    page: int = 1
    open: tuple[str, ...] = ()


@dataclass(frozen=True)
class Position:
    """The progress of the walk: the history of ``known`` was read completely, ``segments`` are unread, newest first."""

    known: str = ""
    segments: tuple[Segment, ...] = ()
    merges: bool = False

    @classmethod
    def read(cls, text: str) -> Position:
        """Reads the stored text (``Tenant.history``); empty before the first walk."""
        if not text:
            return cls()
        fields = json.loads(text)
        segments = [Segment(**{**segment, "open": tuple(segment["open"])}) for segment in fields["stretches"]]
        return cls(fields["known"], tuple(segments), fields["merges"])

    def text(self) -> str:
        """The text to store. Its keys stay as they are: earlier versions stored them."""
        segments = [asdict(segment) for segment in self.segments]
        return json.dumps({"known": self.known, "stretches": segments, "merges": self.merges})

    def for_head(self, head: str) -> Position:
        """The position from which all unread commits of ``head`` are reached."""
        if head == (self.segments[0].start if self.segments else self.known):
            return self
        older = () if self.merges else self.segments
        return Position(self.known, (Segment(head, head), *older))

    def after(self, commits: Sequence[CommitInfo]) -> Position:
        """The position after a page of the first segment."""
        first, *older = self.segments
        boundary = older[0].start if older else self.known
        open_ = set(first.open)
        for commit in commits:
            open_ = (open_ - {commit.sha}) | set(commit.parents)
            if open_ == {boundary}:
                return self._at_boundary()
        if not commits or not open_:
            return self._at_end()
        if len(open_) == 1:  # only its ancestors are left, so continue with the first page of its log
            step = replace(first, ref=min(open_), page=1, open=())
        else:
            step = replace(first, page=first.page + 1, open=tuple(sorted(open_)))
        return replace(self, segments=(step, *older))

    def _at_boundary(self) -> Position:
        """Continues where an earlier walk of the commits below stopped."""
        first, *older = self.segments
        if not older:
            return self._at_end()
        joined = replace(older[0], start=first.start)
        return replace(self, segments=(joined, *older[1:]))

    def _at_end(self) -> Position:
        head = self.segments[0].start
        return Position(head) if self.merges else Position(self.known, (Segment(head, head),), merges=True)


@dataclass(frozen=True)
class _Walk:
    """A tenant's walk. ``files`` are indexed paths without a commit, ``pushed`` paths of changes without author by id.

    ``stored`` is the text of the position in the database.
    """

    tenant_id: str
    org: str
    repository: str
    head: str
    stored: str
    position: Position
    files: frozenset[str]
    pushed: Mapping[str, str]

    @property
    def paths(self) -> frozenset[str]:
        """The paths whose commit is looked for."""
        return self.files | frozenset(self.pushed.values())


def find_commits(tenant_id: str, forge: Forgejo, seconds: float = SLICE_S) -> bool:
    """Looks up the last commits of files for about ``seconds``. Returns whether files are left. Raises forge errors."""
    end = time.monotonic() + seconds
    walk = _load(tenant_id)
    if walk is None:
        return False
    more = True
    while more:
        after = _step(walk, forge)
        if after is None:  # the branch has moved, or another walk has progressed
            break
        walk, more = after, bool(after.position.segments)
        if time.monotonic() >= end:
            break
    publish(Event(tenant_id, "tenant", tenant_id), Event(tenant_id, "change", ""))
    return more


def _load(tenant_id: str) -> _Walk | None:
    """The tenant's walk; None if every file has its commit."""
    with reading() as session:
        tenant = session.get(Tenant, tenant_id)
        if tenant is None or not tenant.indexed_head:
            return None
        without_commit = select(JobIndex.path).where(JobIndex.tenant_id == tenant_id, JobIndex.commit_sha == "")
        files, pushed = frozenset(session.exec(without_commit)), pushes.without_author(session, tenant_id)
    org, repository = RepositoryName.of(tenant.repository)
    head, position = tenant.indexed_head, Position.read(tenant.history)
    walk = _Walk(tenant_id, org, repository, head, tenant.history, position.for_head(head), files, pushed)
    if not walk.position.segments:
        return None
    if not walk.paths:
        _write(walk, Position(head), {})
        return None
    return walk


def _step(walk: _Walk, forge: Forgejo) -> _Walk | None:
    """Reads one page. Returns None if the walk must be loaded again."""
    segment = walk.position.segments[0]
    try:
        commits = forge.commits(walk.org, walk.repository, ref=segment.ref, page=segment.page, files=True)
    except ForgeNotFound:
        _write(walk, Position(), {})  # the branch was rewritten, and its old commits are gone
        raise
    commit_by_path = _newest(commits, walk.paths, merges=walk.position.merges)
    position = walk.position.after(commits) if walk.paths - commit_by_path.keys() else Position(walk.head)
    if not _write(walk, position, commit_by_path):
        return None
    pushed = {change: path for change, path in walk.pushed.items() if path not in commit_by_path}
    return replace(
        walk, stored=position.text(), position=position, files=walk.files - commit_by_path.keys(), pushed=pushed
    )


def _newest(commits: Iterable[CommitInfo], paths: frozenset[str], *, merges: bool) -> dict[str, CommitInfo]:
    commit_by_path: dict[str, CommitInfo] = {}
    for commit in commits:
        if merges or len(commit.parents) < 2:
            commit_by_path |= {path: commit for path in commit.files if path in paths and path not in commit_by_path}
    return commit_by_path


def _write(walk: _Walk, position: Position, commit_by_path: Mapping[str, CommitInfo]) -> bool:
    """Stores the position and the commits in one transaction; False if another walk has changed the position."""
    with writing() as session:
        unchanged = col(Tenant.id) == walk.tenant_id, col(Tenant.history) == walk.stored
        moved = update(Tenant).where(*unchanged, col(Tenant.indexed_head) == walk.head).values(history=position.text())
        if session.execute(moved).rowcount != 1:  # pyright: ignore[reportAttributeAccessIssue] -- an UPDATE's result has it
            return False
        _store_commits(
            session, walk.tenant_id, {path: commit for path, commit in commit_by_path.items() if path in walk.files}
        )
        for change, path in walk.pushed.items():
            if path in commit_by_path or not position.segments:
                pushes.set_author(session, change, commit_by_path.get(path))
    return True


def _store_commits(session: Session, tenant_id: str, commit_by_path: Mapping[str, CommitInfo]) -> None:
    rows = [{"row_path": path, **_parameters(commit)} for path, commit in commit_by_path.items()]
    if rows:
        table = JobIndex.metadata.tables["job_index"]
        condition = table.c.tenant_id == tenant_id, table.c.path == bindparam("row_path"), table.c.commit_sha == ""
        values = {name.removeprefix("new_"): bindparam(name) for name in rows[0] if name != "row_path"}
        session.connection().execute(update(table).where(*condition).values(values), rows)


def _parameters(commit: CommitInfo) -> dict[str, Any]:
    plain = wire.Commit(commit.sha, commit.author_name, commit.at, commit.message)
    return {f"new_{name}": value for name, value in index_rows.commit_columns(plain).items()}


def progress(session: Session, tenant: Tenant) -> tuple[int, int]:
    """The number of indexed files with a known last commit, and the number of all files."""
    rows = session.exec(select(JobIndex.commit_sha == "").where(JobIndex.tenant_id == tenant.id)).all()
    complete = Position.read(tenant.history).known == tenant.indexed_head
    return (len(rows) if complete else len(rows) - sum(rows)), len(rows)
