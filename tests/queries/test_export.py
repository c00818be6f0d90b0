"""The export holds all that a tenant has, nothing of anybody else's and nothing secret, on both databases."""

from __future__ import annotations

import io
import json
import secrets
import subprocess
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlmodel import select

from contract import wire
from crontopus_app.base import clock, queue
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import Forbidden, RateLimited
from crontopus_app.forge.client import Forgejo, ForgeUnavailable
from crontopus_app.jobs.index import index
from crontopus_app.models import Endpoint, Run, RunDay, Tenant, User
from crontopus_app.people import auth, tokens
from crontopus_app.queries import export
from tests.cast import NOON, add_endpoint, add_job, join
from tests.fixtures.repositories import Repo
from tests.operations.test_tenant_deletion import check_in, copy_run

MANIFEST = b"""apiVersion: crontopus.io/v1
kind: Job
metadata:
  name: backup
spec:
  schedule: "0 2 * * *"
  command: /opt/backup.sh
"""


@pytest.fixture(autouse=True)
def _rates(redis_url: str) -> None:
    queue.redis().flushdb()


def download(actor: Actor, forge: Forgejo) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(export.export(actor, forge, NOON))))


def lines(made: zipfile.ZipFile, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in made.read(name).splitlines()]


@pytest.fixture
def furnished(alice: Actor, forge: Forgejo, repo: Repo) -> Actor:
    repo.commit({"production/backup.yaml": MANIFEST}, "Add backup")
    index(alice.tenant_id, forge, clock.now())
    endpoint_id, token = add_endpoint(alice.tenant_id, "web/1")
    add_job(alice.tenant_id, endpoint_id, name="other")
    for number in range(3):
        check_in(token, number)
    with writing() as session:
        host = session.get_one(Endpoint, endpoint_id)
        host.crontab = [{"text": "MAILTO=ops"}, {"text": "0 2 * * * /opt/backup.sh"}]
        tokens.create_api(session, alice, wire.ApiTokenRequest("ci", ["read:runs"]), NOON)
        tokens.create_enrollment(session, alice, wire.EnrollmentTokenRequest("hosts"), NOON)
    return alice


def test_the_days_of_removed_runs_are_there_in_pages(furnished: Actor, forge: Forgejo) -> None:
    first = NOON.date()
    with writing() as session:
        for number in range(export.PAGE + 1):
            session.add(
                RunDay(
                    tenant_id=furnished.tenant_id,
                    job_id="j",
                    source_id="s",
                    day=first + timedelta(days=number),
                    job_name="backup",
                    namespace="production",
                )
            )
    days = [one["day"] for one in lines(download(furnished, forge), "days.jsonl")]
    assert days == [str(first + timedelta(days=number)) for number in range(export.PAGE + 1)]


def test_all_of_it_is_there(furnished: Actor, forge: Forgejo, repo: Repo) -> None:
    made = download(furnished, forge)
    assert made.testzip() is None
    assert made.read("manifests/production/backup.yaml") == MANIFEST
    (crontab,) = [name for name in made.namelist() if name.startswith("crontabs/web_1-")]
    assert made.read(crontab) == b"MAILTO=ops\n0 2 * * * /opt/backup.sh\n"
    assert {one["name"] for one in lines(made, "endpoints.jsonl")} == {"web/1", f"{furnished.tenant_id}-host"}
    assert [one["status"] for one in lines(made, "runs.jsonl")] == ["success"] * 3
    assert [one["head"] for one in lines(made, "outputs.jsonl")] == ["hello"] * 3
    assert {one["name"] for one in lines(made, "tokens.jsonl")} == {"ci", "hosts"}
    assert "api_token.create" in {one["action"] for one in lines(made, "audit.jsonl")}
    assert lines(made, "account.json")[0]["email"] == f"{furnished.username}@example.org"
    assert len(lines(made, "monitors.jsonl")) >= 1
    assert "git clone repository.bundle" in made.read("README.txt").decode()


