"""Each file's last commit is found by one walk of the history, in slices, wherever the branch goes meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, update
from sqlmodel import select

from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.forge.client import Forgejo, ForgeNotFound
from crontopus_app.jobs import repository
from crontopus_app.jobs.commit_walk import Position, find_commits
from crontopus_app.jobs.index import index, reindex
from crontopus_app.models import Change, JobIndex, Tenant
from tests.cast import NOON, join
from tests.fixtures.forge_server import PASSWORD, USER
from tests.fixtures.repositories import PUSHER, Repo

MANIFEST = b"apiVersion: v1\nkind: Job\nmetadata:\n  name: %s\nspec:\n  schedule: '0 2 * * *'\n  command: x\n"


@dataclass(frozen=True)
class Commit:
    sha: str
    parents: tuple[str, ...]
    files: tuple[str, ...]


@dataclass
class History:
    """A Git server that knows the commits of one repository: its ``commits`` call, and how often it was asked."""

    commits: dict[str, Commit] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def add(self, *files: str, parents: tuple[str, ...] | None = None) -> str:
        """A commit on the last one, or on ``parents``."""
        sha = f"{len(self.commits):040x}"
        last = (f"{len(self.commits) - 1:040x}",) if self.commits else ()
        self.commits[sha] = Commit(sha, last if parents is None else parents, files)
        return sha

    def log(self, ref: str) -> list[Commit]:
        """The ancestors, newest first: the shas are numbers in the order of their making."""
        found, open_ = set(), [ref]
        while open_:
            sha = open_.pop()
            if sha not in found:
                found.add(sha)
                open_ += self.commits[sha].parents
        return [self.commits[sha] for sha in sorted(found, reverse=True)]

    def answer(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/commits"):
            return httpx.Response(200, json={"empty": False})
        ref, page = request.url.params["sha"], int(request.url.params["page"])
        self.asked.append((ref, page))
        if ref not in self.commits:
            return httpx.Response(404, json={})
        assert request.url.params["files"] == "true"
        part = self.log(ref)[(page - 1) * 50 : page * 50]
        return httpx.Response(200, json=[self._body(one) for one in part])

    @staticmethod
    def _body(one: Commit) -> dict[str, Any]:
        author = {"name": PUSHER.name, "email": PUSHER.email, "date": NOON.isoformat()}
        return {
            "sha": one.sha,
            "commit": {"author": author, "message": f"commit {one.sha}"},
            "parents": [{"sha": parent} for parent in one.parents],
            "files": [{"filename": path, "status": "modified"} for path in one.files],
        }


@pytest.fixture
def history() -> History:
    return History()


@pytest.fixture
def server(history: History) -> Iterator[Forgejo]:
    with Forgejo("http://127.0.0.1:9", "u", "p", transport=httpx.MockTransport(history.answer)) as client:
        yield client


@pytest.fixture
def tenant(db: Engine, redis_url: str) -> str:
    return join("alice").actor.tenant_id


def show(tenant_id: str, head: str, *paths: str) -> None:
    """The index is at ``head`` and has these files, of which no commit is known."""
    with writing() as session:
        session.execute(update(Tenant).values(head=head, indexed_head=head))
        session.execute(delete(JobIndex).where(JobIndex.path.in_(paths)))  # type: ignore[attr-defined] -- a column
        for path in paths:
            facts = {"job_id": path, "name": path, "namespace": "production", "blob_sha": head, "yaml": b""}
            session.add(JobIndex(tenant_id=tenant_id, path=path, valid=True, **facts))


def found() -> Mapping[str, str]:
    with reading() as session:
        return dict(session.exec(select(JobIndex.path, JobIndex.commit_sha)).all())


def walk(tenant_id: str, server: Forgejo) -> int:
    """Walks to the end in the smallest slices; how many there were."""
    slices = 1
    while find_commits(tenant_id, server, seconds=0):
        slices += 1
    return slices


def test_many_files_cost_a_request_a_page_of_commits(tenant: str, history: History, server: Forgejo) -> None:
    paths = [f"production/{number}.yaml" for number in range(400)]
    first = history.add(*paths[200:])
    head = history.add(*paths[:200])
    show(tenant, head, *paths)
    assert not find_commits(tenant, server)
    assert found() == dict.fromkeys(paths[:200], head) | dict.fromkeys(paths[200:], first)
    assert len(history.asked) == 1


def test_a_long_history_is_read_in_slices_and_every_page_once(tenant: str, history: History, server: Forgejo) -> None:
    shas = [history.add(f"production/{number}.yaml") for number in range(320)]
    show(tenant, shas[-1], *(f"production/{number}.yaml" for number in range(320)))
    assert walk(tenant, server) == 7
    assert found() == {f"production/{number}.yaml": sha for number, sha in enumerate(shas)}
    assert len(history.asked) == len(set(history.asked)) == 7
    assert not find_commits(tenant, server)
    assert len(history.asked) == 7, "nothing is left, so nobody is asked"


def test_what_is_pushed_meanwhile_comes_first_and_nothing_is_read_twice(
    tenant: str, history: History, server: Forgejo
) -> None:
    oldest = history.add("production/old.yaml")
    for _ in range(199):
        history.add("notes.txt")
    show(tenant, history.add("notes.txt"), "production/old.yaml")
    assert find_commits(tenant, server, seconds=0)
    pushed = history.add("production/new.yaml")
    show(tenant, pushed, "production/new.yaml")
    assert find_commits(tenant, server, seconds=0)
    assert found() == {"production/old.yaml": "", "production/new.yaml": pushed}
    walk(tenant, server)
    assert found()["production/old.yaml"] == oldest
    assert len(history.asked) == 6, "five pages of the history, and one for the push"


def test_a_finished_history_is_walked_only_down_to_where_it_is_known(
    tenant: str, history: History, server: Forgejo
) -> None:
    for number in range(200):
        history.add(f"production/{number}.yaml")
    show(tenant, history.add("notes.txt"), "production/0.yaml")
    walk(tenant, server)
    history.asked.clear()
    head = history.add("production/1.yaml")
    show(tenant, head, "production/1.yaml", "production/nowhere.yaml")
    walk(tenant, server)
    assert found()["production/1.yaml"] == head
    assert found()["production/nowhere.yaml"] == "", "no commit has it, and the search for it ends"
    assert len(history.asked) == 2, "commits with one parent, then merges too"


def test_a_file_belongs_to_the_commit_on_the_branch_and_not_to_the_merge(
    tenant: str, history: History, server: Forgejo
) -> None:
    base = history.add("production/a.yaml")
    ours = history.add("production/b.yaml", parents=(base,))
    theirs = history.add("production/a.yaml", parents=(base,))
    merge = history.add("production/a.yaml", "production/by-hand.yaml", parents=(ours, theirs))
    show(tenant, merge, "production/a.yaml", "production/b.yaml", "production/by-hand.yaml")
    walk(tenant, server)
    assert found() == {
        "production/a.yaml": theirs,
        "production/b.yaml": ours,
        "production/by-hand.yaml": merge,
    }


def test_a_branch_that_was_rewritten_is_walked_from_its_new_head(
    tenant: str, history: History, server: Forgejo
) -> None:
    for _ in range(120):
        history.add("notes.txt")
    show(tenant, history.add("notes.txt"), "production/a.yaml")
    assert find_commits(tenant, server, seconds=0)
    history.commits.clear()
    with pytest.raises(ForgeNotFound):
        find_commits(tenant, server)
    head = history.add("production/a.yaml")
    show(tenant, head, "production/a.yaml")
    walk(tenant, server)
    assert found() == {"production/a.yaml": head}


def test_a_pushed_file_whose_commit_is_gone_is_no_change(tenant: str, history: History, server: Forgejo) -> None:
    show(tenant, history.add("notes.txt"))
    facts: dict[str, Any] = dict.fromkeys(("user_id", "author_name", "author_email", "message"), "")
    with writing() as session:
        session.add(
            Change(tenant_id=tenant, path="a/b.yaml", operation="create", state="done", created_at=NOON, **facts)
        )
    walk(tenant, server)
    with reading() as session:
        assert session.exec(select(Change)).all() == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_history_is_walked_to_its_end(sqlite_db: Engine, redis_url: str, data: st.DataObject) -> None:
    """Branches, merges and heads that move while the walk is on its way."""
    with writing() as session:
        for table in (JobIndex, Tenant):
            session.execute(delete(table))
        session.add(Tenant(id="t", repository="a/b", webhook_secret="whs", created_at=NOON))
    history, linear = History(), data.draw(st.booleans())
    paths = st.sampled_from([f"production/{number}.yaml" for number in range(8)])
    last: dict[str, str] = {}
    with Forgejo("http://127.0.0.1:9", "u", "p", transport=httpx.MockTransport(history.answer)) as server:
        for _ in range(data.draw(st.integers(1, 4))):
            changed: set[str] = set()
            for _ in range(data.draw(st.integers(1, 70))):
                parents = None if linear or not history.commits else _parents(history, data)
                files = data.draw(st.lists(paths, max_size=2, unique=True))
                last |= dict.fromkeys(files, history.add(*files, parents=parents))
                changed |= set(files)
            head = max(history.commits)
            show("t", head, *(changed & {path for one in history.log(head) for path in one.files}))
            if data.draw(st.booleans()):
                find_commits("t", server, seconds=0)
        walk("t", server)
    assert {*found().values()} - {""} <= {one.sha for one in history.log(max(history.commits))}
    if linear:
        assert found() == {path: last[path] for path in found()}


def _parents(history: History, data: st.DataObject) -> tuple[str, ...]:
    """The newest commit, and at times an older one."""
    newest = max(history.commits)
    other = data.draw(st.sampled_from(sorted(history.commits)[-6:]))
    return (newest,) if other == newest else (newest, other)


def test_the_place_survives_being_kept(history: History) -> None:
    place = Position("a" * 40).for_head("b" * 40)
    assert Position.read(place.text()) == place
    assert Position.read("") == Position()


# With a real forge


class Counting(httpx.HTTPTransport):
    """How often the Git server was asked for commits."""

    asked = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += request.url.path.endswith("/commits")
        return super().handle_request(request)


def test_a_push_of_many_files_is_described_by_one_request(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    sha = repo.commit({f"production/job-{number}.yaml": MANIFEST % b"x" for number in range(60)}, "Add sixty")
    counting = Counting()
    with Forgejo(forge.url, USER, PASSWORD, transport=counting) as client:
        index(anna.tenant_id, client, clock.now())
        assert not find_commits(anna.tenant_id, client)
    assert set(found().values()) == {sha}
    assert counting.asked == 1


def test_the_page_says_how_far_the_history_is_read(tenant: str, history: History, server: Forgejo) -> None:
    shas = [history.add(f"production/{number}.yaml") for number in range(120)]
    show(tenant, shas[-1], *(f"production/{number}.yaml" for number in range(120)))
    with writing() as session:
        session.execute(update(Tenant).values(provisioning="ready"))
    told = []
    more = True
    while more:
        more = find_commits(tenant, server, seconds=0)
        with reading() as session:
            facts = repository.get(session, Actor("u", tenant, "alice", "alice@example.org", "user"))
        told.append((facts.described, facts.files))
    assert told == [(50, 120), (100, 120), (120, 120)]


def test_reindexing_looks_every_commit_up_again(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    sha = repo.commit({"production/a.yaml": MANIFEST % b"a"})
    reindex(anna.tenant_id, forge, clock.now())
    with writing() as session:
        session.execute(update(JobIndex).values(commit_sha="f" * 40))
    reindex(anna.tenant_id, forge, clock.now())
    assert found() == {"production/a.yaml": sha}
