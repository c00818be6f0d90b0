"""Search: what is meant most likely first, one's own things only, no character a wildcard; on both databases."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert
from sqlmodel import select

from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import Forbidden
from crontopus_app.models import Change, Endpoint, JobIndex, Monitor, Run
from crontopus_app.queries import search
from tests.cast import JOB_ID, NOON, Member, add_endpoint, add_job, join
from tests.monitoring.test_runs import add

SHA = "4f1c2ab" + "0" * 33


@pytest.fixture
def alice(db: Engine) -> Member:
    member = join("alice")
    add_job("alice", member.endpoint_id)
    change_job(
        manifest={"command": "/opt/100%_done.sh", "args": ["--full"], "labels": {"team": "storage"},
                  "annotations": {"description": "Sichert die Datenbank Größe"}},
        commit_sha=SHA, commit_author="bob", commit_message="Back up at two\n\nBecause of reasons", commit_at=NOON,
    )  # fmt: skip
    return member


def change_job(name: str = "backup", **facts: Any) -> None:
    with writing() as session:
        row = session.exec(select(JobIndex).where(JobIndex.name == name)).one()
        for key, value in facts.items():
            setattr(row, key, value)
        session.add(row)


def found(actor: Actor, text: str, few: int = search.FEW) -> search.Found:
    with reading() as session:
        return search.find(session, actor, text, NOON, few)


def titles(actor: Actor, text: str, kind: str) -> list[str]:
    return [hit.title for group in found(actor, text).groups for hit in group.hits if hit.kind == kind]


@pytest.mark.parametrize(
    "text",
    ["backup", "BACK", "production/backup", "production back", "100%_done", "--full", "team=storage", "größe", JOB_ID,
     "production/backup.yaml", "  storage   backup "],
)  # fmt: skip
def test_a_job_is_found_by_what_is_known_of_it(alice: Member, text: str) -> None:
    assert titles(alice.actor, text, "job") == ["production/backup"]


@pytest.mark.parametrize(
    "text", ["100__done", "b%p", "ba_kup", "backup nothing", "%%", "_x", "\\", "9b59", "' or 1=1 --", "\0"]
)
def test_no_character_is_a_wildcard_and_every_word_must_be_found(alice: Member, text: str) -> None:
    assert titles(alice.actor, text, "job") == []


def test_only_percent_signs_are_found_by_a_percent_sign(alice: Member) -> None:
    add_job("alice", alice.endpoint_id, job_id=str(uuid.uuid4()), name="plain")
    assert titles(alice.actor, "0%_", "job") == ["production/backup"]


def test_nothing_is_found_by_nothing(alice: Member) -> None:
    assert found(alice.actor, " \0 ") == search.Found("", [], 0)


def test_exact_names_come_before_beginnings_and_those_before_the_rest(alice: Member) -> None:
    for name in ("old-backup", "backup-b", "other"):
        add_job("alice", alice.endpoint_id, job_id=str(uuid.uuid4()), name=name)
    change_job("other", manifest={"command": "backup --all"})
    names = ["backup", "backup-b", "old-backup", "other"]
    assert titles(alice.actor, "backup", "job") == [f"production/{name}" for name in names]


def test_a_few_are_shown_and_the_rest_is_a_link_away(alice: Member) -> None:
    for number in range(4):
        add_job("alice", alice.endpoint_id, job_id=str(uuid.uuid4()), name=f"copy-{number}&x")
    (group,) = found(alice.actor, "copy &x", few=3).groups[:1]
    assert (len(group.hits), group.more, group.href) == (3, True, "/jobs?q=copy+%26x")
    assert group.hits[0].href == "/jobs/production/copy-0%26x"


def test_an_invalid_file_is_found_by_its_path_and_says_so(alice: Member) -> None:
    change_job(manifest=None, valid=False)
    (hit,) = found(alice.actor, "production/backup.yaml").groups[0].hits
    assert (hit.state, hit.detail) == ("invalid", "production/backup.yaml is not a valid manifest")


def test_a_run_is_found_by_the_beginning_of_its_id_before_all_else(alice: Member) -> None:
    mine = add(alice, 1, id="0f8fad5b-d9cb-469f-a165-70867728950e")
    add(alice, 2, id="0f8fae00-d9cb-469f-a165-70867728950e")
    for text in (mine, "0f8fad5b-d9", "0F8FAD"):
        first = found(alice.actor, text).groups[0]
        assert ([hit.id for hit in first.hits], first.hits[0].href) == ([mine], f"/runs/{mine}")
    assert len(found(alice.actor, "0f8fa").groups[0].hits) == 2
    assert found(alice.actor, "0f9f").groups == []


def test_runs_are_found_by_job_host_and_outcome_newest_first(alice: Member) -> None:
    good, bad = add(alice, 1), add(alice, 2, status="failed")
    other = add(alice, 3, job_id="x", job_name="elsewhere", source_id="y", endpoint_name="there", status="failed")

    def ids(text: str) -> list[str]:
        return [hit.id for group in found(alice.actor, text).groups for hit in group.hits if hit.kind == "run"]

    assert ids("backup") == ids("alice-host") == [bad, good]
    assert ids("failed") == [other, bad]
    assert ids("backup failed") == ids("failed alice-host") == [bad]
    assert ids("missed") == []
    assert ids("failed nothing") == []


@pytest.mark.parametrize(
    ("text", "href"),
    [("failed", "/runs?status=failed"), ("backup failed", "/runs?status=failed&job=backup&namespace=production"),
     ("alice-host", "/runs?endpoint=alice-host")],
)  # fmt: skip
def test_all_runs_are_a_filter_away(alice: Member, text: str, href: str) -> None:
    add(alice, 1, status="failed")
    (group,) = [group for group in found(alice.actor, text).groups if group.kind == "run"]
    assert group.href == href


def test_runs_of_a_job_that_has_gone_are_found_by_its_name(alice: Member) -> None:
    with writing() as session:
        monitor = session.exec(select(Monitor)).one()
        monitor.state = "retired"
        session.add(monitor)
        session.delete(session.exec(select(JobIndex)).one())
    run = add(alice, 1)
    (group,) = found(alice.actor, "backup").groups
    assert (group.kind, [hit.id for hit in group.hits]) == ("run", [run])


def test_endpoints_are_found_by_name_hostname_and_labels_with_their_state(alice: Member) -> None:
    host_id, _ = add_endpoint("alice", "db01")
    with writing() as session:
        host = session.get_one(Endpoint, host_id)
        host.labels, host.status = {"env": "prod", "role": "db"}, "revoked"
        session.add(host)
    for text in ("db01", "db01.example.org", "role=db env=prod", host_id):
        (hit,) = [hit for group in found(alice.actor, text).groups for hit in group.hits if hit.kind == "endpoint"]
        assert (hit.title, hit.state, hit.href) == ("db01", "revoked", f"/endpoints/{host_id}")


@pytest.mark.parametrize("text", [SHA, "4f1c2ab", "4F1C", "back up at", "bob reasons"])
def test_a_commit_is_found_by_sha_message_and_author(alice: Member, text: str) -> None:
    (hit,) = [hit for group in found(alice.actor, text).groups for hit in group.hits if hit.kind == "commit"]
    assert (hit.id, hit.title, hit.detail) == (SHA, "4f1c2ab Back up at two", "bob")
    assert hit.href == f"/jobs/production/backup?tab=history&commit={SHA}"


def test_commits_made_here_are_found_too_also_of_deleted_jobs(alice: Member) -> None:
    facts: dict[str, Any] = {
        "user_id": "u",
        "author_name": "carol",
        "author_email": "c@example.org",
        "operation": "delete",
    }
    with writing() as session:
        for state, sha in (("done", "b" * 40), ("pending", None)):
            change = Change(tenant_id="alice", path="staging/gone.yaml", message="Delete gone", state=state,
                            commit_sha=sha, created_at=NOON, done_at=NOON, **facts)  # fmt: skip
            session.add(change)
    (hit,) = [hit for group in found(alice.actor, "carol gone").groups for hit in group.hits]
    assert (hit.kind, hit.href) == ("commit", f"/jobs/staging/gone?tab=history&commit={'b' * 40}")


def test_nothing_of_anothers_is_found(alice: Member) -> None:
    run = add(alice, 1, status="failed")
    charlie = join("charlie").actor
    for text in ("backup", "failed", run, alice.endpoint_id, JOB_ID, SHA, "alice", "production", "bob"):
        assert found(charlie, text).groups == []


@pytest.mark.parametrize(
    ("scope", "kinds"), [("read:jobs", {"job", "commit"}), ("write:agents", {"endpoint"}), ("read:runs", {"run"})]
)
def test_a_token_finds_what_it_may_read(alice: Member, scope: str, kinds: set[str]) -> None:
    add(alice, 1)
    with_host = Actor("u", "alice", "alice", "a@example.org", "user", "token", frozenset({scope}))
    seen = {group.kind for text in ("backup", "alice-host", SHA) for group in found(with_host, text).groups}
    assert seen == kinds


def test_a_token_that_may_read_nothing_of_it_is_refused(alice: Member) -> None:
    with pytest.raises(Forbidden):
        found(Actor("u", "alice", "alice", "a@example.org", "user", "token", frozenset({"read:tokens"})), "x")


def test_a_search_takes_few_queries_however_much_there_is(alice: Member, db: Engine) -> None:
    """The plan of each is an index: what is counted here is that none is added for each job, host or hit."""
    fill(alice, jobs=60, runs=600)
    asked: list[str] = []
    event.listen(db, "before_cursor_execute", listener := lambda *told: asked.append(told[2]))
    try:
        told = found(alice.actor, "job failed")
    finally:
        event.remove(db, "before_cursor_execute", listener)
    assert told.count == 2 * search.FEW  # jobs that are called so with a word of theirs, and runs
    assert len([one for one in asked if one.lstrip().upper().startswith("SELECT")]) <= 14


def fill(alice: Member, jobs: int, runs: int) -> None:
    """``jobs`` called job-0… with ``failed`` in their command, and ``runs`` among them, one of ten failed."""
    ids = [str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))) for number in range(jobs)]
    files = [
        {"id": one, "tenant_id": "alice", "path": f"production/job-{n}.yaml", "job_id": one, "name": f"job-{n}",
         "namespace": "production", "blob_sha": "0" * 40, "yaml": b"", "valid": True, "errors": [], "lints": [],
         "manifest": {"command": f"run {n} failed"}, "schedule": ["0 2 * * *"], "enabled": True, "paused": False,
         "commit_sha": f"{n:040x}", "commit_author": "bob", "commit_message": "x", "commit_at": NOON}
        for n, one in enumerate(ids)
    ]  # fmt: skip
    made = [
        {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, str(n))), "tenant_id": "alice", "job_id": ids[n % jobs],
         "job_name": f"job-{n % jobs}", "namespace": "production", "source_id": alice.endpoint_id,
         "endpoint_id": alice.endpoint_id, "endpoint_name": "alice-host",
         "status": "success" if n % 10 else "failed", "flags": [],
         "received_at": NOON, "sort_at": NOON - timedelta(seconds=n), "attempt": 1, "commit": "", "error": ""}
        for n in range(runs)
    ]  # fmt: skip
    with writing() as session:
        session.execute(insert(JobIndex), files)
        session.execute(insert(Run), made)
