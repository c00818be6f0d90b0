"""From an incident to the receiver: who is told, when, how often, and what is stored about it. On both databases."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlmodel import col, select

from contract import wire_alerts
from crontopus_app.alerts import board, incidents, notify, receivers, refresh, sender
from crontopus_app.base import meters
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading, writing
from crontopus_app.models import Delivery, Incident, IncidentEvent, Mail, Tenant, User
from tests.alerts.receiver import Receiver
from tests.cast import NOON, join

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
TOLD = NOON + 30 * SECOND


@pytest.fixture
def alice(db: Engine, redis_url: str, local_allowed: None) -> Actor:
    member = join("alice")
    with reading() as session:
        user = session.exec(select(User).where(User.username == "alice")).one()
    assert member.endpoint_id
    return Actor(user.id, "alice", "alice", user.email, "user")


def set_policy(text: str) -> None:
    with writing() as session:
        session.get_one(Tenant, "alice").policy = text.encode()


def add_channel(actor: Actor, name: str, url: str, kind: str = "webhook") -> str:
    settings = {"to": url} if kind == "email" else {"url": url}
    with writing() as session:
        return receivers.create(session, actor, wire_alerts.ChannelRequest(name, kind, settings), NOON).id


def open_one(number: int = 0, at: datetime = NOON, **facts: str) -> str:
    words = {"cause": "failing", "title": f"production/job-{number} on db01", "what": "exit 1"}
    words |= {"namespace": "production", "job_name": f"job-{number}", "job_id": f"job-{number}", **facts}
    with writing() as session:
        row = Incident(tenant_id="alice", subject=f"monitor:{number}", since=at, opened_at=at, **words)  # pyright: ignore[reportArgumentType]
        return incidents.open_incident(session, row, at).id


def close(incident_id: str, at: datetime) -> None:
    with writing() as session:
        incidents.close(session, session.get_one(Incident, incident_id), "It ran well again.", at)


def deliver(now: datetime) -> None:
    """Decides all messages that are due, and sends them."""
    while notify.notify_due(now):
        pass
    while found := sender.due(now):
        for _, delivery_id in found:
            sender.attempt(delivery_id, now)


def incident(incident_id: str) -> Incident:
    with reading() as session:
        return session.get_one(Incident, incident_id)


def told(receiver: Receiver) -> list[tuple[str, int]]:
    """The event and the number of incidents of each message."""
    return [(each.json["type"].removeprefix("incident."), each.json["data"]["total"]) for each in receiver.received]


def states() -> list[tuple[str, str]]:
    with reading() as session:
        rows = session.exec(select(Delivery).order_by(col(Delivery.created_at), col(Delivery.event)))
        return [(row.event, row.state) for row in rows]


def test_people_are_told_once_after_thirty_seconds_and_of_the_end(alice: Actor, receiver: Receiver) -> None:
    add_channel(alice, "hook", receiver.url)
    one = open_one()
    deliver(NOON)
    deliver(NOON + 29 * SECOND)
    assert told(receiver) == []
    deliver(TOLD)
    deliver(TOLD + MINUTE)
    assert told(receiver) == [("opened", 1)]
    close(one, NOON + 5 * MINUTE)
    deliver(NOON + 5 * MINUTE)
    deliver(NOON + 6 * MINUTE)
    assert told(receiver) == [("opened", 1), ("closed", 1)]
    assert receiver.received[1].json["data"]["headline"] == "UP production/job-0 on db01 after 5 min"
    assert (incident(one).handling, incident(one).handling_reason) == (
        "delivered",
        "Every channel is told: hook.",
    )


def test_attempts_are_counted_by_kind_and_result(alice: Actor, receiver: Receiver) -> None:
    add_channel(alice, "hook", receiver.url)
    add_channel(alice, "away", "http://127.0.0.1:1/")
    open_one()
    deliver(TOLD)
    meters.flush()
    assert meters.totals()["deliveries"] == {("webhook", "sent"): 1, ("webhook", "retry"): 1}


def test_what_ends_before_anybody_was_told_is_not_told(alice: Actor, receiver: Receiver) -> None:
    add_channel(alice, "hook", receiver.url)
    one = open_one()
    deliver(NOON)
    close(one, NOON + 10 * SECOND)
    deliver(TOLD)
    assert told(receiver) == []
    assert incident(one).handling == "resolved"


def test_forty_failures_in_a_minute_are_one_message_that_names_ten(alice: Actor, receiver: Receiver) -> None:
    add_channel(alice, "hook", receiver.url)
    for number in range(40):
        open_one(number, NOON + number * SECOND / 2)
    for second in range(0, 120, 5):
        deliver(NOON + second * SECOND)
    assert told(receiver) == [("opened", 40)]
    assert len(receiver.received[0].json["data"]["incidents"]) == 10
    open_one(40, NOON + 2 * MINUTE)
    deliver(NOON + 4 * MINUTE)
    assert told(receiver) == [("opened", 40)]
    deliver(TOLD + 5 * MINUTE)
    assert told(receiver) == [("opened", 40), ("opened", 1)]


def test_reminders_come_until_somebody_acknowledges(alice: Actor, receiver: Receiver) -> None:
    add_channel(alice, "hook", receiver.url)
    one = open_one()
    for hour in range(10):
        deliver(TOLD + hour * HOUR)
    assert told(receiver) == [("opened", 1), ("reminder", 1), ("reminder", 1)]
    with writing() as session:
        board.acknowledge(session, alice, one, NOON + 10 * HOUR)
    for hour in range(10, 20):
        deliver(TOLD + hour * HOUR)
    assert len(told(receiver)) == 3


def test_a_snoozed_incident_is_quiet_until_the_end_of_the_snooze(alice: Actor, receiver: Receiver) -> None:
    add_channel(alice, "hook", receiver.url)
    one = open_one()
    with writing() as session:
        board.snooze(session, alice, one, 60, NOON)
    deliver(NOON + 59 * MINUTE)
    assert told(receiver) == []
    deliver(NOON + HOUR)
    assert told(receiver) == [("opened", 1)]


def test_a_silence_is_kept_with_its_reason_and_what_is_still_wrong_is_told_at_its_end(
    alice: Actor, receiver: Receiver
) -> None:
    add_channel(alice, "hook", receiver.url)
    set_policy("silences: [{until: 2026-11-23T14:00:00Z, reason: move to db02}]")
    one = open_one()
    for minute in range(0, 120, 10):
        deliver(NOON + minute * MINUTE)
    assert told(receiver) == []
    assert (incident(one).handling, incident(one).handling_reason) == (
        "silenced",
        "Silenced until 2026-11-23 14:00 UTC (move to db02).",
    )
    deliver(NOON + 2 * HOUR)
    assert told(receiver) == [("opened", 1)]
    assert incident(one).handling == "delivered"


def test_a_silence_that_begins_later_is_noted_once(alice: Actor, receiver: Receiver) -> None:
    add_channel(alice, "hook", receiver.url)
    one = open_one()
    deliver(TOLD)
    set_policy("silences: [{until: 2026-11-23T20:00:00Z}]")
    for minute in range(230, 260):
        deliver(NOON + minute * MINUTE)
    assert incident(one).handling == "silenced"
    with reading() as session:
        kinds = [each.kind for each in session.exec(select(IncidentEvent))]
    assert kinds.count("silenced") == 1


ROUTES = """
routes:
  oncall:
    channels: [phone]
    when: {labels: {tier: "1"}}
  night:
    channels: [hook]
    when: {namespaces: [production]}
    repeat: 1h
    escalate: [{after: 15m, channels: [phone, pigeon]}]
