"""The index follows the branch, whoever moved it."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import delete, update
from sqlmodel import col, select

from contract import wire
from contract.jobs_in_tree import MAX_BYTES
from contract.manifest import job_id
from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import CrontopusError
from crontopus_app.forge.client import Forgejo
from crontopus_app.jobs import changes, pushes
from crontopus_app.jobs.index import find_commits, index, reindex
from crontopus_app.models import Endpoint, JobIndex, Monitor, Tenant
from tests.cast import NOON, add_endpoint, told_one
from tests.fixtures.forge_server import PASSWORD, USER
from tests.fixtures.repositories import PUSHER, Repo

IDS = "5b0c7c9e-6c2b-4a55-9b59-0a4b1f1b6f5e"


def manifest(name: str = "backup", *, given: str = "", **spec: str) -> bytes:
    """A manifest's text; further fields of the spec as YAML."""
    identity = f"  id: {given}\n" if given else ""
    fields = "".join(f"  {field}: {value}\n" for field, value in spec.items())
    head = f"apiVersion: v1\nkind: Job\nmetadata:\n{identity}  name: {name}\n"
    return f'{head}spec:\n  schedule: "0 2 * * *"\n  command: /opt/{name}.sh\n{fields}'.encode()


def rows(actor: Actor) -> dict[str, JobIndex]:
    with reading() as session:
        found = session.exec(select(JobIndex).where(JobIndex.tenant_id == actor.tenant_id)).all()
    return {row.path: row for row in found}


def states(actor: Actor) -> dict[str, str]:
    """Monitor states by job name."""
    with reading() as session:
        found = session.exec(select(Monitor).where(Monitor.tenant_id == actor.tenant_id)).all()
    return {monitor.job_name: monitor.state for monitor in found}


def tenant(actor: Actor) -> Tenant:
    with reading() as session:
        found = session.get(Tenant, actor.tenant_id)
    assert found is not None
    return found


def run(actor: Actor, forge: Forgejo) -> str:
    return index(actor.tenant_id, forge, clock.now())


def test_a_push_from_outside_is_indexed_with_its_author(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    sha = repo.commit({"production/backup.yaml": manifest(), "notes.txt": b"no job"}, "Add the backup")
    assert run(alice, forge) == sha
    assert find_commits(alice.tenant_id, forge) is False, "nothing is left to look up"
    (row,) = rows(alice).values()
    assert (row.name, row.namespace, row.valid, row.schedule) == ("backup", "production", True, ["0 2 * * *"])
    assert row.job_id == job_id(alice.tenant_id, "production", "backup")
    assert (row.commit_sha, row.commit_author) == (sha, PUSHER.name)
    assert states(alice) == {"backup": "waiting"}
    assert (tenant(alice).head, tenant(alice).indexed_head) == (sha, sha)
    assert tenant(alice).namespaces == ["production", "staging"]


def noted(actor: Actor) -> list[tuple[str, str, str, str]]:
    """Operation, path, words and author of what others pushed, newest first."""
    with reading() as session:
        found = changes.recent(session, actor, 100)
    return [(one.operation, one.path, one.said, one.author) for one in found if one.pushed]


def follow(actor: Actor, forge: Forgejo) -> None:
    """What the index's task does."""
    run(actor, forge)
    while find_commits(actor.tenant_id, forge):
        pass


def test_what_is_pushed_is_a_change_with_its_author_its_words_and_its_hosts(
    alice: Actor, forge: Forgejo, repo: Repo
) -> None:
    sha = repo.commit({"production/backup.yaml": manifest()}, "Add the backup")
    follow(alice, forge)
    assert noted(alice) == [("create", "production/backup.yaml", "", PUSHER.name)]
    with reading() as session:
        (told,) = changes.recent(session, alice, 1)
    assert (told.state, told.commit, told.applied, told.expected) == ("done", sha, 0, 1)
    with writing() as session:
        session.execute(update(Endpoint).values(head_applied=sha))
    with reading() as session:
        assert changes.recent(session, alice, 1)[0].applied == 1
    repo.update("production/backup.yaml", manifest(nice="5"))
    follow(alice, forge)
    assert noted(alice)[0] == ("update", "production/backup.yaml", "nice 5", PUSHER.name)
    repo.delete("production/backup.yaml")
    follow(alice, forge)
    assert noted(alice)[0] == ("delete", "production/backup.yaml", "", PUSHER.name)
    follow(alice, forge)
    reindex(alice.tenant_id, forge, clock.now())
    assert len(noted(alice)) == 3


def test_a_push_is_no_change_until_its_author_is_known(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"production/backup.yaml": manifest()}, "Add the backup")
    run(anna, forge)
    assert noted(anna) == []
    follow(anna, forge)
    assert len(noted(anna)) == 1


def test_a_commit_of_ours_that_the_index_finds_first_is_no_push(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"production/backup.yaml": manifest()}, f"Add the backup\n\nChange-Id: {IDS}\n")
    follow(anna, forge)
    assert noted(anna) == []


def test_what_was_there_before_the_index_is_no_push(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"production/backup.yaml": manifest()}, "Add the backup")
    reindex(anna.tenant_id, forge, clock.now())
    assert noted(anna) == []


