"""A job's page says when it has an incident, and who would be told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from contract import wire_alerts
from crontopus_app.alerts import monitors, receivers, told
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import Forbidden, NotFound
from crontopus_app.models import JobIndex, Tenant
from tests.alerts.test_monitors import ended
from tests.cast import NOON, Member, add_job, join

POLICY = b"""
routes:
  oncall: {channels: [mail], when: {labels: {tier: "1"}}, group: {wait: 1m}, escalate: [{after: 15m, channels: [boss]}]}
  day: {channels: [mail], hours: [{times: [{start_time: "13:00", end_time: "14:00"}]}]}
"""


@pytest.fixture
def alice(db: Engine, redis_url: str) -> Member:
    member = join("alice")
    add_job("alice", member.endpoint_id)
    with writing() as session:
        for name in ("boss", "mail"):
            form = wire_alerts.ChannelRequest(name, "email", {"to": f"{name}@example.org"})
            receivers.create(session, member.actor, form, NOON)
    return member


def found(actor: Actor) -> wire_alerts.JobAlerts:
    with reading() as session:
        return told.of_job(session, actor, "production", "backup", NOON)


def set_up(policy: bytes, **manifest: object) -> None:
    with writing() as session:
        session.exec(select(Tenant)).one().policy = policy
        session.exec(select(JobIndex)).one().manifest = manifest


def test_without_routes_every_channel_is_told(alice: Member) -> None:
    answer = found(alice.actor)
    assert (answer.handling, answer.reason) == ("delivered", "Every channel is told: boss, mail.")
    assert answer.steps[0] == "after 30 s: boss, mail, one message for all"
    assert answer.rules == [
        "an incident opens after a bad run (failed, timed out, lost or missed) and closes after a good run"
    ]


def test_the_routes_of_the_job_and_its_rules_in_words(alice: Member) -> None:
    alerts = {"after": 2, "recover": 3, "rate": "3/10", "noSuccessFor": "26h"}
    set_up(POLICY, labels={"tier": "1"}, alerts=alerts)
    answer = found(alice.actor)
    assert answer.reason == "The route oncall tells: mail."
    assert answer.steps[1] == "after 15 min, unless acknowledged: boss too"
    assert answer.rules == [
        "an incident opens after 2 bad runs in a row (failed, timed out, lost or missed) and closes after "
        "3 good runs in a row",
        "3 bad runs of the last 10 open one too",
        "so does a time of 1d2h without a success",
    ]


def test_nobody_outside_the_hours(alice: Member) -> None:
    set_up(POLICY)
    assert (found(alice.actor).handling, found(alice.actor).steps) == ("later", [])


def test_its_incidents(alice: Member) -> None:
    ended(alice, "fail", NOON, exit_code=3)
    monitors.compare_due(NOON)
    assert [(each.cause, each.what) for each in found(alice.actor).incidents] == [("failing", "exit 3")]


def test_who_may(alice: Member) -> None:
    bob = join("bob")
    with pytest.raises(NotFound):
        found(bob.actor)
    for scope in ("read:jobs", "read:alerts"):
        with pytest.raises(Forbidden):
            found(replace(alice.actor, kind="token", scopes=frozenset({scope})))
