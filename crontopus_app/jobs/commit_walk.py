"""Which commit last changed each file: a walk of the branch's history, newest commit first, in slices of time.

A request reads a page of commits with the files that each changed, so the number of requests depends on the length of
the history and not on the number of files. How far the walk has come is kept with the tenant: the next slice continues
there, and a branch that has moved meanwhile is walked down to where the walk before began.

A file is first looked for in commits with one parent: a merge lists all that it brought in. What only a merge changed
is found by a second walk, which counts merges too.
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
class Stretch:
    """A part of the history, from the commit ``start`` down. It goes on at page ``page`` of the log of ``ref``.

    ``open`` are parents of commits that were read, and not yet read themselves.
    """

    start: str
    ref: str
    page: int = 1
    open: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """How far the walk has come: the history of ``known`` was read to its end, ``stretches`` are left, newest first."""

    known: str = ""
    stretches: tuple[Stretch, ...] = ()
    merges: bool = False

    @classmethod
    def read(cls, text: str) -> Place:
        """From the text that is kept with the tenant; empty where no walk has begun."""
        if not text:
            return cls()
        kept = json.loads(text)
        stretches = [Stretch(**{**one, "open": tuple(one["open"])}) for one in kept["stretches"]]
        return cls(kept["known"], tuple(stretches), kept["merges"])

    def text(self) -> str:
        return json.dumps(asdict(self))

    def heading(self, head: str) -> Place:
        """The place from which all commits of ``head`` that were not read yet are reached."""
        if head == (self.stretches[0].start if self.stretches else self.known):
            return self
        older = () if self.merges else self.stretches
        return Place(self.known, (Stretch(head, head), *older))

    def after(self, commits: Sequence[CommitInfo]) -> Place:
        """The place after a page of the first stretch."""
        first, *older = self.stretches
        boundary = older[0].start if older else self.known
        open_ = set(first.open)
        for commit in commits:
            open_ = (open_ - {commit.sha}) | set(commit.parents)
            if open_ == {boundary}:
                return self._at_boundary()
        if not commits or not open_:
            return self._at_end()
        if len(open_) == 1:  # all that is left are the ancestors of this one: their log needs no skipping of pages
            step = replace(first, ref=min(open_), page=1, open=())
        else:
            step = replace(first, page=first.page + 1, open=tuple(sorted(open_)))
        return replace(self, stretches=(step, *older))

    def _at_boundary(self) -> Place:
        """What lies below was walked before, or walked in part: the walk goes on where that one stopped."""
        first, *older = self.stretches
        if not older:
            return self._at_end()
        joined = replace(older[0], start=first.start)
        return replace(self, stretches=(joined, *older[1:]))

    def _at_end(self) -> Place:
        head = self.stretches[0].start
        return Place(head) if self.merges else Place(self.known, (Stretch(head, head),), merges=True)


@dataclass(frozen=True)
class _Walk:
    """One tenant's walk: ``files`` are the paths of the index without a commit, ``pushed`` paths of changes by id."""

    tenant_id: str
    org: str
    repository: str
    head: str
    kept: str
    place: Place
    files: frozenset[str]
    pushed: Mapping[str, str]

    @property
    def wanted(self) -> frozenset[str]:
        return self.files | frozenset(self.pushed.values())


def describe_commits(tenant_id: str, forge: Forgejo, seconds: float = SLICE_S) -> bool:
    """Looks up the commits of files, pushed or indexed, for about ``seconds``; whether more is left to look up.

    Raises what the client raises.
    """
    end = time.monotonic() + seconds
    walk = _load(tenant_id)
    if walk is None:
        return False
    more = True
    while more:
        after = _step(walk, forge)
        if after is None:  # the branch or another walk has moved on
            break
        walk, more = after, bool(after.place.stretches)
        if time.monotonic() >= end:
            break
    publish(Event(tenant_id, "tenant", tenant_id), Event(tenant_id, "change", ""))
    return more