def test_of_a_push_of_very_many_files_some_are_told(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    many = [f"job-{number}" for number in range(pushes.AT_MOST + 2)]
    repo.commit({f"production/{name}.yaml": manifest(name) for name in many}, "Add many")
    follow(anna, forge)
    assert len(noted(anna)) == pushes.AT_MOST


def test_indexing_twice_changes_nothing(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"production/backup.yaml": manifest()})
    run(alice, forge)
    before, at = rows(alice), tenant(alice).indexed_at
    run(alice, forge)
    assert rows(alice)["production/backup.yaml"].id == before["production/backup.yaml"].id
    assert tenant(alice).indexed_at == at


class Listening(httpx.HTTPTransport):
    """The way to the forge, on which the blobs that are asked for are noted."""

    def __init__(self) -> None:
        super().__init__()
        self.blobs: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/git/blobs"):
            self.blobs += request.url.params["shas"].split(",")
        return super().handle_request(request)


def test_only_new_blobs_are_read(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"production/one.yaml": manifest("one")})
    run(anna, forge)
    repo.commit({"production/two.yaml": manifest("two")})
    way = Listening()
    with Forgejo(forge.url, USER, PASSWORD, transport=way) as heard:
        run(anna, heard)
    assert way.blobs == [repo.shas()["production/two.yaml"]]
    assert set(states(anna)) == {"one", "two"}


def test_an_invalid_file_is_listed_with_its_place_and_breaks_nothing(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"production/bad.yaml": b"apiVersion: v1\nkind: Job\nspec: [\n", "production/ok.yaml": manifest("ok")})
    run(alice, forge)
    bad = rows(alice)["production/bad.yaml"]
    assert (bad.valid, bad.manifest, bad.name) == (False, None, "bad")
    assert bad.errors[0]["line"] > 0
    assert rows(alice)["production/ok.yaml"].valid
    assert states(alice) == {"ok": "waiting"}


def test_a_file_that_becomes_invalid_keeps_its_identity_and_its_monitors(
    alice: Actor, forge: Forgejo, repo: Repo
) -> None:
    repo.commit({"production/backup.yaml": manifest(given=IDS)})
    run(alice, forge)
    repo.update("production/backup.yaml", b"not: [a manifest")
    run(alice, forge)
    row = rows(alice)["production/backup.yaml"]
    assert (row.valid, row.job_id, row.schedule) == (False, IDS, ["0 2 * * *"])
    assert states(alice) == {"backup": "waiting"}


def test_two_files_with_one_id_are_both_invalid_until_one_goes(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"production/one.yaml": manifest("one", given=IDS), "production/two.yaml": manifest("two", given=IDS)})
    run(alice, forge)
    one, two = rows(alice)["production/one.yaml"], rows(alice)["production/two.yaml"]
    assert not one.valid
    assert not two.valid
    assert "production/two.yaml" in one.errors[0]["message"]
    assert "production/one.yaml" in two.errors[0]["message"]
    repo.delete("production/two.yaml")
    run(alice, forge)
    (row,) = rows(alice).values()
    assert (row.valid, row.errors, row.job_id) == (True, [], IDS)


def test_a_name_that_is_there_twice_is_a_duplicate_too(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"production/one.yaml": manifest("one"), "production/db/one.yaml": manifest("one")})
    run(anna, forge)
    assert [row.valid for row in rows(anna).values()] == [False, False]


def test_a_file_that_goes_retires_its_monitors_and_one_that_returns_revives_them(
    alice: Actor, forge: Forgejo, repo: Repo
) -> None:
    repo.commit({"production/backup.yaml": manifest(given=IDS)})
    run(alice, forge)
    repo.delete("production/backup.yaml")
    run(alice, forge)
    assert rows(alice) == {}
    assert states(alice) == {"backup": "retired"}
    repo.commit({"staging/backup.yaml": manifest(given=IDS)})
    run(alice, forge)
    assert states(alice) == {"backup": "waiting"}


@pytest.mark.parametrize(
    ("field", "state"), [("paused", "paused"), ("enabled", "paused")], ids=["paused", "not enabled"]
)
def test_paused_and_disabled_jobs_rest(anna: Actor, forge: Forgejo, repo: Repo, field: str, state: str) -> None:
    repo.commit({"production/backup.yaml": manifest(**{field: "true" if field == "paused" else "false"})})
    run(anna, forge)
    assert states(anna) == {"backup": state}
    with reading() as session:
        (monitor,) = session.exec(select(Monitor).where(Monitor.tenant_id == anna.tenant_id)).all()
    told_one(monitor.source_id, wire.Checkin(id=IDS, job_id=monitor.job_id, run_id=IDS, kind="fail", at=NOON))
    assert states(anna) == {"backup": state}
    repo.update("production/backup.yaml", manifest())
    run(anna, forge)
    assert states(anna) == {"backup": "failing"}


