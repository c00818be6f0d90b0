"""The fixtures keep their promises: other tests stand on them."""

from __future__ import annotations

import os

from redis import Redis
from sqlalchemy import Engine, text
from sqlmodel import Session, select

from crontopus_app.base import clock, queue
from crontopus_app.base.db import reading, writing
from crontopus_app.base.settings import settings
from crontopus_app.models import Tenant


def a_tenant() -> Tenant:
    return Tenant(id="alice", repository="crontopus/alice", webhook_secret="whs", created_at=clock.now())


def test_what_one_session_writes_another_reads(db: Engine) -> None:
    with writing() as session:
        session.add(a_tenant())
    with reading() as session:
        assert [tenant.id for tenant in session.exec(select(Tenant))] == ["alice"]


def test_every_test_begins_with_an_empty_database(db: Engine) -> None:
    with Session(db) as session:
        assert session.exec(select(Tenant)).all() == []
        session.add(a_tenant())
        session.commit()


def test_the_database_is_of_the_kind_that_was_asked_for(db: Engine, request) -> None:
    asked = request.node.callspec.params["db"]
    assert db.dialect.name == {"postgres": "postgresql", "sqlite": "sqlite"}[asked]
    with db.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


def test_redis_is_private_empty_and_the_one_of_the_settings(redis_url: str) -> None:
    assert settings().redis_url == redis_url
    assert queue.redis().dbsize() == 0
    assert queue.ring("sweep") is True
    with Redis.from_url(redis_url) as client:
        assert client.llen(f"rq:queue:{queue.QUEUE}") == 1


def test_no_setting_of_this_machine_reaches_a_test() -> None:
    assert [name for name in os.environ if name.startswith("CRONTOPUS_")] == ["CRONTOPUS_HOME"]
