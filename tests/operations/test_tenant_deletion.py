"""Deleting an account, on both databases: nobody acts for it any more, and nothing of it is left but its name."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, or_
from sqlmodel import Session, col, func, select

from contract import wire
from crontopus_app.base import clock, queue
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import BadInput, Conflict, CrontopusError, Forbidden, NotAuthenticated
from crontopus_app.base.leases import lease
from crontopus_app.forge import names
from crontopus_app.forge.client import Forgejo, ForgeNotFound
from crontopus_app.hosts import agent_api, enrolment
from crontopus_app.jobs import edits
from crontopus_app.jobs.index import index
from crontopus_app.models import (
    Audit,
    Channel,
    CheckIn,
    Creation,
    Delivery,
    Endpoint,
    GitCredential,
    Incident,
    IncidentEvent,
    Mail,
    OutputsRemoved,
    Report,
    Run,
    RunDay,
    RunOutput,
    Tenant,
    User,
    metadata,
)
from crontopus_app.operations import due_work, provisioning, tenant_deletion
from crontopus_app.people import auth, ping_keys, tokens
from tests.cast import JOB_ID, NOON, PASSWORD, Member, add_endpoint, add_job, join, told_one
from tests.fixtures.repositories import Repo

LATER = NOON + tenant_deletion.SETTLE
FORM = {"name": "backup", "namespace": "production", "schedule": "0 2 * * *", "command": "/opt/backup.sh"}
RUN_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture(autouse=True)
def _rates(redis_url: str) -> None:
    queue.redis().flushdb()


def leave(actor: Actor, *, name: str = "", password: str = PASSWORD) -> wire.Leaving:
    return tenant_deletion.delete_account(actor, wire.AccountDeletion(name or actor.username, password), NOON)


def check_in(token: str, number: int = 0) -> None:
    with reading() as session:
        endpoint = agent_api.of_token(session, token)
    told = wire.Checkin(
        id=f"{number:08d}-d9cb-469f-a165-70867728950e",
        job_id=JOB_ID,
        run_id=f"{number:08d}" + RUN_ID[8:],
        kind="success",
        at=NOON,
        output=wire.CheckinOutput("hello"),
    )
    told_one(endpoint.id, told)


def copy_run(tenant_id: str, count: int, output: Callable[[], str] = str) -> None:
    """``count`` more runs like one that is there, several at the same instant, with outputs of their own."""
    with writing() as session:
        like = session.exec(select(Run).where(Run.tenant_id == tenant_id)).all()[0].model_dump()
        made = [
            like | {"id": str(uuid.uuid4()), "sort_at": NOON + timedelta(seconds=number // 3)}
            for number in range(count)
        ]
        session.execute(insert(Run), made)
        outputs = [{"run_id": run["id"], "head": output(), "tail": "", "lost_bytes": 0} for run in made]
        session.execute(insert(RunOutput), outputs)


def furnish(actor: Actor) -> str:
    """One row at least in every table of a tenant's; gives an endpoint's token."""
    endpoint_id, token = add_endpoint(actor.tenant_id, "web-1")
    add_job(actor.tenant_id, endpoint_id)
    for number in range(3):
        check_in(token, number)
    with writing() as session:
        edits.create(session, actor, FORM | {"name": "other"}, NOON)
        tokens.create_api(session, actor, wire.ApiTokenRequest("ci", ["read:runs"]), NOON)
        tokens.create_enrollment(session, actor, wire.EnrollmentTokenRequest("hosts"), NOON)
        ping_keys.create(session, actor, wire.PingKeyRequest("scripts"), NOON)
        git = {"name": "laptop", "access": "write", "state": "active", "made_by": actor.username, "created_at": NOON}
        session.add(GitCredential(tenant_id=actor.tenant_id, user_id=actor.user_id, **git))
        sent = {"key_hmac": "0" * 64, "owner": actor.user_id, "request": "POST /api/tokens", "salt": "salt"}
        session.add(Creation(tenant_id=actor.tenant_id, created_at=NOON, **sent))
        _alert(session, actor.tenant_id)
        kept: dict[str, Any] = {"job_id": JOB_ID, "source_id": endpoint_id, "job_name": "b", "namespace": "production"}
        session.add(RunDay(tenant_id=actor.tenant_id, day=NOON.date(), **kept))
        session.add(OutputsRemoved(tenant_id=actor.tenant_id, status="success", until=NOON))
        reported = {"user_id": actor.user_id, "period": "daily 2026-11-22", "created_at": NOON, "next_at": NOON}
        session.add(Report(tenant_id=actor.tenant_id, **reported))
    return token


def _alert(session: Session, tenant_id: str) -> None:
    """An incident, and a mail about it."""
    words: dict[str, Any] = {"subject": "monitor:1", "cause": "failing", "title": "backup", "what": "exit 1"}
    incident = Incident(tenant_id=tenant_id, since=NOON, opened_at=NOON, **words)
    session.add(incident)
    session.flush()
    session.add(IncidentEvent(tenant_id=tenant_id, incident_id=incident.id, at=NOON, kind="opened"))
    channel = Channel(tenant_id=tenant_id, name="mail", kind="email", settings="sealed", created_at=NOON)
    session.add(channel)
    told = {"channel_id": channel.id, "event": "opened", "created_at": NOON, "next_at": NOON}
    delivery = Delivery(tenant_id=tenant_id, **told)
    session.add(delivery)
    session.add(Mail(id=delivery.id, tenant_id=tenant_id, recipient="a@example.com", subject="s", raw="r", at=NOON))


def left(tenant_id: str, user_id: str) -> dict[str, int]:
    """Rows by table that name the tenant or the user, in whatever column; tables without any are left out."""
    found = {}
    with reading() as session:
        for table in metadata.sorted_tables:
            mine = [column == tenant_id for name, column in table.columns.items() if name in ("tenant_id", "actor")]
            mine += [column == user_id for name, column in table.columns.items() if name == "user_id"]
            if table.name == "tenant":
                mine.append(table.c.id == tenant_id)
            if table.name == "run_output":
                mine.append(col(RunOutput.run_id).endswith(RUN_ID[8:]))
            if mine:
                count = session.exec(select(func.count()).select_from(table).where(or_(*mine))).one()
                found |= {table.name: count} if count else {}
    return found


def tenant_row(name: str) -> Tenant:
    with reading() as session:
        return session.get_one(Tenant, name)


def test_nothing_is_left_but_the_name_and_a_line_of_the_trail(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    furnish(alice)
    before = left(alice.tenant_id, alice.user_id)
    assert set(before) == {table.name for table in metadata.sorted_tables} - {"lease"}
    leave(alice)
    tenant_deletion.finish(alice.tenant_id, forge, LATER)
    assert left(alice.tenant_id, alice.user_id) == {"tenant": 1, "audit": 1}
    tomb = tenant_row(alice.tenant_id)
    assert (tomb.provisioning, tomb.deleted_at, tomb.head, tomb.namespaces) == ("deleted", NOON, "", [])
    with pytest.raises(ForgeNotFound):
        repo.commits()
    bot = forge.send("GET", f"/api/v1/users/{names.bot_name(alice.tenant_id)}", expect=(200, 404))
    assert bot.status_code == 404


def test_what_goes_is_told_first_and_others_are_not_touched(alice: Actor, forge: Forgejo) -> None:
    charlie = join("charlie")
    add_job("charlie", charlie.endpoint_id)
    check_in(charlie.endpoint_token, 77)
    before = left("charlie", charlie.actor.user_id)
    furnish(alice)
    told = leave(alice)
    assert (told.endpoints, told.runs, told.tokens, told.sessions) == ([f"{alice.tenant_id}-host", "web-1"], 3, 1, 1)
    assert told.repository == f"crontopus/job-manifests-{alice.tenant_id}"
    tenant_deletion.finish(alice.tenant_id, forge, LATER)
    assert left("charlie", charlie.actor.user_id) == before


def test_everything_ends_at_once(alice: Actor, forge: Forgejo) -> None:
    """Before any worker has looked at it."""
    token = furnish(alice)
    with writing() as session:
        api = tokens.create_api(session, alice, wire.ApiTokenRequest("ci", ["admin:*"]), NOON).token or ""
        cet = tokens.create_enrollment(session, alice, wire.EnrollmentTokenRequest("h"), NOON).token or ""
        user = session.get_one(User, alice.user_id)
        browser = auth.open_session(session, user, user_agent="", now=NOON)
    leave(alice)
    with reading() as session:
        for dead in (api, browser):
            with pytest.raises(NotAuthenticated):
                auth.actor_of(session, dead, now=NOON)
        with pytest.raises(NotAuthenticated):
            agent_api.of_token(session, token)
    with pytest.raises(NotAuthenticated):
        auth.check_login(alice.username, PASSWORD)
    with pytest.raises(NotAuthenticated):
        enrolment.enroll(cet, wire.EnrollRequest(machine_id="m", hostname="h"), forge, NOON)


def test_the_name_stays_taken_and_the_address_is_free(alice: Actor, forge: Forgejo) -> None:
    leave(alice)
    tenant_deletion.finish(alice.tenant_id, forge, LATER)
    register = wire.RegisterRequest(alice.username, "somebody@example.org", "a good password")
    with pytest.raises(Conflict, match="taken"):
        auth.register(register, loopback=False, now=LATER)


def test_a_forge_that_is_away_is_waited_for(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    furnish(alice)
    leave(alice)
    with Forgejo("http://127.0.0.1:1", "nobody", "none") as away:
        tenant_deletion.finish(alice.tenant_id, away, LATER)
    assert tenant_row(alice.tenant_id).provisioning == "deleting"
    assert repo.commits()
    with reading() as session:
        assert due_work.deleting(session) == [alice.tenant_id]
    tenant_deletion.finish(alice.tenant_id, forge, LATER)
    with reading() as session:
        assert due_work.deleting(session) == []


def test_what_was_written_meanwhile_goes_too(alice: Actor, forge: Forgejo) -> None:
    """A check-in whose token was read before the deletion is written after the worker's first pass."""
    endpoint_id, _ = add_endpoint(alice.tenant_id, "slow")
    with reading() as session:
        endpoint = session.get_one(Endpoint, endpoint_id)
    leave(alice)
    tenant_deletion.finish(alice.tenant_id, forge, NOON)
    assert tenant_row(alice.tenant_id).provisioning == "deleting"
    with writing() as session:
        run = wire.Checkin(id=RUN_ID, job_id=JOB_ID, run_id=RUN_ID, kind="success", at=NOON)
        session.add(CheckIn(id=run.id, source_id=endpoint.id, tenant_id=alice.tenant_id, run_id=run.run_id,
                            kind="success", at=NOON, received_at=NOON))  # fmt: skip
        session.add(Run(id=run.run_id, tenant_id=alice.tenant_id, job_id=JOB_ID, job_name="backup", namespace="x",
                        source_id=endpoint.id, endpoint_id=endpoint.id, endpoint_name="slow", status="success",
                        received_at=NOON, sort_at=NOON))  # fmt: skip
    tenant_deletion.finish(alice.tenant_id, forge, LATER)
    assert left(alice.tenant_id, alice.user_id) == {"tenant": 1, "audit": 1}