def _load(tenant_id: str) -> _Walk | None:
    """The tenant's walk; None where every file has its commit."""
    with reading() as session:
        tenant = session.get(Tenant, tenant_id)
        if tenant is None or not tenant.indexed_head:
            return None
        unknown = select(JobIndex.path).where(JobIndex.tenant_id == tenant_id, JobIndex.commit_sha == "")
        files, pushed = frozenset(session.exec(unknown)), pushes.unknown(session, tenant_id)
    org, repository = RepositoryName.of(tenant.repository)
    head, place = tenant.indexed_head, Place.read(tenant.history)
    walk = _Walk(tenant_id, org, repository, head, tenant.history, place.heading(head), files, pushed)
    if not walk.place.stretches:
        return None
    if not walk.wanted:
        _write(walk, Place(head), {})
        return None
    return walk


def _step(walk: _Walk, forge: Forgejo) -> _Walk | None:
    """Reads one page; None where the walk has to begin again."""
    stretch = walk.place.stretches[0]
    try:
        commits = forge.commits(walk.org, walk.repository, ref=stretch.ref, page=stretch.page, files=True)
    except ForgeNotFound:
        _write(walk, Place(), {})  # the branch was rewritten, and what it was before is gone
        raise
    found = _newest(commits, walk.wanted, merges=walk.place.merges)
    place = walk.place.after(commits) if walk.wanted - found.keys() else Place(walk.head)
    if not _write(walk, place, found):
        return None
    pushed = {change: path for change, path in walk.pushed.items() if path not in found}
    return replace(walk, kept=place.text(), place=place, files=walk.files - found.keys(), pushed=pushed)


def _newest(commits: Iterable[CommitInfo], wanted: frozenset[str], *, merges: bool) -> dict[str, CommitInfo]:
    found: dict[str, CommitInfo] = {}
    for commit in commits:
        if merges or len(commit.parents) < 2:
            found |= {path: commit for path in commit.files if path in wanted and path not in found}
    return found


def _write(walk: _Walk, place: Place, found: Mapping[str, CommitInfo]) -> bool:
    """Notes the place and what was found, in one transaction; False where the walk is no longer at ``walk.place``."""
    with writing() as session:
        mine = col(Tenant.id) == walk.tenant_id, col(Tenant.history) == walk.kept
        moved = update(Tenant).where(*mine, col(Tenant.indexed_head) == walk.head).values(history=place.text())
        if session.execute(moved).rowcount != 1:  # pyright: ignore[reportAttributeAccessIssue] -- an UPDATE's result has it
            return False
        _settle(session, walk.tenant_id, {path: one for path, one in found.items() if path in walk.files})
        for change, path in walk.pushed.items():
            if path in found or not place.stretches:
                pushes.tell(session, change, found.get(path))
    return True


def _settle(session: Session, tenant_id: str, found: Mapping[str, CommitInfo]) -> None:
    rows = [{"the_path": path, **_facts(commit)} for path, commit in found.items()]
    if rows:
        table = JobIndex.metadata.tables["job_index"]
        mine = table.c.tenant_id == tenant_id, table.c.path == bindparam("the_path"), table.c.commit_sha == ""
        values = {name.removeprefix("new_"): bindparam(name) for name in rows[0] if name != "the_path"}
        session.connection().execute(update(table).where(*mine).values(values), rows)


def _facts(commit: CommitInfo) -> dict[str, Any]:
    told = wire.Commit(commit.sha, commit.author_name, commit.at, commit.message)
    return {f"new_{name}": value for name, value in index_rows.commit_facts(told).items()}


def progress(session: Session, tenant: Tenant) -> tuple[int, int]:
    """How many of the index's files have their commit, and how many there are."""
    rows = session.exec(select(JobIndex.commit_sha == "").where(JobIndex.tenant_id == tenant.id)).all()
    done = Place.read(tenant.history).known == tenant.indexed_head
    return (len(rows) if done else len(rows) - sum(rows)), len(rows)
