"""Who changes a tenant's jobs, endpoints or monitors keeps no check-in waiting, on PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, delete, event, update
from sqlmodel import col, func, select

from contract import wire
from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.forge import configured
from crontopus_app.forge.client import Forgejo
from crontopus_app.hosts import endpoints, enrolment
from crontopus_app.jobs.index import index, lock_tenant, reindex
from crontopus_app.models import Endpoint, JobIndex, Monitor, Tenant
from crontopus_app.monitoring.intake import checkins, ingest, senders
from crontopus_app.monitoring.intake.rows import Sender, SentCheckin
from crontopus_app.monitoring.intake.statements import statements
from crontopus_app.monitoring.sync import AT_ONCE
from crontopus_app.operations import due_work
from crontopus_app.people import tokens
from tests.cast import NOON, Member, add_endpoint, join, told_one
from tests.fixtures.repositories import Repo
from tests.fixtures.tenants import provisioned

PATIENCE_S = 20
MANIFEST = b"apiVersion: v1\nkind: Job\nmetadata:\n  name: %s\nspec:\n  schedule: '0 2 * * *'\n  command: x\n"


@pytest.fixture
def owner(on_postgres: Engine, redis_url: str, forge: Forgejo, tenant_name: str, repo: Repo) -> Actor:
    """With one job on one host."""
    actor = provisioned(tenant_name, forge)
    repo.commit({"production/backup.yaml": MANIFEST % b"backup"})
    index(actor.tenant_id, forge, clock.now())
    return actor


@pytest.fixture
def charlie(on_postgres: Engine) -> Member:
    return join("charlie")


def host(actor: Actor) -> Endpoint:
    with reading() as session:
        return session.exec(select(Endpoint).where(Endpoint.tenant_id == actor.tenant_id)).one()


def checkin(actor: Actor) -> SentCheckin:
    """A success of the owner's job on its host."""
    with reading() as session:
        monitor = session.exec(select(Monitor).where(Monitor.tenant_id == actor.tenant_id)).one()
    one = success(monitor.job_id)
    source = host(actor)
    return SentCheckin(Sender(source.id, actor.tenant_id, source.name, source.id), one)


def success(job_id: str = "") -> wire.Checkin:
    """Of a run of this job, or of one that nobody knows."""
    fresh, run, unknown = (str(uuid.uuid4()) for _ in range(3))
    return wire.Checkin(id=fresh, run_id=run, job_id=job_id or unknown, kind="success", at=NOON)


@contextmanager
def batch_under_way(actor: Actor, told: SentCheckin) -> Iterator[None]:
    """A batch of check-ins that is written and not yet committed."""
    with writing() as session:
        senders.authenticate(statements(session), [senders.of_endpoint(host(actor))])()
        ingest.record(session, [told], NOON)
        yield


