"""The Repository page's facts, on both databases and a real forge."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from rq import Queue

from crontopus_app.base import clock, queue
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import Forbidden, NotFound, RateLimited
from crontopus_app.forge.client import Forgejo
from crontopus_app.jobs import repository
from crontopus_app.jobs.index import index
from crontopus_app.models import Tenant
from tests.cast import join
from tests.fixtures.repositories import Repo

GOOD = b"apiVersion: v1\nkind: Job\nmetadata:\n  name: %s\nspec:\n  schedule: '0 2 * * *'\n  command: x\n"


def seen(actor: Actor) -> repository.Repository:
    with reading() as session:
        return repository.get(session, actor)


def log(forge: Forgejo, actor: Actor, page: int = 1, patience_s: float = 10) -> repository.Log:
    return repository.log(actor, forge, page, patience_s)


def test_folders_and_files_that_are_no_jobs_are_told(alice: Actor, repo: Repo, forge: Forgejo) -> None:
    repo.commit({"production/a.yaml": GOOD % b"a", "staging/b.yaml": b"kind: [\n"})
    index(alice.tenant_id, forge, clock.now())
    found = seen(alice)
    assert [(one.name, one.jobs) for one in found.folders] == [("production", 1), ("staging", 1)]
    (bad,) = found.invalid
    assert (bad.path, bad.name, found.invalid_count) == ("staging/b.yaml", "b", 1)
    assert bad.line > 0
    assert bad.message
    assert (found.current, found.problem, found.policy) == (True, "", "none")
    assert found.head == found.indexed_head == log(forge, alice).commits[0].sha


def test_the_index_lags_behind_a_head_that_is_known(alice: Actor) -> None:
    with writing() as session:
        tenant = session.get_one(Tenant, alice.tenant_id)
        tenant.head, tenant.indexed_head = "b" * 40, "a" * 40
        session.add(tenant)
    assert seen(alice).current is False


@pytest.mark.parametrize(
    ("sha", "error", "policy", "problem"),
    [("", "", "none", ""), ("c" * 40, "", "in force", ""), ("c" * 40, "crontopus.yaml:1:1: no", "broken", ""),
     ("c" * 40, "The Git server does not respond.", "in force", "The Git server does not respond.")],
)  # fmt: skip
def test_the_policy_and_the_git_server_are_told_apart(
    anna: Actor, sha: str, error: str, policy: str, problem: str
) -> None:
    with writing() as session:
        tenant = session.get_one(Tenant, anna.tenant_id)
        tenant.policy_sha, tenant.index_error = sha, error
        session.add(tenant)
    found = seen(anna)
    assert (found.policy, found.problem) == (policy, problem)
    assert found.policy_problem == (error if policy == "broken" else "")


def test_commits_come_in_pages_with_their_words(anna: Actor, repo: Repo, forge: Forgejo) -> None:
    sha = repo.commit({"production/a.yaml": GOOD % b"a"})
    found = log(forge, anna)
    assert found.commits[0].sha == sha
    assert (found.page, found.more, found.problem) == (1, False, "")
    assert log(forge, anna, 2).commits == []
    assert log(forge, anna, -5).page == 1


def test_without_the_git_server_the_page_is_whole_and_says_so(anna: Actor, forge: Forgejo) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    found = log(Forgejo("http://127.0.0.1:9", "u", "p", transport=httpx.MockTransport(away)), anna)
    assert (found.commits, found.more) == ([], False)
    assert found.problem.startswith("The commits cannot be read from the Git server: ")
    assert seen(anna).folders


def test_it_may_be_read_again_a_few_times_a_minute(anna: Actor) -> None:
    tasks = Queue(queue.LONG_QUEUE, connection=queue.redis())
    tasks.empty()
    for _ in range(repository.REINDEX.count):
        assert repository.reindex(anna)
    with pytest.raises(RateLimited):
        repository.reindex(anna)
    asked = {(task.func_name, task.args) for task in tasks.jobs}
    assert asked == {("worker.tasks.reindex_tenant", (anna.tenant_id,))}


def test_scopes_are_asked_for(anna: Actor, forge: Forgejo) -> None:
    reader = replace(anna, kind="token", scopes=frozenset({"read:jobs"}))
    assert seen(reader).name.endswith(anna.tenant_id)
    with pytest.raises(Forbidden):
        repository.reindex(reader)
    runs = replace(anna, kind="token", scopes=frozenset({"read:runs"}))
    with pytest.raises(Forbidden):
        seen(runs)
    with pytest.raises(Forbidden):
        log(forge, runs)


def test_a_repository_that_is_not_made_yet_is_not_there(sqlite_db: object) -> None:
    with pytest.raises(NotFound):
        seen(join("bob").actor)
