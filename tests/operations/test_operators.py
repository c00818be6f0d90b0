"""Operators look after tenants; nobody else may, and there is always one left."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import BadInput, Conflict, CrontopusError, Forbidden, NotFound
from crontopus_app.base.live import Event
from crontopus_app.forge.client import Forgejo
from crontopus_app.models import Audit, Run, RunOutput, Tenant, User
from crontopus_app.operations import operators, usage
from crontopus_app.people import auth
from tests.cast import NOON, PASSWORD, Member, add_endpoint, add_job, join

MONTH = timedelta(days=30)


@pytest.fixture
def olga(db: Engine) -> Member:
    """The operator."""
    return join("olga", operator=True)


@pytest.fixture
def alice(olga: Member) -> Member:
    return join("alice")


def read(service: Callable[..., Any], *args: Any, **options: Any) -> Any:
    with reading() as session:
        return service(session, *args, **options)


def act(service: Callable[..., Any], *args: Any) -> Any:
    with writing() as session:
        return service(session, *args)


def add_run(member: Member, at: Any, printed: str = "") -> None:
    run = Run(
        id=str(uuid.uuid4()),
        tenant_id=member.actor.tenant_id,
        job_id="job",
        job_name="backup",
        namespace="production",
        source_id=member.endpoint_id,
        endpoint_id=member.endpoint_id,
        endpoint_name="host",
        status="success",
        received_at=at,
        sort_at=at,
    )
    with writing() as session:
        session.add(run)
        session.flush()
        if printed:
            session.add(RunOutput(run_id=run.id, head=printed, tail=""))


def test_tenants_are_listed_with_what_they_use(olga: Member, alice: Member) -> None:
    add_job("alice", alice.endpoint_id)
    add_endpoint("alice", "second")
    add_run(alice, NOON - timedelta(days=1), "x" * 100)
    add_run(alice, NOON - timedelta(days=2))
    add_run(alice, NOON - timedelta(days=40))
    found = read(operators.list_tenants, olga.actor, NOON)
    assert ([one.id for one in found.tenants], found.total) == (["alice", "olga"], 2)
    used = found.tenants[0].usage
    assert (used.users, used.jobs, used.endpoints, used.runs) == (1, 1, 2, 2)
    assert used.last_checkin_at == NOON - timedelta(days=1)
    # Three runs printed 100 bytes together; two of them are of the last 30 days.
    assert used.output_bytes == 67
    assert [one.operators for one in found.tenants] == [0, 1]


def test_a_tenant_without_anything_uses_nothing(olga: Member) -> None:
    used = read(operators.list_tenants, olga.actor, NOON).tenants[0].usage
    assert (used.jobs, used.runs, used.output_bytes, used.last_checkin_at) == (0, 0, 0, None)


def test_runs_are_counted_up_to_a_limit(alice: Member) -> None:
    for day in range(4):
        add_run(alice, NOON - timedelta(days=day))
    used = read(usage.of, ["alice"], NOON, most=2)["alice"]
    assert (used.runs, used.runs_counted_to) == (2, 2)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ali", ["alice"]),
        ("ALICE@", ["alice"]),
        ("example.org", ["alice", "olga"]),
        ("%", []),
        ("_lice", []),
        ("", ["alice", "olga"]),
    ],
)
def test_tenants_are_searched_by_name_and_address(olga: Member, alice: Member, text: str, found: list[str]) -> None:
    assert [one.id for one in read(operators.list_tenants, olga.actor, NOON, text=text).tenants] == found


def test_tenants_come_in_pages(olga: Member, alice: Member) -> None:
    second = read(operators.list_tenants, olga.actor, NOON, page=2, page_size=1)
    assert ([one.id for one in second.tenants], second.total) == (["olga"], 2)


def test_tenants_are_filtered_by_their_standing(olga: Member, alice: Member) -> None:
    with writing() as session:
        session.get_one(Tenant, "alice").provisioning = "failed"
    act(operators.suspend, olga.actor, "alice", NOON)
    for standing, found in (("suspended", ["alice"]), ("failed", ["alice"]), ("pending", ["olga"])):
        assert [one.id for one in read(operators.list_tenants, olga.actor, NOON, standing=standing).tenants] == found
    with pytest.raises(BadInput, match="standing must be one of"):
        read(operators.list_tenants, olga.actor, NOON, standing="purple")


def test_a_suspended_tenant_cannot_sign_in_and_is_told_why(
    olga: Member, alice: Member, published: Callable[[], list[Event]]
) -> None:
    act(operators.suspend, olga.actor, "alice", NOON)
    told = [Event("alice", "session", "alice"), Event("alice", "tenant", "alice"), Event("olga", "tenant", "alice")]
    assert published() == told
    with pytest.raises(Forbidden, match="suspended"):
        auth.check_login("alice", PASSWORD)
    with pytest.raises(Forbidden, match="suspended"):
        read(auth.actor_of, alice.session_token, now=NOON)
    act(operators.resume, olga.actor, "alice", NOON)
    assert auth.check_login("alice", PASSWORD).username == "alice"
    assert read(auth.actor_of, alice.session_token, now=NOON).username == "alice"


def test_suspending_twice_is_suspending_once(olga: Member, alice: Member, published: Callable[[], list[Event]]) -> None:
    act(operators.suspend, olga.actor, "alice", NOON)
    assert published()
    act(operators.suspend, olga.actor, "alice", NOON)
    assert published() == []
    assert trail() == [("alice", "olga", "tenant.suspend", "alice")]


def trail() -> list[tuple[str, str, str, str]]:
    with reading() as session:
        rows = session.exec(select(Audit).order_by(col(Audit.at)))
        return [(row.tenant_id, row.actor, row.action, row.subject) for row in rows]


def test_every_act_is_in_the_trail_of_whom_it_concerns(olga: Member, alice: Member) -> None:
    at = NOON
    for service, subject in (
        (operators.suspend, "alice"),
        (operators.resume, "alice"),
        (operators.provision, "alice"),
        (operators.grant, "alice"),
        (operators.revoke, "alice"),
    ):
        at += timedelta(seconds=1)
        act(service, olga.actor, subject, at)
    actions = ["tenant.suspend", "tenant.resume", "tenant.provision", "operator.grant", "operator.revoke"]
    assert trail() == [("alice", "olga", action, "alice") for action in actions]


def test_nobody_suspends_themselves(olga: Member, alice: Member) -> None:
    act(operators.grant, olga.actor, "alice", NOON)
    with pytest.raises(Conflict, match="your own account"):
        act(operators.suspend, olga.actor, "olga", NOON)


def test_the_last_operator_cannot_be_suspended_from_the_shell(olga: Member, alice: Member) -> None:
    with pytest.raises(Conflict, match="last operator"):
        act(operators.suspend, operators.shell_actor(), "olga", NOON)
    act(operators.grant, operators.shell_actor(), "alice", NOON)
    act(operators.suspend, operators.shell_actor(), "olga", NOON)
    # An operator who is suspended cannot sign in, so alice is the last one now.
    with pytest.raises(Conflict, match="last operator"):
        act(operators.revoke, operators.shell_actor(), "alice", NOON)
    with pytest.raises(Forbidden, match="suspended"):
        read(auth.actor_of, olga.session_token, now=NOON)


def test_where_nobody_is_operator_the_shell_still_suspends(db: Engine) -> None:
    join("alice")
    act(operators.suspend, operators.shell_actor(), "alice", NOON)
    with reading() as session:
        assert session.get_one(Tenant, "alice").suspended


def test_the_last_operator_cannot_be_revoked(olga: Member, alice: Member, published: Callable[[], list[Event]]) -> None:
    with pytest.raises(Conflict, match="last operator"):
        act(operators.revoke, olga.actor, "olga", NOON)
    assert published() == []
    act(operators.grant, olga.actor, " Alice ", NOON)
    assert published() == [Event("alice", "session", "alice")]
    act(operators.grant, olga.actor, "alice", NOON)
    assert published() == []
    assert [one.username for one in read(operators.list_operators, olga.actor)] == ["alice", "olga"]
    act(operators.revoke, olga.actor, "olga", NOON)
    assert published() == [Event("olga", "session", "olga")]
    with pytest.raises(Forbidden, match="Only operators"):
        read(operators.list_operators, replace(olga.actor, role="user"))
    act(operators.revoke, operators.shell_actor(), "olga", NOON)
    assert published() == []


def test_a_disabled_operator_does_not_count(olga: Member, alice: Member) -> None:
    act(operators.grant, olga.actor, "alice", NOON)
    with writing() as session:
        session.exec(select(User).where(User.username == "alice")).one().is_active = False
    with pytest.raises(Conflict, match="last operator"):
        act(operators.revoke, olga.actor, "olga", NOON)


def test_two_operators_who_remove_each_other_at_once_leave_one(olga: Member, alice: Member) -> None:
    act(operators.grant, olga.actor, "alice", NOON)
    begin, refused = threading.Barrier(2), []

    def remove(actor: Actor, victim: str) -> None:
        begin.wait(10)
        try:
            act(operators.suspend, actor, victim, NOON)
        except Conflict as error:
            refused.append(error.code)

    both = [(olga.actor, "alice"), (replace(alice.actor, role="operator"), "olga")]
    threads = [threading.Thread(target=remove, args=pair) for pair in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert refused == ["last_operator"]
    with reading() as session:
        assert len(session.exec(select(Tenant.id).where(col(Tenant.suspended).is_(True))).all()) == 1


def test_who_is_unknown_is_told_so(olga: Member) -> None:
    for service in (operators.suspend, operators.resume, operators.provision, operators.grant, operators.revoke):
        with pytest.raises(NotFound, match=r"No (tenant|user)"):
            act(service, olga.actor, "nobody", NOON)
    with pytest.raises(NotFound):
        read(operators.get_tenant, olga.actor, "nobody", NOON)


def test_only_operators_may(olga: Member, alice: Member) -> None:
    token = replace(olga.actor, kind="token", scopes=frozenset({"write:jobs", "read:runs"}))
    calls: list[Callable[[Session, Actor], object]] = [
        lambda session, actor: operators.list_tenants(session, actor, NOON),
        lambda session, actor: operators.get_tenant(session, actor, "alice", NOON),
        lambda session, actor: operators.figures(session, actor, NOON),
        lambda session, actor: operators.suspend(session, actor, "alice", NOON),
        lambda session, actor: operators.resume(session, actor, "alice", NOON),
        lambda session, actor: operators.provision(session, actor, "alice", NOON),
        lambda session, actor: operators.grant(session, actor, "alice", NOON),
        lambda session, actor: operators.revoke(session, actor, "olga", NOON),
        operators.list_operators,
    ]
    for call in calls:
        for actor in (alice.actor, token):
            with pytest.raises(Forbidden):
                act(call, actor)
    assert trail() == []


def test_a_failed_provisioning_becomes_pending(olga: Member, alice: Member) -> None:
    with writing() as session:
        tenant = session.get_one(Tenant, "alice")
        tenant.provisioning, tenant.provisioning_error = "failed", "webhook: refused"
    assert read(operators.figures, olga.actor, NOON).provisioning_failed == 1
    act(operators.provision, olga.actor, "alice", NOON)
    detail = read(operators.get_tenant, olga.actor, "alice", NOON)
    assert (detail.tenant.provisioning, detail.tenant.provisioning_error) == ("pending", "")


def test_the_figures_of_the_installation(olga: Member, alice: Member) -> None:
    act(operators.suspend, olga.actor, "alice", NOON)
    found = read(operators.figures, olga.actor, NOON)
    assert (found.tenants, found.suspended, found.unprovisioned, found.endpoints) == (2, 1, 2, 2)
    assert (found.changes_pending, found.changes_oldest_s) == (0, None)


def test_a_tenant_is_shown_with_its_people(olga: Member, alice: Member) -> None:
    detail = read(operators.get_tenant, olga.actor, "alice", NOON)
    assert [(one.username, one.role, one.email) for one in detail.people] == [("alice", "user", "alice@example.org")]
    assert "whs_" not in str(detail)
    with Forgejo("http://127.0.0.1:9", "x", "y") as away:
        assert usage.with_repository(away, detail) == detail


def test_the_git_server_tells_the_size_of_a_repository(anna: Actor, forge: Forgejo) -> None:
    detail = read(operators.get_tenant, operators.shell_actor(), anna.tenant_id, NOON)
    size = usage.with_repository(forge, detail).repository_bytes
    assert size is not None
    assert 1024 <= size < 1 << 20


def test_an_actor_at_the_server_is_in_the_trail_by_number(olga: Member, alice: Member) -> None:
    act(operators.suspend, operators.shell_actor(), "alice", NOON)
    ((_, actor, _, _),) = trail()
    assert actor.startswith("crontopus-server (uid ")


def test_errors_are_sentences(olga: Member) -> None:
    with pytest.raises(CrontopusError) as refused:
        act(operators.suspend, olga.actor, "olga", NOON)
    assert refused.value.message.endswith(".")
