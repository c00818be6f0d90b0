"""`crontopus-server admin`: operators' acts from the machine itself, each in the audit trail."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine
from sqlmodel import select

from crontopus_app.base.db import reading, writing
from crontopus_app.models import Audit, Tenant
from crontopus_app.operations import operators
from crontopus_app.programs.server import main
from tests.cast import NOON, join


@pytest.fixture(autouse=True)
def _tenants(sqlite_db: Engine, redis_url: str) -> None:
    join("alice")
    join("olga", operator=True)


def admin(*words: str) -> Result:
    return CliRunner().invoke(main, ["admin", *words])


def suspended() -> list[str]:
    with reading() as session:
        return list(session.exec(select(Tenant.id).where(Tenant.suspended)))


def test_tenants_are_listed() -> None:
    """All of them, though they are read in pages."""
    others = [f"tenant-{number:03}" for number in range(operators.PAGE_SIZE)]
    with writing() as session:
        session.add_all(
            Tenant(id=name, repository=f"crontopus/{name}", webhook_secret="whs_tests", created_at=NOON)
            for name in others
        )
    listed = admin("tenants").output.splitlines()
    assert [line.split()[0] for line in listed] == ["alice", "olga", *others]
    assert "1 hosts" in listed[0]
    assert [line.split()[0] for line in admin("tenants", "olg").output.splitlines()] == ["olga"]
    assert admin("tenants", "nobody").output == ""


def test_a_tenant_is_suspended_and_resumed() -> None:
    told = admin("suspend", "alice")
    assert (told.exit_code, suspended()) == (0, ["alice"])
    assert "keep running their jobs" in told.output
    assert "suspended" in admin("tenants", "alice").output
    assert admin("resume", "alice").output == "alice is no longer suspended.\n"
    assert suspended() == []
    with reading() as session:
        rows = session.exec(select(Audit)).all()
    assert sorted(row.action for row in rows) == ["tenant.resume", "tenant.suspend"]
    assert all(row.actor.startswith("crontopus-server") for row in rows)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("suspend", "nobody"), "No tenant 'nobody'."),
        (("suspend", "olga"), "This is the last operator"),
        (("revoke", "olga"), "This is the last operator"),
        (("grant", "nobody"), "No user 'nobody'"),
    ],
)
def test_what_cannot_be_is_a_sentence(words: tuple[str, ...], sentence: str) -> None:
    refused = admin(*words)
    assert refused.exit_code == 1
    assert sentence in refused.output
    assert suspended() == []


def test_roles_are_given_and_taken() -> None:
    assert admin("grant", "alice").output == "alice is an operator now.\n"
    assert admin("revoke", "olga").output == "olga is no longer an operator.\n"
    assert admin("revoke", "alice").exit_code == 1
