"""Each part is measured, says its own failure, and none keeps the others waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from rq import Queue, SimpleWorker
from sqlalchemy import Engine, delete

from contract import wire_operator as wire
from crontopus_app.base import clock, db, migrate, probes, queue
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import writing
from crontopus_app.base.errors import Forbidden, NotFound
from crontopus_app.base.masking import DOTS, masked
from crontopus_app.base.settings import NAMES, PREFIX, settings
from crontopus_app.forge import configured as forges
from crontopus_app.forge.client import Forgejo
from crontopus_app.models import Change, Endpoint, Lease, Monitor, Tenant
from crontopus_app.monitoring import evaluator
from crontopus_app.operations import health, versions
from tests.cast import Member, join
from tests.fixtures.forge_server import forge, forge_server, tenant_name
from tests.fixtures.processes import free_port

__all__ = ["forge", "forge_server", "tenant_name"]
PATIENCE_S = 60.0


@pytest.fixture
def olga(db: Engine, redis_url: str, forge: Forgejo) -> Member:
    """The operator of an installation whose parts all answer."""
    with writing() as session:
        session.add(Lease(name=evaluator.LEASE, owner="tests", until=clock.now() + timedelta(hours=1)))
    return join("olga", operator=True)


@pytest.fixture
def worker(olga: Member) -> Iterator[SimpleWorker]:
    one = SimpleWorker([Queue(queue.QUEUE, connection=queue.redis())], connection=queue.redis())
    one.register_birth()
    yield one
    one.register_death()


def measured(member: Member) -> dict[str, wire.MeasuredPart]:
    return {part.name: part for part in health.measure(member.actor, PATIENCE_S).parts}


def test_an_evaluator_that_is_missing_or_late_is_said(olga: Member) -> None:
    with writing() as session:
        session.add(Monitor(tenant_id="olga", job_id="1", source_id="1", job_name="late", namespace="production",
                            updated_at=clock.now(), next_deadline=clock.now() - timedelta(minutes=2)))  # fmt: skip
    late = measured(olga)["evaluator"]
    assert not late.ok
    assert (late.lag_ms or 0) >= 120_000
    with writing() as session:
        session.execute(delete(Monitor))
        session.execute(delete(Lease))
    missing = measured(olga)["evaluator"]
    assert not missing.ok
    assert "no evaluator is running" in missing.detail


def test_every_part_is_measured(olga: Member, worker: SimpleWorker) -> None:
    found = measured(olga)
    assert tuple(found) == health.PARTS
    assert {part.name: part.detail for part in found.values() if not part.ok} == {}
    lags = {name: part.lag_ms for name, part in found.items()}
    assert all(lags[name] is not None for name in ("database", "redis", "forge", "worker", "index", "live"))
    assert lags["disk"] is lags["web"] is None
    assert "1 running, heartbeat" in found["worker"].detail
    assert " of memory" in found["redis"].detail
    assert " free of " in found["disk"].detail
    assert "up " in found["web"].detail


def test_without_a_worker_it_says_so(olga: Member) -> None:
    Queue(queue.QUEUE, connection=queue.redis()).enqueue("worker.tasks.index_tenant", "olga")
    part = measured(olga)["worker"]
    assert (part.ok, part.detail) == (False, "no worker is running, 1 tasks wait: start one")


def test_an_index_that_is_behind_is_measured(olga: Member, worker: SimpleWorker) -> None:
    with writing() as session:
        tenant = session.get_one(Tenant, "olga")
        tenant.provisioning, tenant.head, tenant.indexed_head = "ready", "b" * 40, "a" * 40
        tenant.indexed_at = clock.now() - timedelta(hours=1)
    part = measured(olga)["index"]
    assert (part.ok, part.detail) == (False, "0 of 1 repositories are indexed at their head")
    assert part.lag_ms is not None
    assert part.lag_ms >= 3_600_000


def test_an_index_that_fails_is_told(olga: Member) -> None:
    with writing() as session:
        tenant = session.get_one(Tenant, "olga")
        tenant.provisioning, tenant.index_error = "ready", "it is gone"
    part = measured(olga)["index"]
    assert (part.ok, part.detail.endswith(", 1 cannot be indexed")) == (False, True)


def test_repositories_in_trouble_are_told_by_name(olga: Member) -> None:
    assert measured(olga)["repositories"].ok
    with writing() as session:
        tenant = session.get_one(Tenant, "olga")
        tenant.provisioning, tenant.index_error = "ready", "its object 5 is missing"
    part = measured(olga)["repositories"]
    assert (part.ok, "olga: its object 5 is missing" in part.detail) == (False, True)


@pytest.mark.parametrize(
    ("index_error", "change_error", "troubled"),
    [
        ("", "waiting: the Git server failed with status 500", "olga: the Git server failed with status 500"),
        ("", "waiting: the Git server does not respond", ""),
        ("The Git server at http://x does not respond (ConnectError). Check that it is running.", None, ""),
        ("crontopus.yaml:1:1 is no policy", None, ""),
        ("", None, ""),
    ],
)
def test_only_a_repositorys_own_trouble_is_told(
    olga: Member, index_error: str, change_error: str | None, troubled: str
) -> None:
    with writing() as session:
        tenant = session.get_one(Tenant, "olga")
        tenant.provisioning, tenant.index_error = "ready", index_error
        session.add(
            Change(
                tenant_id="olga",
                user_id="olga",
                author_name="Olga",
                author_email="olga@example.org",
                operation="create",
                path="a.yaml",
                message="Add a",
                error=change_error,
                created_at=clock.now(),
            )
        )
    part = measured(olga)["repositories"]
    assert part.ok == (not troubled)
    assert troubled in part.detail


def test_each_part_says_its_own_failure(olga: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRONTOPUS_REDIS_URL", f"redis://:hunter22@127.0.0.1:{free_port()}/0")
    monkeypatch.setenv("CRONTOPUS_FORGEJO_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("CRONTOPUS_FORGEJO_ADMIN_USER", "x")
    monkeypatch.setenv("CRONTOPUS_FORGEJO_ADMIN_PASSWORD", "y" * 12)
    for cached in (settings, queue.redis, forges.forge):
        cached.cache_clear()
    try:
        found = measured(olga)
    finally:
        forges.forge().close()
    assert {name for name, part in found.items() if not part.ok} == {"redis", "forge", "worker", "live"}
    assert "does not respond" in found["forge"].detail
    assert found["redis"].lag_ms is None
    assert "hunter22" not in str(found)


def test_a_database_that_is_away_is_told(olga: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRONTOPUS_DATABASE_URL", f"postgresql://x:hunter22@127.0.0.1:{free_port()}/x")
    settings.cache_clear()
    db.engine.cache_clear()
    part = measured(olga)["database"]
    assert (part.ok, part.detail) == (False, "The database is not responding. Try again in a few seconds.")


def test_a_part_that_hangs_is_not_waited_for_and_not_asked_twice() -> None:
    release, asked = threading.Event(), []

    def hang() -> str:
        asked.append(1)
        release.wait(60)
        return "at last"

    parts = {"a part that hangs": hang, "another": lambda: "here"}
    try:
        for _ in range(3):
            told = probes.run(parts, 0.05)
            assert told["another"].value == "here"
            assert told["a part that hangs"].problem.startswith("no answer for ")
        assert len(asked) == 1
    finally:
        release.set()


def test_who_fails_says_how() -> None:
    def refuse() -> None:
        raise NotFound("There is none at http://u:secret99@x.")

    def break_down() -> None:
        raise OSError("no route\nto host")

    told = probes.run({"one": refuse, "two": break_down}, PATIENCE_S)
    assert told["one"].problem == f"There is none at http://u:{DOTS}@x."
    assert told["two"].problem == "no route"


def test_only_operators_measure(olga: Member) -> None:
    alice = join("alice").actor
    with pytest.raises(Forbidden, match="Only operators"):
        health.measure(alice)
    with pytest.raises(Forbidden, match="Only operators"):
        versions.settings_in_force(alice)
    with pytest.raises(Forbidden, match="Only operators"):
        versions.versions(alice)


def test_versions_of_all_parts(olga: Member) -> None:
    with writing() as session:
        session.get_one(Endpoint, olga.endpoint_id).agent_version = "0.1.0"
    join("alice")
    found = versions.versions(olga.actor, PATIENCE_S)
    told = {part.name: part.version for part in found.parts}
    assert all(part.ok for part in found.parts)
    assert told["Database"].split()[0] in {"SQLite", "PostgreSQL"}
    assert told["Redis"].split()[0] in {"Valkey", "Redis"}
    assert told["Python"].startswith("3.")
    assert {"Crontopus", "Reflex", "RQ", "Git server"} <= told.keys()
    assert sorted((one.version, one.endpoints) for one in found.agents) == [("0.1.0", 1), ("not reported yet", 1)]
    # The tables of these tests are made from the models, without a revision.
    assert (found.schema, found.schema_head) == migrate.revisions(settings().database_url)
    assert found.schema_head


def test_a_part_without_a_version_is_told(olga: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRONTOPUS_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    settings.cache_clear()
    queue.redis.cache_clear()
    parts = {part.name: part for part in versions.versions(olga.actor, PATIENCE_S).parts}
    assert not parts["Redis"].ok
    assert parts["Database"].ok


def settings_of(actor: Actor) -> dict[str, tuple[str, str]]:
    return {one.name: (one.value, one.source) for one in versions.settings_in_force(actor)}


def test_settings_are_shown_with_their_source_and_without_secrets(
    olga: Member, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    secret = f"{tmp_path}/key"
    with open(secret, "w") as file:
        file.write("a very secret key")
    monkeypatch.setenv("CRONTOPUS_REDIS_URL", "redis://:hunter22@cache:6379/0?password=hunter33")
    monkeypatch.setenv("CRONTOPUS_SECRET_KEY_FILE", secret)
    monkeypatch.setenv("CRONTOPUS_FORGEJO_ADMIN_PASSWORD", "hunter4444")
    monkeypatch.delenv("CRONTOPUS_WORKERS", raising=False)
    settings.cache_clear()
    found = settings_of(olga.actor)
    assert found["CRONTOPUS_REDIS_URL"] == (f"redis://:{DOTS}@cache:6379/0?password={DOTS}", "environment")
    assert found["CRONTOPUS_SECRET_KEY"] == (DOTS, f"file {secret}")
    assert found["CRONTOPUS_FORGEJO_ADMIN_PASSWORD"] == (DOTS, "environment")
    assert found["CRONTOPUS_WORKERS"] == ("1", "default")
    assert not [value for value, _ in found.values() if "hunter" in value or "secret key" in value]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://user:pass@host/db", f"postgresql://user:{DOTS}@host/db"),
        ("postgresql+psycopg://user@host/db?sslpassword=x1", f"postgresql+psycopg://user@host/db?sslpassword={DOTS}"),
        ("redis://cache:6379/0", "redis://cache:6379/0"),
        ("Authorization: Bearer abcdefgh12345", f"Authorization: {DOTS}"),
        ("{'authorization': 'token abc123'}", f"{{'authorization': {DOTS}}}"),
        ("sent Bearer abcdefgh12345", f"sent Bearer {DOTS}"),
        ("this token describes nothing", "this token describes nothing"),
        ("token=abc, next", f"token={DOTS}, next"),
        ("{'api_key': 'abc', 'x': 1}", f"{{'api_key': {DOTS}, 'x': 1}}"),
        ("ep_ABCDEFGHIJK", f"ep_{DOTS}"),
        ("step_by_step went wrong", "step_by_step went wrong"),
        ("index_tenant('anna')", "index_tenant('anna')"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_every_setting_is_shown(olga: Member) -> None:
    assert settings_of(olga.actor).keys() == {f"{PREFIX}{name}" for name in NAMES}


@pytest.mark.parametrize(("count", "shown"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB")])
def test_sizes_are_for_people(count: int, shown: str) -> None:
    assert health.size_of(count) == shown