"""


def test_a_route_tells_within_its_hours(alice: Actor, receiver: Receiver) -> None:
    add_channel(alice, "hook", receiver.url)
    set_policy('routes: {day: {channels: [hook], hours: [{times: [{start_time: "13:00", end_time: "18:00"}]}]}}')
    one = open_one()
    deliver(TOLD)
    assert (incident(one).handling, told(receiver)) == ("later", [])
    assert incident(one).handling_reason == "Outside the hours of the route day."
    for minute in range(10, 61, 10):
        deliver(NOON + minute * MINUTE)
    assert (incident(one).handling, told(receiver)) == ("delivered", [("opened", 1)])


def test_maintenance_holds_back_what_was_open_before_and_no_reminder_comes(alice: Actor, receiver: Receiver) -> None:
    add_channel(alice, "hook", receiver.url)
    one = open_one()
    deliver(TOLD)
    set_policy('maintenance: [{until: "2026-11-23T20:00:00Z", reason: disks}]')
    for hour in range(1, 8):
        deliver(NOON + hour * HOUR)
    assert told(receiver) == [("opened", 1)]
    assert incident(one).handling_reason == "In maintenance until 2026-11-23 20:00 UTC (disks)."
    deliver(NOON + 8 * HOUR)
    assert (told(receiver)[1:], incident(one).handling) == ([("reminder", 1)], "delivered")


def test_what_another_incident_explains_is_told_when_that_is_over(alice: Actor, receiver: Receiver) -> None:
    add_channel(alice, "hook", receiver.url)
    set_policy("inhibit: [{when: {jobs: production/vpn}, mutes: {jobs: production/job-*}, equal: endpoint}]")
    parent = open_one(7, job_name="vpn", endpoint_name="web1")
    one, other = open_one(1, endpoint_name="web1"), open_one(2, endpoint_name="web2")
    deliver(TOLD)
    assert [incident(each).handling for each in (parent, one, other)] == ["delivered", "inhibited", "delivered"]
    assert incident(one).handling_reason == "Not told while production/vpn on web1 has an open incident."
    assert told(receiver) == [("opened", 2)]
    close(parent, NOON + 5 * MINUTE)
    deliver(NOON + 11 * MINUTE)
    assert incident(one).handling == "delivered"


def test_a_route_that_matches_decides_and_escalates(alice: Actor, receiver: Receiver) -> None:
    add_channel(alice, "hook", f"{receiver.url}/hook")
    add_channel(alice, "phone", f"{receiver.url}/phone")
    set_policy(ROUTES)
    one = open_one()
    other = open_one(1, namespace="staging")
    deliver(TOLD)
    assert [each.path for each in receiver.received] == ["/hook"]
    assert (incident(other).handling, incident(other).handling_reason) == (
        "nobody",
        "No route in crontopus.yaml matches it.",
    )
    deliver(NOON + 15 * MINUTE)
    assert [each.path for each in receiver.received] == ["/hook", "/phone"]
    assert incident(one).handling_reason == "The route night tells: hook, phone. There is no channel pigeon."
    close(one, NOON + HOUR)
    deliver(NOON + HOUR)
    assert sorted(each.path for each in receiver.received[2:]) == ["/hook", "/phone"]


def test_an_acknowledged_incident_does_not_escalate(alice: Actor, receiver: Receiver) -> None:
    add_channel(alice, "hook", f"{receiver.url}/hook")
    add_channel(alice, "phone", f"{receiver.url}/phone")
    set_policy(ROUTES)
    one = open_one()
    deliver(TOLD)
    with writing() as session:
        board.acknowledge(session, alice, one, NOON + MINUTE)
    deliver(NOON + 15 * MINUTE)
    assert [each.path for each in receiver.received] == ["/hook"]


def test_without_a_channel_the_incident_says_so_and_is_told_once_there_is_one(alice: Actor, receiver: Receiver) -> None:
    one = open_one()
    deliver(TOLD)
    assert incident(one).handling_reason == "There is no channel. Add one on the page Channels."
    add_channel(alice, "hook", receiver.url)
    deliver(TOLD + SECOND)
    assert told(receiver) == [("opened", 1)]


def test_a_receiver_that_is_down_gets_the_message_later_with_the_same_id(alice: Actor, receiver: Receiver) -> None:
    add_channel(alice, "hook", receiver.url)
    receiver.answers = [(503, {}, b"later"), (429, {"retry-after": "40"}, b"slow down")]
    open_one()
    deliver(TOLD)
    assert states() == [("opened", "waiting")]
    deliver(TOLD + 7 * SECOND)
    deliver(TOLD + 40 * SECOND)
    assert len(receiver.received) == 2
    deliver(TOLD + 50 * SECOND)
    assert states() == [("opened", "sent")]
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 1


def test_a_message_that_is_repeated_holds_up_its_own_incident_only(alice: Actor, receiver: Receiver) -> None:
    add_channel(alice, "hook", receiver.url)
    set_policy("routes: {all: {channels: [hook], group: {interval: 0s}}}")
    receiver.answers = [(429, {"retry-after": "600"}, b"")]
    one = open_one()
    deliver(TOLD)
    open_one(1, TOLD)
    close(one, TOLD + SECOND)
    deliver(TOLD + 30 * SECOND)
    assert [each.json["data"]["incidents"][0]["title"] for each in receiver.received] == [
        "production/job-0 on db01",
        "production/job-1 on db01",
    ]
    assert sorted(states()) == [("closed", "waiting"), ("opened", "sent"), ("opened", "waiting")]
    deliver(TOLD + 600 * SECOND)
    assert sorted(states()) == [("closed", "cancelled"), ("opened", "cancelled"), ("opened", "sent")]


def test_after_a_day_a_message_is_given_up_and_the_timeline_says_so(alice: Actor, receiver: Receiver) -> None:
    add_channel(alice, "hook", receiver.url)
    set_policy("routes: {all: {channels: [hook], repeat: 90d}}")
    receiver.answers = [(500, {}, b"broken")] * 100
    open_one()
    for hour in range(0, 28, 2):
        deliver(TOLD + hour * HOUR)
    assert states() == [("opened", "failed")]
    with reading() as session:
        entries = [each.text for each in session.exec(select(IncidentEvent).where(IncidentEvent.kind == "not told"))]
    assert entries == ["hook was not told (opened): HTTP 500: broken"]


def test_never_opened_after_closed_and_no_closing_of_what_was_not_told(alice: Actor, receiver: Receiver) -> None:
    add_channel(alice, "hook", receiver.url)
    receiver.answers = [(503, {}, b"")]
    one = open_one()
    deliver(TOLD)
    close(one, TOLD + SECOND)
    for second in range(60):
        deliver(TOLD + second * SECOND)
    assert states() == [("closed", "cancelled"), ("opened", "cancelled")] or states() == [
        ("opened", "cancelled"),
        ("closed", "cancelled"),
    ]
    assert len(receiver.received) == 1


def test_a_worker_that_dies_before_marking_repeats_the_message_once(
    alice: Actor, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel_id = add_channel(alice, "hook", receiver.url)
    open_one()
    while notify.notify_due(TOLD):
        pass
    ((_, delivery_id),) = sender.due(TOLD)
    with reading() as session:
        delivery = session.get_one(Delivery, delivery_id)
        channel = session.get_one(receivers.Channel, channel_id)
        notice = sender.facts.notice(session, delivery, TOLD)
    sender.send(channel, notice, TOLD)  # and then it is killed
    deliver(TOLD + SECOND)
    assert len(receiver.received) == 2
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 1


def test_a_channel_that_is_gone_for_good_is_broken(alice: Actor, receiver: Receiver) -> None:
    channel_id = add_channel(alice, "hook", receiver.url)
    receiver.answers = [(410, {}, b"gone")]
    open_one()
    deliver(TOLD)
    with reading() as session:
        (channel,) = receivers.list_all(session, alice)
        assert [each.state for each in receivers.deliveries(session, alice, channel_id)] == ["failed"]
    assert (channel.state, channel.problem) == ("broken", "HTTP 410: gone")


def test_a_pager_gets_each_incident_by_itself(alice: Actor) -> None:
    with writing() as session:
        form = wire_alerts.ChannelRequest("pager", "pagerduty", {"key": "a" * 32})
        receivers.create(session, alice, form, NOON)
    for number in range(3):
        open_one(number)
    while notify.notify_due(TOLD):
        pass
    with reading() as session:
        assert [row.total for row in session.exec(select(Delivery))] == [1, 1, 1]


def test_mail_without_a_mail_server_lands_in_the_outbox(alice: Actor) -> None:
    add_channel(alice, "mail", "oncall@example.com", "email")
    open_one()
    deliver(TOLD)
    with reading() as session:
        (mail,) = receivers.outbox(session, alice)
        assert session.exec(select(Mail)).one().tenant_id == "alice"
    assert (mail.recipient, mail.subject) == ("oncall@example.com", "DOWN production/job-0 on db01: exit 1")
    assert states() == [("opened", "sent")]


def test_trying_a_channel(alice: Actor, receiver: Receiver) -> None:
    channel_id = add_channel(alice, "hook", receiver.url)
    with writing() as session:
        receivers.test(session, alice, channel_id, NOON)
    deliver(NOON)
    assert told(receiver) == [("test", 1)]


def test_secrets_are_sealed_and_never_shown(alice: Actor, receiver: Receiver) -> None:
    secret = f"{receiver.url}/T0P-SECRET"
    channel_id = add_channel(alice, "hook", secret)
    with reading() as session:
        row = session.get_one(receivers.Channel, channel_id)
        listed = receivers.list_all(session, alice)
    assert "SECRET" not in row.settings
    assert "SECRET" not in json.dumps([vars(each) for each in listed], default=str)
    with writing() as session:
        form = wire_alerts.ChannelRequest("renamed", "webhook", {"url": receivers.MASK, "format": "cloudevents"})
        receivers.change(session, alice, channel_id, form, NOON)
        receivers.test(session, alice, channel_id, NOON)
    deliver(NOON)
    assert receiver.received[0].path == "/T0P-SECRET"
    assert receiver.received[0].json["type"] == "io.crontopus.incident.test.v1"


def test_every_incident_says_what_became_of_it(alice: Actor, receiver: Receiver) -> None:
    """None is left waiting, whatever the policy."""
    add_channel(alice, "hook", receiver.url)
    for policy in ("", ROUTES, "silences: [{until: 2027-01-01T00:00:00Z}]"):
        set_policy(policy)
        opened = [open_one(number, namespace=space) for number, space in enumerate(("production", "staging"))]
        deliver(TOLD)
        for each in opened:
            assert incident(each).handling in ("delivered", "silenced", "nobody", "bundled")
            assert incident(each).handling_reason
            close(each, TOLD)
        deliver(TOLD)


def test_alertmanager_is_told_again_each_minute_while_an_incident_is_open(alice: Actor, receiver: Receiver) -> None:
    form = wire_alerts.ChannelRequest("am", "alertmanager", {"server": receiver.url})
    with writing() as session:
        receivers.create(session, alice, form, NOON)
    turns = refresh.Turns()
    one, _two = open_one(1), open_one(2)
    refresh_due(turns, NOON)
    assert receiver.received == []  # nobody was told yet
    deliver(TOLD)
    assert [len(each.json) for each in receiver.received] == [1, 1]
    refresh_due(turns, NOON + 59 * SECOND)
    refresh_due(turns, NOON + MINUTE)
    assert [len(each.json) for each in receiver.received] == [1, 1, 2]
    assert {alert["endsAt"][11:19] for alert in receiver.received[-1].json} == {"12:06:00"}
    close(one, NOON + 2 * MINUTE)
    deliver(NOON + 2 * MINUTE)
    (ended,) = receiver.received[-1].json
    assert (ended["labels"]["job_name"], ended["endsAt"][11:19]) == ("job-1", "12:02:00")
    refresh_due(turns, NOON + 2 * MINUTE)
    assert [alert["labels"]["job_name"] for alert in receiver.received[-1].json] == ["job-2"]


def refresh_due(turns: refresh.Turns, now: datetime) -> None:
    for channel_id in turns.due(now, ()):
        refresh.refresh(channel_id, sender.send, now)


def test_a_channel_is_not_refreshed_while_a_message_to_it_is_under_way(alice: Actor, receiver: Receiver) -> None:
    form = wire_alerts.ChannelRequest("am", "alertmanager", {"server": receiver.url})
    with writing() as session:
        channel = receivers.create(session, alice, form, NOON).id
    turns = refresh.Turns()
    assert turns.due(NOON, {channel}) == []
    assert turns.due(NOON + SECOND, ()) == [channel]
    assert turns.due(NOON + 2 * SECOND, ()) == []


def test_acknowledging_is_told_to_pagers_that_were_told_of_the_start(alice: Actor, receiver: Receiver) -> None:
    add_channel(alice, "hook", receiver.url)
    with writing() as session:
        form = wire_alerts.ChannelRequest("pager", "pagerduty", {"key": "a" * 32})
        receivers.create(session, alice, form, NOON)
    told_one = open_one(1)
    while notify.notify_due(TOLD):
        pass
    not_told = open_one(2, TOLD)
    with writing() as session:
        for one in (told_one, told_one, not_told):
            board.acknowledge(session, alice, one, TOLD)
    with reading() as session:
        rows = session.exec(select(Delivery).where(Delivery.event == "acknowledged")).all()
        pager = receivers.list_all(session, alice)[1]
        assert [(row.channel_id, row.incident_id) for row in rows] == [(pager.id, told_one)]


def test_an_acknowledgement_is_not_sent_after_the_end(alice: Actor) -> None:
    with writing() as session:
        form = wire_alerts.ChannelRequest("pager", "pagerduty", {"key": "a" * 32})
        receivers.create(session, alice, form, NOON)
    one = open_one()
    while notify.notify_due(TOLD):
        pass
    with writing() as session:
        board.acknowledge(session, alice, one, TOLD)
    close(one, TOLD + SECOND)
    deliver(TOLD + SECOND)
    assert ("acknowledged", "cancelled") in states()