def test_the_bundle_is_the_repository_with_its_history(
    furnished: Actor, forge: Forgejo, repo: Repo, tmp_path: Path
) -> None:
    download(furnished, forge).extract("repository.bundle", tmp_path)
    subprocess.run(["git", "clone", "-q", "repository.bundle", "jobs"], cwd=tmp_path, check=True, capture_output=True)
    log = subprocess.run(["git", "log", "--format=%H"], cwd=tmp_path / "jobs", check=True, capture_output=True)
    assert log.stdout.decode().split() == [commit.sha for commit in repo.commits()]
    assert (tmp_path / "jobs/production/backup.yaml").read_bytes() == MANIFEST


def test_nothing_secret_and_nothing_of_others_is_in_it(furnished: Actor, forge: Forgejo) -> None:
    charlie = join("charlie")
    add_job("charlie", charlie.endpoint_id)
    check_in(charlie.endpoint_token, 9)
    with reading() as session:
        user = session.get_one(User, furnished.user_id)
        tenant = session.get_one(Tenant, furnished.tenant_id)
        secrets = {user.password_hash, tenant.webhook_secret, *session.exec(select(Endpoint.token_hmac))}
    made = download(furnished, forge)
    whole = b"\n".join(made.read(name) for name in made.namelist() if not name.endswith(".bundle")).decode()
    assert not [secret for secret in secrets if secret in whole]
    assert "charlie" not in whole
    assert "hmac" not in whole


def test_pages_lose_and_repeat_nothing(furnished: Actor, forge: Forgejo) -> None:
    copy_run(furnished.tenant_id, 2 * export.PAGE)
    for number in range(export.PAGE):
        add_endpoint(furnished.tenant_id, f"web-{number}")
    made = download(furnished, forge)
    with reading() as session:
        runs = set(session.exec(select(Run.id).where(Run.tenant_id == furnished.tenant_id)))
        hosts = set(session.exec(select(Endpoint.id).where(Endpoint.tenant_id == furnished.tenant_id)))
    for name, key, expected in (
        ("runs.jsonl", "id", runs),
        ("outputs.jsonl", "run_id", runs),
        ("endpoints.jsonl", "id", hosts),
    ):
        assert sorted(one[key] for one in lines(made, name)) == sorted(expected)


def test_it_comes_in_pieces_and_none_is_large(db: Engine, furnished: Actor, forge: Forgejo) -> None:
    """What is read of the database by the time the first piece is sent is not all of it."""
    copy_run(furnished.tenant_id, 3 * export.PAGE, lambda: secrets.token_hex(1024))
    statements: list[str] = []
    event.listen(db, "before_cursor_execute", lambda _1, _2, sql, *_: statements.append(sql))
    pieces = export.export(furnished, forge, NOON)
    sizes = [len(next(pieces))]
    early = len(statements)
    sizes += [len(piece) for piece in pieces]
    assert early < len(statements)
    assert len(sizes) > 2
    assert max(sizes) < 2 * export.CHUNK
    assert min(sizes[:-1]) >= export.CHUNK


def test_a_tenant_without_a_repository_has_an_export_too(db: object, redis_url: str, forge: Forgejo) -> None:
    made = download(join("alice").actor, forge)
    assert "repository.bundle" not in made.namelist()
    assert lines(made, "runs.jsonl") == []
    assert "no commit yet" in made.read("README.txt").decode()


def test_a_forge_that_is_away_is_told_before_anything_is_sent(furnished: Actor) -> None:
    with Forgejo("http://127.0.0.1:1", "x", "x") as away, pytest.raises(ForgeUnavailable):
        export.export(furnished, away, NOON)


def test_a_token_needs_to_be_allowed_everything(furnished: Actor, forge: Forgejo) -> None:
    for scopes, fine in ((["read:runs", "write:jobs", "write:agents", "write:tokens"], False), (["admin:*"], True)):
        with writing() as session:
            made = tokens.create_api(session, furnished, wire.ApiTokenRequest("t", scopes), NOON).token or ""
            actor = auth.actor_of(session, made, now=NOON)
        if fine:
            assert download(actor, forge).namelist()
        else:
            with pytest.raises(Forbidden, match=r"admin:\*"):
                export.export(actor, forge, NOON)


def test_ten_an_hour_are_enough(db: object, redis_url: str, forge: Forgejo) -> None:
    actor = join("alice").actor
    for _ in range(export.EXPORT.count):
        export.export(actor, forge, NOON)
    with pytest.raises(RateLimited):
        export.export(actor, forge, NOON)