def test_selectors_choose_the_endpoints(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    add_endpoint(anna.tenant_id, "db01")
    repo.commit(
        {
            "production/one.yaml": manifest("one", agent="{endpoints: [db01]}"),
            "production/all.yaml": manifest("all"),
            "production/none.yaml": manifest("none", agent="{endpoints: []}"),
            "production/label.yaml": manifest("label", agent="{selector: {role: [db, replica]}}"),
        }
    )
    run(anna, forge)
    assert placed(anna) == {("one", "db01"), ("all", "db01"), ("all", f"{anna.tenant_id}-host")}


def placed(actor: Actor) -> set[tuple[str, str]]:
    query = select(Monitor.job_name, Endpoint.name).join(Endpoint, col(Endpoint.id) == col(Monitor.endpoint_id))
    with reading() as session:
        live = query.where(Monitor.tenant_id == actor.tenant_id, Monitor.state != "retired")
        return {(job, host) for job, host in session.exec(live)}


def test_files_that_are_no_manifests_are_left_alone(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"root.yaml": b"x: 1", ".forgejo/workflows/ci.yaml": b"x: 1", "production/notes.md": b"# x"})
    run(anna, forge)
    assert rows(anna) == {}


def test_a_huge_file_is_refused_unread(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"production/huge.yaml": b"# x\n" * (MAX_BYTES // 4 + 1)})
    run(anna, forge)
    (row,) = rows(anna).values()
    assert (row.valid, row.yaml) == (False, b"")
    assert "larger than 256 KiB" in row.errors[0]["message"]


def test_reindexing_rebuilds_the_same_from_nothing(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({f"production/job-{number}.yaml": manifest(f"job-{number}") for number in range(5)})
    repo.commit({"production/bad.yaml": b"x: ["})
    reindex(alice.tenant_id, forge, clock.now())
    before = facts(alice)
    with writing() as session:
        session.execute(delete(JobIndex).where(col(JobIndex.tenant_id) == alice.tenant_id))
    reindex(alice.tenant_id, forge, clock.now())
    assert facts(alice) == before
    assert len(before) == 6
    assert all(commit for *_, commit in before)


def facts(actor: Actor) -> list[tuple[str, str, str, bool, str]]:
    return sorted((row.path, row.job_id, row.blob_sha, row.valid, row.commit_sha) for row in rows(actor).values())


def test_a_branch_that_is_gone_takes_nothing_with_it(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"production/backup.yaml": manifest()})
    run(anna, forge)
    with writing() as session:
        found = session.get(Tenant, anna.tenant_id)
        assert found is not None
        found.branch = "gone"
        session.add(found)
    with pytest.raises(CrontopusError, match="has no branch gone"):
        run(anna, forge)
    assert states(anna) == {"backup": "waiting"}
    assert "has no branch gone" in tenant(anna).index_error


def test_a_forge_that_is_away_leaves_the_index_as_it_is(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"production/backup.yaml": manifest()})
    run(anna, forge)
    with Forgejo("http://127.0.0.1:9", "x", "y") as away, pytest.raises(CrontopusError):
        index(anna.tenant_id, away, clock.now())
    assert set(rows(anna)) == {"production/backup.yaml"}
    assert "does not respond" in tenant(anna).index_error


def test_an_unknown_tenant_is_an_error(anna: Actor, forge: Forgejo) -> None:
    with pytest.raises(CrontopusError, match="No tenant"):
        index("nobody", forge, NOON)


def test_another_tenants_monitors_are_not_touched(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    other = add_stranger()
    repo.commit({"production/backup.yaml": manifest()})
    run(anna, forge)
    with reading() as session:
        (monitor,) = session.exec(select(Monitor).where(Monitor.tenant_id == "stranger")).all()
    assert (monitor.id, monitor.state) == (other, "ok")


def test_the_monitor_of_a_job_without_an_agent_follows_its_job(anna: Actor, forge: Forgejo, repo: Repo) -> None:
    """It is kept while the file is there, resting with it, and retired when it goes."""
    told = {"given": IDS, "agent": "{endpoints: []}"}
    repo.commit({"production/ping.yaml": manifest("ping", **told)})
    run(anna, forge)
    with writing() as session:
        session.execute(update(Monitor).where(col(Monitor.job_id) == IDS).values(health="ok"))
    seen = []
    for text in (manifest("ping", **told, paused="true"), manifest("ping", **told)):
        repo.commit({"production/ping.yaml": text})
        run(anna, forge)
        seen.append(states(anna))
    repo.delete("production/ping.yaml")
    run(anna, forge)
    seen.append(states(anna))
    assert seen == [{"ping": "paused"}, {"ping": "ok"}, {"ping": "retired"}]


def add_stranger() -> str:
    with writing() as session:
        session.add(Tenant(id="stranger", repository="crontopus/x", webhook_secret="whs_x", created_at=NOON))
    endpoint, _ = add_endpoint("stranger", "elsewhere")
    with writing() as session:
        monitor = Monitor(
            tenant_id="stranger",
            job_id=IDS,
            source_id=endpoint,
            endpoint_id=endpoint,
            job_name="x",
            namespace="production",
            state="ok",
            updated_at=NOON - timedelta(days=1),
        )
        session.add(monitor)
    return monitor.id
