"""Endpoints as people manage them, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from contract import wire
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import BadInput, Conflict, NotAuthenticated, NotFound
from crontopus_app.forge.configured import forge
from crontopus_app.hosts import agent_api, endpoints
from crontopus_app.models import Endpoint
from tests.cast import NOON, Member, add_endpoint, join

HEAD = "a" * 40


@pytest.fixture
def alice(db: Engine) -> Member:
    return join("alice")


@pytest.mark.parametrize(
    ("status", "seen", "outcome", "reported", "applied", "state"),
    [
        ("revoked", NOON, "Applied", NOON, HEAD, "revoked"),
        ("active", None, "", None, "", "silent"),
        ("active", NOON - timedelta(minutes=4), "Applied", NOON, HEAD, "silent"),
        ("active", NOON, "", None, "", "waiting"),
        ("active", NOON, "Waiting", NOON, HEAD, "waiting"),
        ("active", NOON, "Blocked", NOON, HEAD, "blocked"),
        ("active", NOON, "Failed", NOON, HEAD, "failed"),
        ("active", NOON, "Kept", NOON, "b" * 40, "behind"),
        ("active", NOON, "Applied", NOON, HEAD, "in sync"),
    ],
)
def test_the_state_of_an_endpoint(
    status: str, seen: datetime | None, outcome: str, reported: datetime | None, applied: str, state: str
) -> None:
    row = Endpoint(
        tenant_id="alice",
        machine_id="m",
        name="n",
        hostname="h",
        token_hmac="",
        created_at=NOON,
        status=status,
        last_seen_at=seen,
        pass_status=outcome,
        reported_at=reported,
        head_applied=applied,
    )
    assert endpoints.state_of(row, HEAD, NOON) == state


def test_the_clocks_of_hosts_are_what_they_reported(alice: Member) -> None:
    second, _ = add_endpoint("alice", "second")
    join("charlie")
    with writing() as session:
        row = session.get(Endpoint, second)
        assert row is not None
        row.timezone, row.capabilities = "Asia/Tokyo", {"dst_policy": "busybox"}
        session.add(row)
    with reading() as session:
        found = endpoints.clocks_of(session, alice.actor)
        assert endpoints.clocks_of(session, alice.actor, "no such job") == ()
    assert [(clock.zone, clock.policy) for clock in found] == [("Asia/Tokyo", "busybox"), ("UTC", "debian")]


def test_a_name_is_taken_once_in_a_tenant(alice: Member) -> None:
    other, _ = add_endpoint("alice", "second")
    with writing() as session, pytest.raises(Conflict):
        endpoints.rename(session, alice.actor, other, "alice-host", NOON)
    with writing() as session:
        assert endpoints.rename(session, alice.actor, other, " web ", NOON).name == "web"


@pytest.mark.parametrize("name", ["", "   ", "x" * 64, "a\nb"])
def test_a_name_nobody_could_type_is_refused(alice: Member, name: str) -> None:
    with writing() as session, pytest.raises(BadInput):
        endpoints.rename(session, alice.actor, alice.endpoint_id, name, NOON)


def test_a_revoked_endpoints_token_is_dead(alice: Member) -> None:
    with writing() as session:
        endpoints.revoke(session, alice.actor, alice.endpoint_id, forge(), NOON)
    with reading() as session, pytest.raises(NotAuthenticated):
        agent_api.of_token(session, alice.endpoint_token)


def test_a_wake_lasts_until_the_next_report(alice: Member) -> None:
    with writing() as session:
        endpoints.wake(session, alice.actor, alice.endpoint_id, NOON)
    with reading() as session:
        assert agent_api.watch_state(session, alice.endpoint_id, NOON).wake
    with writing() as session:
        told = wire.PassReport("Applied", HEAD, HEAD, NOON, 0.1)
        agent_api.report(session, alice.endpoint_id, told, NOON + timedelta(seconds=1))
    with reading() as session:
        assert not agent_api.watch_state(session, alice.endpoint_id, NOON).wake


def test_another_tenant_wakes_and_confirms_nothing(alice: Member) -> None:
    charlie = join("charlie")
    with writing() as session, pytest.raises(NotFound):
        endpoints.wake(session, charlie.actor, alice.endpoint_id, NOON)
    with writing() as session, pytest.raises(NotFound):
        endpoints.confirm_prune(session, charlie.actor, alice.endpoint_id, HEAD, NOON)
    with reading() as session:
        assert session.get_one(Endpoint, alice.endpoint_id).prune_confirmed is None


@pytest.mark.parametrize(
    ("text", "state", "names"),
    [("", "", ["alice-host", "db01"]), ("role=db", "", ["db01"]), ("DB01 example", "", ["db01"]), ("%", "", []),
     ("", "waiting", ["alice-host"]), ("", "revoked", ["db01"]), ("db01", "waiting", []), ("", "purple", [])],
)  # fmt: skip
def test_endpoints_are_filtered_by_words_and_state(alice: Member, text: str, state: str, names: list[str]) -> None:
    host_id, _ = add_endpoint("alice", "db01")
    add_endpoint(join("charlie").actor.tenant_id, "db02")
    with writing() as session:
        host = session.get_one(Endpoint, host_id)
        host.labels, host.status = {"role": "db"}, "revoked"
        session.add(host)
    with reading() as session:
        found = endpoints.list_page(session, alice.actor, text=text, state=state, now=NOON)
        assert endpoints.counts_by_state(session, alice.actor, NOON) == {"waiting": 1, "revoked": 1}
    assert ([one.name for one in found.endpoints], found.total) == (names, len(names))
