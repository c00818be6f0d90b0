"""Migrations: from empty to head on both databases, and sentences for what cannot be migrated."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from crontopus_app.base import db, migrate
from crontopus_app.base.db import make_engine
from crontopus_app.base.errors import ConfigurationError
from crontopus_app.models import metadata

# As release 0003 wrote them.
TENANT = """
    INSERT INTO tenant (id, repository, branch, provisioning, provisioning_step, provisioning_error, webhook_secret,
                        head, indexed_head, index_error, suspended, created_at)
    VALUES (:name, 'crontopus/x', 'main', 'ready', '', '', 's', '', '', '', false, '2026-11-23 12:00:00+00:00')
"""
USER = """
    INSERT INTO user_account (id, tenant_id, username, email, password_hash, role, is_active, created_at)
    VALUES (:name, :name, :name, :email, 'h', 'user', true, '2026-11-23 12:00:00+00:00')
"""
# As release 0006 wrote them.
ENDPOINT = """
    INSERT INTO endpoint (id, tenant_id, machine_id, name, hostname, platform, agent_version, timezone, utc_offset,
                          labels, capabilities, status, token_hmac, git_token_name, created_at, pass_status,
                          pass_message, head_applied, drift, crontab)
    VALUES (:name, :tenant, 'm', 'db01', 'db01', '', '', '', 0, '{}', '{}', 'active', 'h', '',
            '2026-11-23 12:00:00+00:00', '', '', '', '[]', '[]')
"""
MONITOR = """
    INSERT INTO monitor (id, tenant_id, job_id, endpoint_id, job_name, namespace, state, outcome, reason,
                         applied_commit, updated_at)
    VALUES ('m1', :tenant, 'j1', :name, 'backup', 'production', 'ok', '', '', '', '2026-11-23 12:00:00+00:00')
"""
RUN = """
    INSERT INTO run (id, tenant_id, job_id, job_name, namespace, endpoint_id, endpoint_name, status, flags,
                     received_at, sort_at, attempt, "commit", error)
    VALUES ('r1', :tenant, 'j1', 'backup', 'production', :name, 'db01', 'success', '[]',
            '2026-11-23 12:00:00+00:00', '2026-11-23 12:00:00+00:00', 1, '', '')
"""
CHECKIN = """
    INSERT INTO check_in (id, endpoint_id, tenant_id, run_id, kind, attempt, at, received_at, seq, boot_id,
                          line_hash, facts)
    VALUES ('c1', :name, :tenant, 'r1', 'success', 1, '2026-11-23 12:00:00+00:00', '2026-11-23 12:00:00+00:00', 0,
            '', '', '{}')
