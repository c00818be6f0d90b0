"""Search and Repository without a browser: what their rows say, for whom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract import wire
from crontopus_app.db import writing
from crontopus_app.models import JobIndex, Tenant
from crontopus_app.services.repositories import BadFile, Log, Repository
from crontopus_app.ui.repository import rows
from crontopus_app.ui.repository.state import RepositoryState
from crontopus_app.ui.search.state import SearchState
from tests.cast import NOON, Member
from tests.ui.states import page_at, run, shown, target

HEAD, OLD = "a" * 40, "b" * 40
KNOWN = Repository(
    "crontopus/x", "main", HEAD, HEAD, NOON, True, "", "none", "", "http://h/x.git", "", [], [], 0
)  # fmt: skip
LOG = Log([wire.Commit(sha, "bob", NOON, "Say it\n\nmore") for sha in (HEAD, OLD)], 1, False)


async def test_what_is_found_stands_under_its_kind(cookie: str) -> None:
    page = page_at("/search?q=back", SearchState, cookie)
    await run(page, "load")
    assert [group.head for group in page.groups] == ["Jobs", "Runs"]
    (job,) = page.groups[0].hits
    assert (job.title, job.href, job.state) == ("production/backup", "/jobs/production/backup", "")
    assert (page.groups[1].hits[0].state, page.groups[1].hits[0].said) == ("failed", "failed")


async def test_anothers_things_are_not_found(charlies: str) -> None:
    page = page_at("/search?q=backup", SearchState, charlies)
    await run(page, "load")
    assert (page.ready, page.text, page.groups) == (True, "backup", [])


@pytest.mark.parametrize(
    ("address", "state"), [("/search?q=a b", SearchState), ("/repository?page=2", RepositoryState)]
)
async def test_without_a_session_one_signs_in_and_comes_back(address: str, state: type, alice: Member) -> None:
    told = target(await run(page_at(address, state), "load"))
    assert f"/login?next={address.split('?')[0]}%3F" in told


def ready(name: str = "alice") -> None:
    with writing() as session:
        session.get_one(Tenant, name).provisioning = "ready"
        session.add(
            JobIndex(tenant_id=name, path="staging/bad.yaml", job_id="x", name="bad", namespace="staging", blob_sha="1",
                     yaml=b"", valid=False, errors=[{"code": "x", "message": "no command", "line": 3, "column": 1},
                                                    {"code": "y", "message": "no schedule"}])
        )  # fmt: skip


async def test_the_repository_is_shown_while_the_git_server_is_away(cookie: str) -> None:
    ready()
    page = page_at("/repository", RepositoryState, cookie)
    await run(page, "load")
    assert (page.problem, page.repo.name) == ("", "crontopus/job-manifests-alice")
    assert [(one.name, one.count) for one in page.folders] == [("production", "1 job"), ("staging", "1 job")]
    (bad,) = page.invalid
    assert (bad.where, bad.message, bad.more) == ("staging/bad.yaml:3:1", "no command", "and 1 other error")
    assert bad.href == "/jobs/staging/bad?tab=definition"
    assert "does not tell its commits" in page.commits.problem


async def test_reading_again_is_for_its_own_tenant_and_not_without_end(cookie: str, charlies: str) -> None:
    ready()
    page, stranger = page_at("/repository", RepositoryState, cookie), page_at("/repository", RepositoryState, charlies)
    assert "being read again" in str(await run(page, "read_again"))
    assert "not ready yet" in str(await run(stranger, "read_again"))
    told = [str(await run(page, "read_again")) for _ in range(8)]
    assert "Too many requests" in told[-1]
    assert "alice" not in shown(stranger)


@pytest.mark.parametrize(
    ("known", "log", "standing"),
    [(KNOWN, LOG, ("ok", "up to date")), (replace(KNOWN, indexed_head=OLD), LOG, ("late", "1 commit behind")),
     (replace(KNOWN, indexed_head=OLD, current=False), Log([], 1, False, "away"), ("late", "behind")),
     (replace(KNOWN, indexed_head=""), LOG, ("running", "not read yet")),
     (KNOWN, replace(LOG, page=2), ("ok", "up to date"))],
)  # fmt: skip
def test_how_far_the_index_is(known: Repository, log: Log, standing: tuple[str, str]) -> None:
    shown_as = rows.repo(known, log)
    assert (shown_as.state, shown_as.said) == standing


def test_pages_of_commits_are_addresses() -> None:
    links = [(page, more) for page in (1, 2, 3) for more in (False, True)]
    made = [rows.commits(replace(LOG, page=page, more=more), KNOWN) for page, more in links]
    assert [one.newer for one in made] == [
        "",
        "",
        "/repository",
        "/repository",
        "/repository?page=2",
        "/repository?page=2",
    ]
    assert [one.older for one in made[1::2]] == [f"/repository?page={page}" for page in (2, 3, 4)]
    assert [one.paged for one in made] == [False, True, True, True, True, True]


def test_commits_lead_to_a_git_server_with_pages() -> None:
    (head, old) = rows.commits(LOG, replace(KNOWN, web_url="https://git.example.org/x")).rows
    assert (head.web, head.head, head.title) == (f"https://git.example.org/x/commit/{HEAD}", True, "Say it")
    assert (old.short, old.head) == ("bbbbbbb", False)
    assert rows.commits(LOG, KNOWN).rows[0].web == ""


def test_an_invalid_file_without_a_line_is_named() -> None:
    made = rows.invalid(BadFile("a b/x.yaml", "a b", "x", "too large", 0, 0, 1))
    assert (made.where, made.href, made.more) == ("a b/x.yaml", "/jobs/a%20b/x?tab=definition", "")
