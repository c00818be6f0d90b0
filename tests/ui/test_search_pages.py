"""States and rows of Search, Repository, Endpoints and Runs, without a browser."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract import wire
from crontopus_app.base.db import writing
from crontopus_app.jobs.repository import BadFile, Log, Repository
from crontopus_app.models import JobIndex, Tenant
from crontopus_app.ui.endpoints import rows as hosts
from crontopus_app.ui.endpoints.state import EndpointsState
from crontopus_app.ui.repository import rows
from crontopus_app.ui.repository.state import RepositoryState
from crontopus_app.ui.runs import rows as run_rows
from crontopus_app.ui.runs.state import RunsState, RunState
from crontopus_app.ui.search.state import SearchState
from tests.cast import NOON, Member
from tests.ui.conftest import RUN_ID
from tests.ui.states import page_at, run, shown, target

HEAD, OLD = "a" * 40, "b" * 40
KNOWN = Repository(
    "crontopus/x", "main", HEAD, HEAD, NOON, True, 3000, 3000, "", "none", "", "http://h/x.git", "", [], [], 0
)  # fmt: skip
LOG = Log([wire.Commit(sha, "bob", NOON, "Say it\n\nmore") for sha in (HEAD, OLD)], 1, False)


async def test_results_are_grouped_by_kind(cookie: str) -> None:
    page = page_at("/search?q=back", SearchState, cookie)
    await run(page, "load")
    assert [group.head for group in page.groups] == ["Jobs", "Runs"]
    (job,) = page.groups[0].hits
    assert (job.title, job.href, job.state) == ("production/backup", "/jobs/production/backup", "")
    assert (page.groups[1].hits[0].state, page.groups[1].hits[0].label) == ("failed", "failed")


async def test_another_tenants_items_are_not_found(charlies: str) -> None:
    page = page_at("/search?q=backup", SearchState, charlies)
    await run(page, "load")
    assert (page.ready, page.text, page.groups) == (True, "backup", [])


@pytest.mark.parametrize(
    ("address", "state"), [("/search?q=a b", SearchState), ("/repository?page=2", RepositoryState)]
)
async def test_sign_in_leads_back_to_the_address(address: str, state: type, alice: Member) -> None:
    redirect = target(await run(page_at(address, state), "load"))
    assert f"/login?next={address.split('?')[0]}%3F" in redirect


def ready(name: str = "alice") -> None:
    with writing() as session:
        session.get_one(Tenant, name).provisioning = "ready"
        session.add(
            JobIndex(tenant_id=name, path="staging/bad.yaml", job_id="x", name="bad", namespace="staging", blob_sha="1",
                     yaml=b"", valid=False, errors=[{"code": "x", "message": "no command", "line": 3, "column": 1},
                                                    {"code": "y", "message": "no schedule"}])
        )  # fmt: skip


async def test_the_repository_is_shown_while_the_git_server_is_unavailable(cookie: str) -> None:
    ready()
    page = page_at("/repository", RepositoryState, cookie)
    await run(page, "load")
    assert (page.problem, page.repo.name) == ("", "crontopus/job-manifests-alice")
    assert [(one.name, one.count) for one in page.folders] == [("production", "1 job"), ("staging", "1 job")]
    (bad,) = page.invalid
    assert (bad.where, bad.message, bad.more) == ("staging/bad.yaml line 3", "no command", "and 1 more error")
    assert bad.href == "/jobs/staging/bad?tab=definition"
    assert "commits cannot be read" in page.commits.problem


async def test_reindexing_is_limited_and_only_for_the_own_tenant(cookie: str, charlies: str) -> None:
    ready()
    page, stranger = page_at("/repository", RepositoryState, cookie), page_at("/repository", RepositoryState, charlies)
    assert "Re-indexing every file" in str(await run(page, "reindex"))
    assert "still being created" in str(await run(stranger, "reindex"))
    toasts = [str(await run(page, "reindex")) for _ in range(8)]
    assert "Too many requests" in toasts[-1]
    assert "alice" not in shown(stranger)


@pytest.mark.parametrize(
    ("known", "log", "standing"),
    [(KNOWN, LOG, ("ok", "up to date")), (replace(KNOWN, indexed_head=OLD), LOG, ("late", "1 commit behind")),
     (replace(KNOWN, indexed_head=OLD, current=False), Log([], 1, False, "away"), ("late", "behind")),
     (replace(KNOWN, indexed_head=""), LOG, ("running", "not indexed yet")),
     (KNOWN, replace(LOG, page=2), ("ok", "up to date"))],
)  # fmt: skip
def test_how_far_the_index_is(known: Repository, log: Log, standing: tuple[str, str]) -> None:
    shown_as = rows.repo(known, log)
    assert (shown_as.state, shown_as.label) == standing


def test_an_incomplete_history_shows_its_progress() -> None:
    assert rows.repo(KNOWN, LOG).history == ""
    assert rows.repo(replace(KNOWN, described=1200), LOG).history == "history of 1,200 of 3,000 files indexed"


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


def test_commits_link_to_a_git_server_with_pages() -> None:
    (head, old) = rows.commits(LOG, replace(KNOWN, web_url="https://git.example.org/x")).rows
    assert (head.web, head.head, head.title) == (f"https://git.example.org/x/commit/{HEAD}", True, "Say it")
    assert (old.short, old.head) == ("bbbbbbb", False)
    assert rows.commits(LOG, KNOWN).rows[0].web == ""


def test_an_invalid_file_without_a_line_is_named() -> None:
    made = rows.invalid(BadFile("a b/x.yaml", "a b", "x", "too large", 0, 0, 1))
    assert (made.where, made.href, made.more) == ("a b/x.yaml", "/jobs/a%20b/x?tab=definition", "")


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 1), ("?q=alice", 1), ("?q=HOST.example", 1), ("?q=nobody", 0), ("?state=revoked", 0), ("?state=purple", 0)],
)
async def test_the_address_filters_endpoints(cookie: str, query: str, count: int) -> None:
    page = page_at(f"/endpoints{query}", EndpointsState, cookie)
    await run(page, "load")
    assert (page.problem, len(page.hosts)) == ("", count)
    assert page.pills[0].text == "all 1"


def test_filters_and_pages_of_endpoints_are_addresses() -> None:
    made = hosts.pills({"silent": 2, "in sync": 3}, "db", "silent")
    assert [(pill.text, pill.href, pill.on) for pill in made] == [
        ("all 5", "/endpoints?q=db", False),
        ("in sync 3", "/endpoints?q=db&state=in+sync", False),
        ("silent 2", "/endpoints?q=db", True),
    ]
    assert hosts.pages(2, True, "", "silent") == hosts.Pages(
        "/endpoints?state=silent", "/endpoints?state=silent&page=3"
    )
    assert hosts.pages(1, False, "", "") == hosts.Pages()


@pytest.mark.parametrize(
    ("version", "old"), [("0.0.1", True), (hosts.OURS, False), ("99.1", False), ("", False), ("x.1", False)]
)
def test_an_agent_older_than_the_server_is_marked(version: str, old: bool) -> None:
    assert (hosts._number(version) < hosts._number(hosts.OURS)) is old


@pytest.mark.parametrize(
    ("durations", "text"),
    [([], "8.2 s"), ([1.0] * 4, "8.2 s"), ([1.0] * 19 + [91.0], "8.2 s · p95 1.0 s"), ([91.0] * 5, "8.2 s · p95 1:31")],
)
def test_a_duration_is_shown_with_the_95th_percentile(durations: list[float], text: str) -> None:
    assert run_rows.took(8.2, durations) == text


async def test_a_run_links_to_its_host_and_commit(cookie: str, alice: Member) -> None:
    page = page_at(f"/runs/{RUN_ID}", RunState, cookie)
    await run(page, "load")
    links = {fact.name: fact.href for fact in page.facts}
    assert links["Host"] == f"/endpoints/{alice.endpoint_id}"
    assert links["Commit"] == f"/jobs/production/backup?tab=history&commit=4f1c2ab{'0' * 33}"


async def test_the_form_of_runs_shows_the_filters_of_the_address(cookie: str) -> None:
    page = page_at("/runs?job=backup&status=failed", RunsState, cookie)
    await run(page, "load")
    assert (page.query.job, page.query.status, page.query.endpoint, page.total) == ("backup", "failed", "", 1)