"""


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'crontopus.db'}"
    else:
        url: str = request.getfixturevalue("empty_postgres_url")
        yield url.replace("postgresql://", "postgresql+psycopg://")


def tables(url: str) -> set[str]:
    engine = make_engine(url)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def execute(url: str, statement: str, **values: str) -> None:
    engine = make_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement), values)
    engine.dispose()


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    engine = make_engine(url)
    with engine.begin() as connection:
        found = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return found


def test_from_empty_to_head_and_a_second_time_nothing(empty_url: str) -> None:
    assert not migrate.at_head(empty_url)
    migrate.to_head(empty_url)
    assert migrate.at_head(empty_url)
    assert tables(empty_url) == {*metadata.tables, "alembic_version"}
    migrate.to_head(empty_url)
    assert migrate.at_head(empty_url)


def test_the_models_are_what_the_migrations_make(empty_url: str) -> None:
    migrate.to_head(empty_url)
    command.check(migrate.config(empty_url))  # raises where autogenerate would find a change


def test_back_from_accounts_and_forth_again_loses_no_account(empty_url: str) -> None:
    """Of three that share an address, in whatever case, one keeps it as its own."""
    migrate.to_head(empty_url)
    command.downgrade(migrate.config(empty_url), "0003")
    for name, email in (("alice", "OPS@example.org"), ("bob", "ops@example.org"), ("carol", "carol@example.org")):
        execute(empty_url, TENANT, name=name)
        execute(empty_url, USER, name=name, email=email)
    migrate.to_head(empty_url)
    command.check(migrate.config(empty_url))
    found = rows(empty_url, "SELECT id, email_key, timezone FROM user_account ORDER BY id")
    assert found == [("alice", "ops@example.org", ""), ("bob", None, ""), ("carol", "carol@example.org", "")]


def test_rows_of_endpoints_are_keyed_by_them_as_sources(empty_url: str) -> None:
    migrate.to_head(empty_url)
    command.downgrade(migrate.config(empty_url), "0006")
    execute(empty_url, TENANT, name="alice")
    for statement in (ENDPOINT, MONITOR, RUN, CHECKIN):
        execute(empty_url, statement, name="e1", tenant="alice")
    migrate.to_head(empty_url)
    command.check(migrate.config(empty_url))
    assert rows(empty_url, "SELECT id, source_id, endpoint_id FROM monitor") == [("m1", "e1", "e1")]
    assert rows(empty_url, "SELECT id, source_id, endpoint_id FROM run") == [("r1", "e1", "e1")]
    assert rows(empty_url, "SELECT id, source_id FROM check_in") == [("c1", "e1")]


def test_back_from_sources_only_what_endpoints_told_is_left(empty_url: str) -> None:
    migrate.to_head(empty_url)
    execute(empty_url, TENANT, name="alice")
    execute(empty_url, ENDPOINT, name="e1", tenant="alice")
    for source, endpoint in (("e1", "'e1'"), ("k1", "NULL")):
        execute(empty_url, _of_source(MONITOR, source, endpoint), tenant="alice")
        execute(empty_url, _of_source(RUN, source, endpoint), tenant="alice")
        execute(empty_url, CHECKIN.replace("endpoint_id", "source_id").replace("'r1'", f"'r1{source}'"),
                name=source, tenant="alice")  # fmt: skip
    command.downgrade(migrate.config(empty_url), "0006")
    for query in ("SELECT endpoint_id FROM monitor", "SELECT endpoint_id FROM run", "SELECT endpoint_id FROM check_in"):
        assert rows(empty_url, query) == [("e1",)]


@pytest.mark.parametrize(
    ("state", "last", "health"),
    [
        ("ok", "running", "ok"),
        ("failing", "skipped", "failing"),
        ("waiting", None, "waiting"),
        ("paused", "lost", "failing"),
        ("retired", "success", "ok"),
        ("paused", "skipped", "waiting"),
    ],
)
def test_a_monitor_that_rests_has_the_health_of_its_last_run(
    empty_url: str, state: str, last: str | None, health: str
) -> None:
    migrate.to_head(empty_url)
    command.downgrade(migrate.config(empty_url), "0008")
    execute(empty_url, TENANT, name="alice")
    execute(empty_url, ENDPOINT, name="e1", tenant="alice")
    execute(empty_url, _of_source(MONITOR, "e1", "'e1'"), tenant="alice")
    execute(empty_url, "UPDATE monitor SET state = :state", state=state)
    if last:
        execute(empty_url, "UPDATE monitor SET last_run_status = :last", last=last)
    migrate.to_head(empty_url)
    assert rows(empty_url, "SELECT state, health FROM monitor") == [(state, health)]


def _of_source(statement: str, source: str, endpoint: str) -> str:
    """The statement with the columns of today, for a row of its own."""
    keyed = statement.replace("endpoint_id,", "endpoint_id, source_id,").replace(":name,", f"{endpoint}, '{source}',")
    return keyed.replace("'m1'", f"'m1{source}'").replace("'r1'", f"'r1{source}'")


def test_two_that_start_together_follow_each_other(empty_url: str) -> None:
    code = f"from crontopus_app.base.migrate import to_head; to_head({empty_url!r})"
    both = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(2)]
    said = [each.communicate(timeout=60)[1].decode() for each in both]
    assert [each.returncode for each in both] == [0, 0], said
    assert migrate.at_head(empty_url)


def test_a_database_that_another_begins_at_the_same_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite refuses to switch its log at once, without its timeout, while another connection is about to write."""
    other = sqlite3.connect(tmp_path / "crontopus.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    paused: list[float] = []

    def pause(seconds: float) -> None:
        paused.append(seconds)
        other.execute("COMMIT")

    # The standard library's: the other's transaction ends while ours pauses.
    monkeypatch.setattr(db.time, "sleep", pause)
    engine = make_engine(f"sqlite:///{tmp_path / 'crontopus.db'}")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    engine.dispose()
    other.close()
    assert len(paused) == 1


def test_there_is_one_head() -> None:
    assert len(ScriptDirectory.from_config(migrate.config("sqlite://")).get_heads()) == 1


def test_a_database_of_a_later_release_is_refused(empty_url: str) -> None:
    migrate.to_head(empty_url)
    execute(empty_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigurationError, match="another release of Crontopus"):
        migrate.to_head(empty_url)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "crontopus.db").write_bytes(b"half written " * 1000)
    with pytest.raises(ConfigurationError, match=r"crontopus.db is damaged.*Restore it from a backup"):
        migrate.to_head(f"sqlite:///{tmp_path / 'crontopus.db'}")


def test_a_migration_that_fails_leaves_nothing_half_done(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "crontopus.db")
    connection.execute("CREATE TABLE tenant (name TEXT)")
    connection.close()
    with pytest.raises(ConfigurationError, match="already exists"):
        migrate.to_head(f"sqlite:///{tmp_path / 'crontopus.db'}")
    assert tables(f"sqlite:///{tmp_path / 'crontopus.db'}") == {"tenant"}


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be opened") as refused:
        migrate.to_head("postgresql+psycopg://crontopus:geheim@127.0.0.1:1/crontopus")
    assert "127.0.0.1:1/crontopus" in refused.value.message
    assert "geheim" not in refused.value.message