def test_many_runs_go_in_steps(alice: Actor, forge: Forgejo) -> None:
    _, token = add_endpoint(alice.tenant_id, "busy")
    endpoint_id, _ = add_endpoint(alice.tenant_id, "other")
    add_job(alice.tenant_id, endpoint_id)
    check_in(token, 1)
    copy_run(alice.tenant_id, 2 * tenant_deletion.BATCH)
    leave(alice)
    tenant_deletion.finish(alice.tenant_id, forge, LATER)
    assert left(alice.tenant_id, alice.user_id) == {"tenant": 1, "audit": 1}


def test_nothing_is_removed_while_the_repository_is_being_made(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    leave(alice)
    with lease(f"provision:{alice.tenant_id}", clock.now):
        tenant_deletion.finish(alice.tenant_id, forge, LATER)
    assert repo.commits()
    tenant_deletion.finish(alice.tenant_id, forge, LATER)
    assert tenant_row(alice.tenant_id).provisioning == "deleted"


def test_neither_provisioning_nor_the_index_bring_it_back(alice: Actor, forge: Forgejo, repo: Repo) -> None:
    leave(alice)
    provisioning.provision(alice.tenant_id, forge, NOON)
    repo.commit({"production/new.yaml": b"x"})
    with pytest.raises(CrontopusError, match="No tenant"):
        index(alice.tenant_id, forge, NOON)
    assert tenant_row(alice.tenant_id).provisioning == "deleting"
    with reading() as session:
        assert alice.tenant_id not in [*due_work.unprovisioned(session, LATER), *due_work.ready(session)]


def test_finishing_twice_is_finishing_once_and_a_living_tenant_is_left_alone(
    alice: Actor, forge: Forgejo, repo: Repo
) -> None:
    tenant_deletion.finish(alice.tenant_id, forge, LATER)
    tenant_deletion.finish("nobody", forge, LATER)
    assert repo.commits()
    leave(alice)
    for _ in range(2):
        tenant_deletion.finish(alice.tenant_id, forge, LATER)
    assert tenant_row(alice.tenant_id).provisioning == "deleted"


def test_a_push_of_somebody_who_knows_an_empty_secret_is_not_genuine(alice: Actor, forge: Forgejo) -> None:
    before = tenant_row(alice.tenant_id).webhook_secret
    leave(alice)
    tenant_deletion.finish(alice.tenant_id, forge, LATER)
    assert tenant_row(alice.tenant_id).webhook_secret not in ("", before)


@pytest.fixture
def member(db: object) -> Member:
    return join("alice")


@pytest.mark.parametrize(
    ("values", "field"),
    [({"password": "wrong password"}, "password"), ({"name": "bob"}, "username"), ({"name": "ALICE"}, "username")],
)
def test_both_the_name_and_the_password_are_asked_for(member: Member, values: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        leave(member.actor, **values)
    assert caught.value.problems[0].field == field
    assert tenant_row("alice").deleted_at is None
    with reading() as session:
        assert auth.actor_of(session, member.session_token, now=NOON)


def test_the_only_operator_stays_until_there_is_another(db: object) -> None:
    only = join("root-ops", operator=True)
    with pytest.raises(Conflict) as caught:
        leave(only.actor)
    assert caught.value.code == "last_operator"
    second = join("other-ops", operator=True)
    leave(only.actor)
    with pytest.raises(Conflict):
        leave(second.actor)
    leave(join("alice").actor)


def test_a_disabled_operator_is_no_other_one(db: object) -> None:
    only, other = join("root-ops", operator=True), join("other-ops", operator=True)
    with writing() as session:
        session.get_one(User, other.actor.user_id).is_active = False
    with pytest.raises(Conflict):
        leave(only.actor)


def test_a_token_deletes_nobody(member: Member) -> None:
    with writing() as session:
        made = tokens.create_api(session, member.actor, wire.ApiTokenRequest("ci", ["admin:*"]), NOON).token or ""
    with reading() as session:
        token = auth.actor_of(session, made, now=NOON)
        with pytest.raises(Forbidden):
            tenant_deletion.preview(session, token)
    with pytest.raises(Forbidden):
        leave(token)


def test_the_last_act_is_in_the_trail(member: Member) -> None:
    leave(member.actor)
    with reading() as session:
        (line,) = session.exec(select(Audit).where(Audit.action == tenant_deletion.ACTION))
    assert (line.actor, line.subject, line.at) == ("alice", "alice", NOON)
