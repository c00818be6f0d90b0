"""From pending changes to commits, on both databases and a real forge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import httpx
import pytest
import yaml
from rq import Queue
from sqlalchemy import update
from sqlmodel import Session, col, select

from crontopus_app.base import clock, queue
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import after_commit, reading, writing
from crontopus_app.base.errors import Conflict, NotFound, PreconditionFailed
from crontopus_app.base.leases import lease
from crontopus_app.base.live import Event
from crontopus_app.forge.client import Author, CommitInfo, FileOperation, Forgejo
from crontopus_app.jobs import changes, edits
from crontopus_app.jobs import commit as committing
from crontopus_app.jobs.batch import blob_sha
from crontopus_app.jobs.changes import Submitted
from crontopus_app.jobs.index import index
from crontopus_app.jobs.trailers import changes_in
from crontopus_app.models import Change, Endpoint, JobIndex, Tenant
from crontopus_app.queries import jobs
from tests.fixtures.forge_server import PASSWORD, USER, ForgeServer
from tests.fixtures.repositories import Repo

FORM = {"name": "backup", "namespace": "production", "schedule": "0 2 * * *", "command": "/opt/backup.sh"}
BOB = Author("bob", "bob@example.org")


class Network(httpx.BaseTransport):
    """The real network, with something that happens around the first commit that is asked for."""

    def __init__(self, *, before: Callable[[], None] | None = None, after: Callable[[], None] | None = None) -> None:
        self._real = httpx.HTTPTransport()
        self._before, self._after = before, after
        self.commits = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "POST" or not request.url.path.endswith("/contents"):
            return self._real.handle_request(request)
        self.commits += 1
        first = self.commits == 1
        if first and self._before:
            self._before()
        answer = self._real.handle_request(request)
        answer.read()
        if first and self._after:
            self._after()
        return answer

    def close(self) -> None:
        self._real.close()


Through = Callable[[httpx.BaseTransport], Forgejo]


@pytest.fixture
def through(forge_server: ForgeServer) -> Iterator[Through]:
    """Makes clients that reach the forge over another network."""
    with ExitStack() as stack:
        yield lambda network: stack.enter_context(Forgejo(forge_server.url, USER, PASSWORD, transport=network))


def fail(error: BaseException) -> Callable[[], None]:
    def failing() -> None:
        raise error

    return failing


def create(actor: Actor, **fields: Any) -> Submitted:
    with writing() as session:
        return edits.create(session, actor, {**FORM, **fields}, clock.now())


def edit(actor: Actor, **fields: Any) -> Submitted:
    with writing() as session:
        return edits.update(session, actor, "production", "backup", fields, now=clock.now())


def state(actor: Actor, change: Submitted) -> tuple[str, str | None]:
    with reading() as session:
        told = changes.get(session, actor, change.id)
    return told.state, told.error


def with_trailer(commits: list[CommitInfo], change: Submitted) -> list[CommitInfo]:
    return [commit for commit in commits if change.id in changes_in(commit.message)]


def test_a_created_job_is_committed_in_the_users_name(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    change = create(alice)
    committing.commit_changes(alice.tenant_id, forge)
    with reading() as session:
        told = changes.get(session, alice, change.id)
        job = jobs.get(session, alice, "production", "backup", clock.now())
    head = repo.commits()[0]
    assert told.state == "done"
    assert (head.sha, head.author_name, head.author_email) == (told.commit, alice.username, alice.email)
    assert with_trailer(repo.commits(), change) == [head]
    assert job.commit is not None
    assert (job.commit.author, job.commit.sha) == (alice.username, head.sha)
    assert job.job.endpoints == [f"{alice.username}-host"]
    assert job.job.next_run is not None
    assert yaml.safe_load(job.yaml)["metadata"]["id"] == job.job.id


def test_a_hundred_creates_at_once_are_a_hundred_manifests(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    def save(number: int) -> str:
        change = create(alice, name=f"job-{number}")
        committing.commit_changes(alice.tenant_id, forge)
        return change.id

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(save, range(100)))
    committing.commit_changes(alice.tenant_id, forge)
    with reading() as session:
        rows = session.exec(select(Change).where(Change.tenant_id == alice.tenant_id)).all()
        listed = jobs.list_all(session, alice, now=clock.now())
    assert {row.state for row in rows} == {"done"}
    assert {row.id for row in rows} == set(ids)
    assert sorted(path for path in repo.files() if path.endswith(".yaml") and "/" in path) == sorted(
        f"production/job-{number}.yaml" for number in range(100)
    )
    assert listed.count == 100
    assert len({job.id for job in listed.jobs}) == 100
    told = [trailer for commit in repo.commits() for trailer in changes_in(commit.message)]
    assert sorted(told) == sorted(ids)


def test_changes_of_one_author_are_one_commit_and_the_order_of_authors_is_kept(
    alice: Actor, forge: Forgejo, repo: Repo
) -> None:
    bob = replace(alice, username="bob", email="bob@example.org")
    for author, name in ((alice, "one"), (alice, "two"), (bob, "three"), (alice, "four")):
        create(author, name=name)
    before = len(repo.commits())
    committing.commit_changes(alice.tenant_id, forge)
    made = repo.commits()[: len(repo.commits()) - before]
    assert [commit.author_name for commit in made] == [alice.username, "bob", alice.username]
    assert made[2].message.startswith("2 changes\n\n- Create job production/one\n- Create job production/two\n")


def test_an_answer_that_was_lost_leads_to_one_commit(
    alice: Actor, forge: Forgejo, repo: Repo, through: Through
) -> None:
    change = create(alice)
    network = Network(after=fail(httpx.ReadTimeout("the answer was lost")))
    committing.commit_changes(alice.tenant_id, through(network))
    assert state(alice, change) == ("done", None)
    assert network.commits == 1
    assert len(with_trailer(repo.commits(), change)) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_cut_off_around_a_commit_leaves_exactly_one(
    alice: Actor, forge: Forgejo, repo: Repo, through: Through, when: str
) -> None:
    change = create(alice)
    network = Network(**{when: fail(KeyboardInterrupt())})
    with pytest.raises(KeyboardInterrupt):
        committing.commit_changes(alice.tenant_id, through(network))
    assert state(alice, change)[0] == "pending"
    repo.commit({"production/other.yaml": b"x: 1\n"})
    committing.commit_changes(alice.tenant_id, forge)
    assert state(alice, change) == ("done", None)
    assert len(with_trailer(repo.commits(), change)) == 1
    with reading() as session:
        assert jobs.get(session, alice, "production", "backup", clock.now()).valid


def test_a_forge_that_is_down_makes_changes_wait_and_say_so(alice: Actor, forge: Forgejo) -> None:
    change = create(alice)
    with Forgejo("http://127.0.0.1:9", USER, PASSWORD) as away:
        committing.commit_changes(alice.tenant_id, away)
    told, error = state(alice, change)
    assert told == "pending"
    assert error is not None
    assert error.startswith("waiting: The Git server at http://127.0.0.1:9 does not respond")
    committing.commit_changes(alice.tenant_id, forge)
    assert state(alice, change) == ("done", None)


def test_changes_wait_for_the_repository(alice: Actor, forge: Forgejo) -> None:
    set_tenant(alice, provisioning="pending")
    change = create(alice)
    committing.commit_changes(alice.tenant_id, forge)
    assert state(alice, change) == ("pending", "waiting: the repository is still being created")


def set_tenant(actor: Actor, **values: str) -> None:
    with writing() as session:
        tenant = session.get(Tenant, actor.tenant_id)
        assert tenant is not None
        for name, value in values.items():
            setattr(tenant, name, value)
        session.add(tenant)


def test_several_edits_of_a_file_become_one_commit_with_all_of_them(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    create(alice)
    committing.commit_changes(alice.tenant_id, forge)
    before = len(repo.commits())
    told = [edit(alice, schedule="5 3 * * *"), edit(alice, command="/opt/other.sh"), edit(alice, nice=5)]
    committing.commit_changes(alice.tenant_id, forge)
    assert [state(alice, change) for change in told] == [("done", None)] * 3
    spec = yaml.safe_load(repo.files()["production/backup.yaml"])["spec"]
    assert (spec["schedule"], spec["command"], spec["nice"]) == ("5 3 * * *", "/opt/other.sh", 5)
    assert len(repo.commits()) == before + 1
    with reading() as session:
        said = [change.said for change in reversed(changes.recent(session, alice, 3))]
    assert said == ["schedule 0 2 * * * → 5 3 * * *", "command /opt/backup.sh → /opt/other.sh", "nice 5"]


def test_an_edit_that_changes_nothing_makes_no_commit_and_says_so(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    create(alice)
    committing.commit_changes(alice.tenant_id, forge)
    before, again = len(repo.commits()), edit(alice, schedule="0 2 * * *")
    committing.commit_changes(alice.tenant_id, forge)
    with reading() as session:
        told = changes.get(session, alice, again.id)
    assert (told.state, told.said, len(repo.commits())) == ("done", "saved without a change", before)


def test_somebody_elses_push_in_between_is_kept_and_edited_on(
    alice: Actor, forge: Forgejo, repo: Repo, through: Through
) -> None:
    create(alice)
    committing.commit_changes(alice.tenant_id, forge)

    def push() -> None:
        data = repo.files()["production/backup.yaml"].replace(b"/opt/backup.sh", b"/opt/pushed.sh  # by hand")
        repo.update("production/backup.yaml", data)

    change = edit(alice, schedule="5 3 * * *")
    network = Network(before=push)
    committing.commit_changes(alice.tenant_id, through(network))
    assert state(alice, change) == ("done", None)
    assert network.commits == 2
    text = repo.files()["production/backup.yaml"]
    assert b"/opt/pushed.sh  # by hand" in text
    assert b"5 3 * * *" in text


def test_a_precondition_that_no_longer_holds_fails_one_change_and_no_other(
    alice: Actor, forge: Forgejo, repo: Repo
) -> None:
    create(alice)
    committing.commit_changes(alice.tenant_id, forge)
    sha = blob_sha(repo.files()["production/backup.yaml"])
    with writing() as session:
        stale = edits.update(session, alice, "production", "backup", {"nice": 1}, if_match=sha, now=clock.now())
    repo.update("production/backup.yaml", repo.files()["production/backup.yaml"] + b"# by hand\n")
    other = create(alice, name="other")
    committing.commit_changes(alice.tenant_id, forge)
    told, reason = state(alice, stale)
    assert told == "failed"
    assert reason is not None
    assert "changed by another commit" in reason
    assert state(alice, other) == ("done", None)
    assert b"nice" not in repo.files()["production/backup.yaml"]


def test_a_file_that_was_pushed_under_the_same_name_is_not_overwritten(
    alice: Actor, forge: Forgejo, repo: Repo
) -> None:
    change = create(alice)
    repo.commit({"production/backup.yaml": b"# mine\n"})
    committing.commit_changes(alice.tenant_id, forge)
    assert state(alice, change) == ("failed", "production/backup.yaml exists already. Choose another name.")
    assert repo.files()["production/backup.yaml"] == b"# mine\n"


def test_a_change_that_leaves_nothing_to_do_makes_no_commit(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    create(alice)
    committing.commit_changes(alice.tenant_id, forge)
    before = repo.commits()
    change = edit(alice, command="/opt/backup.sh")
    committing.commit_changes(alice.tenant_id, forge)
    assert state(alice, change) == ("done", None)
    assert repo.commits() == before


def test_what_another_worker_is_at_is_left_to_it(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    change = create(alice)
    with lease(f"commit:{alice.tenant_id}", clock.now):
        committing.commit_changes(alice.tenant_id, forge)
        assert state(alice, change) == ("pending", None)
    committing.commit_changes(alice.tenant_id, forge)
    assert state(alice, change) == ("done", None)


def test_waiting_ends_when_the_index_shows_the_job(alice: Actor, forge: Forgejo) -> None:
    change = create(alice)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(changes.wait, change.id, 20)
        committing.commit_changes(alice.tenant_id, forge)
        told = waiting.result()
    assert told.state == "done"
    with reading() as session:
        assert session.exec(select(JobIndex.path).where(JobIndex.tenant_id == alice.tenant_id)).all()


def test_waiting_gives_up_in_time(alice: Actor) -> None:
    assert changes.wait(create(alice).id, 0.0).state == "pending"


def test_a_change_tells_how_many_endpoints_have_it(alice: Actor, forge: Forgejo) -> None:
    change = create(alice)
    committing.commit_changes(alice.tenant_id, forge)
    with reading() as session:
        told = changes.get(session, alice, change.id)
    assert (told.applied, told.expected) == (0, 1)


def test_a_host_that_has_a_commit_has_the_changes_before_it_and_none_after(alice: Actor, forge: Forgejo) -> None:
    first = create(alice, name="one")
    committing.commit_changes(alice.tenant_id, forge)
    second = create(alice, name="two")
    committing.commit_changes(alice.tenant_id, forge)
    for had, expected in ((first, [0, 1]), (second, [1, 1])):
        with writing() as session:
            sha = session.get_one(Change, had.id).commit_sha
            session.execute(update(Endpoint).where(col(Endpoint.tenant_id) == alice.tenant_id).values(head_applied=sha))
        with reading() as session:
            told = changes.recent(session, alice, 5)
            assert changes.get(session, alice, first.id) == told[1]
        assert [change.applied for change in told] == expected
        assert [change.expected for change in told] == [1, 1]


def test_another_tenants_change_is_unknown(alice: Actor) -> None:
    change = create(alice)
    charlie = replace(alice, tenant_id="charlie")
    with reading() as session, pytest.raises(NotFound):
        changes.get(session, charlie, change.id)


def test_recent_changes_come_newest_first(alice: Actor) -> None:
    for name in ("one", "two"):
        create(alice, name=name)
    with reading() as session:
        told = changes.recent(session, alice, 5)
    assert [change.path for change in told] == ["production/two.yaml", "production/one.yaml"]


def committing_meanwhile(actor: Actor, forge: Forgejo) -> Callable[..., Submitted]:
    """As ``jobs.create`` and ``jobs.update``; a worker has committed before anybody waits."""

    def submit(session: Session, service: Callable[..., Submitted], *args: Any, **kwargs: Any) -> Submitted:
        submitted = service(session, actor, *args, now=clock.now(), **kwargs)
        after_commit(session, committing.commit_changes, actor.tenant_id, forge)
        return submitted

    return submit


def test_saving_gives_the_commit(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    status = changes.save(committing_meanwhile(alice, forge), edits.create, FORM)
    assert (status.state, status.commit) == ("done", repo.commits()[0].sha)


def test_a_refused_change_is_a_conflict_and_one_with_a_condition_says_that_it_failed(
    alice: Actor, forge: Forgejo, repo: Repo
) -> None:
    save = committing_meanwhile(alice, forge)
    repo.commit({"production/backup.yaml": b"# mine\n"})
    with pytest.raises(Conflict, match="exists already"):
        changes.save(save, edits.create, FORM)
    changes.save(save, edits.create, FORM | {"name": "other"})
    sha = blob_sha(repo.files()["production/other.yaml"])
    repo.update("production/other.yaml", repo.files()["production/other.yaml"] + b"# by hand\n")
    with pytest.raises(PreconditionFailed, match="changed by another commit"):
        changes.save(save, edits.update, "production", "other", {"nice": 1}, if_match=sha)


def test_submitting_rings_and_publishes_once_it_is_committed(
    alice: Actor, published: Callable[[], list[Event]]
) -> None:
    tasks = Queue(queue.QUEUE, connection=queue.redis())
    tasks.empty()
    with writing() as session:
        change = edits.create(session, alice, FORM, clock.now())
    assert [task.func_name for task in tasks.jobs] == ["worker.tasks.commit_changes"]
    assert published() == [Event(alice.tenant_id, "change", change.id)]


def test_an_index_that_cannot_be_read_does_not_undo_the_commit(
    alice: Actor, forge: Forgejo, repo: Repo, through: Through
) -> None:
    change = create(alice)

    class Dies(Network):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if self.commits:
                raise httpx.ConnectError("gone")
            return super().handle_request(request)

    committing.commit_changes(alice.tenant_id, through(Dies()))
    assert state(alice, change) == ("done", None)
    index(alice.tenant_id, forge, clock.now())
    with reading() as session:
        assert jobs.get(session, alice, "production", "backup", clock.now()).valid


def test_operations_name_the_blobs_that_git_names(forge: Forgejo, alice: Actor, repo: Repo) -> None:
    content = "grüße\n".encode()
    repo.commit({"note.txt": content})
    assert repo.shas()["note.txt"] == blob_sha(content)
    assert FileOperation("create", "x", content).content == content