def meanwhile(act: Callable[[], Any]) -> Any:
    """What ``act`` gives in a thread of its own; fails where it waits for the transaction that is open here."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(act).result(PATIENCE_S)


def rename(session: Any, actor: Actor) -> None:
    endpoints.rename(session, actor, host(actor).id, "renamed", NOON)


def revoke(session: Any, actor: Actor) -> None:
    endpoints.revoke(session, actor, host(actor).id, configured.forge(), NOON)


def hold(session: Any, actor: Actor) -> None:
    lock_tenant(session, actor.tenant_id)


@pytest.mark.parametrize("act", [hold, rename, revoke])
def test_other_tenants_check_in_while_a_tenant_is_changed(
    owner: Actor, charlie: Member, act: Callable[[Any, Actor], None]
) -> None:
    one = success()
    with writing() as session:
        act(session, owner)
        assert meanwhile(lambda: told_one(charlie.endpoint_id, one)).state == "success"


def test_both_tenants_of_one_batch_are_answered_while_one_is_locked(owner: Actor, charlie: Member) -> None:
    with reading() as session:
        theirs = senders.of_endpoint(session.get_one(Endpoint, charlie.endpoint_id))
    mine = checkins.ReceivedCheckin(senders.of_endpoint(host(owner)), checkin(owner).checkin)
    batch = [mine, checkins.ReceivedCheckin(theirs, success())]
    with writing() as session:
        lock_tenant(session, owner.tenant_id)
        answers = meanwhile(lambda: checkins.record(batch, NOON))
    assert [getattr(answer, "state", answer) for answer in answers] == ["success", "success"]


def test_a_push_is_indexed_while_check_ins_of_another_job_are_written(owner: Actor, forge: Forgejo, repo: Repo) -> None:
    repo.commit({"production/other.yaml": MANIFEST % b"other"})
    with batch_under_way(owner, checkin(owner)):
        meanwhile(lambda: index(owner.tenant_id, forge, clock.now()))
    with reading() as session:
        assert set(session.exec(select(Monitor.job_name))) == {"backup", "other"}


def enroll(owner: Actor, forge: Forgejo, machine: str, **labels: str) -> wire.Enrolled:
    with writing() as session:
        token = tokens.create_enrollment(session, owner, wire.EnrollmentTokenRequest(machine), NOON).token or ""
    form = wire.EnrollRequest(machine_id=machine, hostname=machine, labels=labels)
    return enrolment.enroll(token, form, forge, clock.now())


def test_a_host_joins_while_check_ins_are_written(owner: Actor, forge: Forgejo) -> None:
    with batch_under_way(owner, checkin(owner)):
        meanwhile(lambda: enroll(owner, forge, "another"))
    with reading() as session:
        assert session.exec(select(func.count()).select_from(Monitor)).one() == 2


class Statements:
    """How many statements the database was asked."""

    def __init__(self, engine: Engine) -> None:
        self.count = 0
        event.listen(engine, "before_cursor_execute", self._count)

    def _count(self, *_: Any) -> None:
        self.count += 1


def test_a_pass_over_many_jobs_and_hosts_takes_few_statements(
    alice: Actor, db: Engine, forge: Forgejo, repo: Repo
) -> None:
    """Their number does not grow with jobs, hosts or monitors."""
    for number in range(9):
        add_endpoint(alice.tenant_id, f"host{number}")
    repo.commit({f"production/job-{number}.yaml": MANIFEST % b"job-%d" % number for number in range(60)})
    statements = Statements(db)
    index(alice.tenant_id, forge, clock.now())
    assert statements.count < 40
    with reading() as session:
        assert session.exec(select(func.count()).select_from(Monitor)).one() == 600
        assert session.exec(select(func.count()).select_from(JobIndex)).one() == 60
    statements.count = 0
    repo.delete("production/job-1.yaml", *(f"production/job-{number}.yaml" for number in range(10, 60)))
    index(alice.tenant_id, forge, clock.now())
    assert statements.count < 40
    with reading() as session:
        retired = session.exec(select(func.count()).select_from(Monitor).where(Monitor.state == "retired")).one()
    assert retired == 510


class Transactions:
    """The longest row of statements between two commits, and how many commits there were."""

    def __init__(self, engine: Engine) -> None:
        self.commits = self.longest = self._inserted = 0
        event.listen(engine, "before_cursor_execute", self._statement)
        event.listen(engine, "commit", self._commit)

    def _statement(self, *details: Any) -> None:
        statement, parameters = details[2], details[3]
        if statement.startswith("INSERT INTO monitor"):
            self._inserted += len(parameters) if isinstance(parameters, list) else 1

    def _commit(self, *_: Any) -> None:
        self.commits, self.longest, self._inserted = self.commits + 1, max(self.longest, self._inserted), 0


def many(alice: Actor, repo: Repo) -> int:
    """Pushes more jobs than are monitored at once on alice's hosts; gives the number of their instances."""
    for number in range(40):
        add_endpoint(alice.tenant_id, f"host{number}")
    with reading() as session:
        hosts = session.exec(select(func.count()).select_from(Endpoint)).one()
    jobs = AT_ONCE // hosts + 10
    repo.commit({f"production/job-{number}.yaml": MANIFEST % b"job-%d" % number for number in range(jobs)})
    return jobs * hosts


def monitors(state: str) -> int:
    with reading() as session:
        return session.exec(select(func.count()).select_from(Monitor).where(Monitor.state == state)).one()


def test_very_many_monitors_are_made_in_several_transactions(
    alice: Actor, db: Engine, forge: Forgejo, repo: Repo
) -> None:
    instances = many(alice, repo)
    transactions = Transactions(db)
    head = index(alice.tenant_id, forge, clock.now())
    assert monitors("waiting") == instances > AT_ONCE
    assert 0 < transactions.longest <= AT_ONCE
    with reading() as session:
        tenant = session.get_one(Tenant, alice.tenant_id)
        assert (tenant.indexed_head, tenant.monitored_head) == (head, head)
        assert due_work.behind(session, clock.now()) == []


def monitored_head() -> str:
    with reading() as session:
        return session.exec(select(Tenant.monitored_head)).one()


def kill_a_pass(alice: Actor, repo: Repo, forge: Forgejo) -> int:
    """Leaves what a pass of many jobs leaves that was killed between two slices; gives the number of its instances."""
    instances = many(alice, repo)
    index(alice.tenant_id, forge, clock.now())
    with writing() as session:
        session.execute(delete(Monitor).where(col(Monitor.job_name).endswith("1")))
        session.execute(update(Tenant).values(monitored_head=""))
    return instances


def test_monitors_that_a_killed_pass_left_out_are_made_by_the_next(
    alice: Actor, db: Engine, forge: Forgejo, repo: Repo
) -> None:
    instances = kill_a_pass(alice, repo, forge)
    with reading() as session:
        assert due_work.behind(session, clock.now()) == [alice.tenant_id]
    index(alice.tenant_id, forge, clock.now())
    assert monitors("waiting") == instances


def test_a_small_push_after_a_killed_pass_makes_its_monitors_too(
    alice: Actor, db: Engine, forge: Forgejo, repo: Repo
) -> None:
    instances = kill_a_pass(alice, repo, forge)
    repo.delete("production/job-0.yaml")
    index(alice.tenant_id, forge, clock.now())
    with reading() as session:
        hosts = session.exec(select(func.count()).select_from(Endpoint)).one()
    assert (monitors("waiting"), monitors("retired")) == (instances - hosts, hosts)


def test_reindexing_makes_the_monitors_that_many_jobs_lack(
    alice: Actor, db: Engine, forge: Forgejo, repo: Repo
) -> None:
    instances = many(alice, repo)
    head = index(alice.tenant_id, forge, clock.now())
    with writing() as session:
        session.execute(delete(Monitor).where(col(Monitor.job_name).endswith("1")))
    reindex(alice.tenant_id, forge, clock.now())
    assert (monitors("waiting"), monitored_head()) == (instances, head)
