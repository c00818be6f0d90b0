"""What each kind of channel sends, how it stays in the receiver's limits, and what it makes of answers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from crontopus_app.alerts import outbound
from crontopus_app.alerts.channels.base import Answer, HttpKind
from crontopus_app.alerts.kinds import KINDS
from crontopus_app.alerts.notice import IncidentFacts, Notice, cut_tail, headline, in_words, utf16_units
from tests.alerts.receiver import Receiver
from tests.cast import NOON

INCIDENT = IncidentFacts(
    id="8f14e45f-ceea-467f-a8f1-0d3b6a7c1e11",
    cause="failing",
    title="production/backup on db01",
    what="exit 1",
    since=NOON - timedelta(minutes=2),
    url="https://cron.example.com/incidents/8f14e45f-ceea-467f-a8f1-0d3b6a7c1e11",
    why="",
    namespace="production",
    job="backup",
    endpoint="db01",
    output_tail="a & b <c>\n```\n@everyone *bold*\nlast line",
)
OPENED = Notice("d1", "opened", "acme", NOON, (INCIDENT,), 1, "https://cron.example.com")
CLOSED = replace(OPENED, event="closed", incidents=(replace(INCIDENT, closed_at=NOON),))
ACKNOWLEDGED = replace(OPENED, event="acknowledged")
TEST = replace(OPENED, event="test", incidents=())
LONG = replace(OPENED, incidents=(replace(INCIDENT, output_tail="&" * 9000 + "\n" + "é" * 9000 + "\nthe error"),))
URL = {"url": "https://hooks.example.com/T/B/x"}
SETTINGS: dict[str, dict[str, str]] = {
    "webhook": URL,
    "slack": URL,
    "discord": URL,
    "telegram": {"token": "123456:" + "a" * 35, "chat": "-100"},
    "ntfy": {"topic": "cron"},
    "pagerduty": {"key": "a" * 32},
    "teams": URL,
    "googlechat": URL,
    "gotify": {"server": "https://gotify.example.com/", "token": "AbCdEf.123"},
    "jsm": {"key": "0000-key-of-an-integration"},
    "alertmanager": {"server": "https://alertmanager.example.com", "authorization": "Bearer abc"},
    "icinga": {"server": "https://icinga.example.com:5665", "user": "crontopus", "password": "pä:ss"},
    "goalert": {"server": "https://goalert.example.com/", "token": "3e0ab4e5-0000-4000-8000-000000000000"},
}
EMOJIS = replace(
    OPENED, incidents=(replace(INCIDENT, what="🔥" * 1500, output_tail="🧨" * 9000 + "\n\x1b[31mthe error"),)
)
FORTY = replace(
    OPENED,
    incidents=tuple(replace(INCIDENT, id=str(n), why='"why" \\ ' * 60) for n in range(10)),
    total=40,
)


def kind(name: str) -> HttpKind:
    found = KINDS[name]
    assert isinstance(found, HttpKind)
    return found


def sent(name: str, notice: Notice, **settings: str) -> Any:
    (request,) = kind(name).requests(SETTINGS[name] | settings, notice)
    return json.loads(request.body)


def answered(name: str, status: int, body: bytes = b"", **headers: str) -> tuple[str, float | None]:
    verdict = kind(name).judge(Answer(status, headers, body), NOON)
    return verdict.outcome, verdict.seconds


@pytest.mark.parametrize(
    ("notice", "words"),
    [
        (OPENED, "DOWN production/backup on db01: exit 1"),
        (replace(OPENED, event="reminder"), "STILL DOWN production/backup on db01: exit 1"),
        (CLOSED, "UP production/backup on db01 after 2 min"),
        (replace(OPENED, total=40), "DOWN 40 problems: production/backup on db01 and 39 more"),
        (TEST, "TEST: this channel receives the alerts of acme"),
    ],
)
def test_the_first_line_says_it(notice: Notice, words: str) -> None:
    assert headline(notice) == words


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(0, "less than a minute"), (12, "12 min"), (185, "3 h 5 min"), (3000, "2 d 2 h")],
)
def test_durations_in_words(minutes: int, words: str) -> None:
    assert in_words(timedelta(minutes=minutes)) == words


def test_a_cut_keeps_the_end() -> None:
    text = "\n".join(f"line {number}" for number in range(1000))
    found = cut_tail(text, 200)
    assert len(found) <= 200
    assert found.endswith("line 999")
    assert found.startswith("… 98")


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize(
    "notice", [OPENED, CLOSED, TEST, LONG, EMOJIS, FORTY, replace(OPENED, event="reminder", total=40)]
)
def test_every_kind_tells_every_event(name: str, notice: Notice) -> None:
    (request,) = kind(name).requests(SETTINGS[name], notice)
    assert request.url.startswith("https://")
    if (name, notice) == ("icinga", TEST):  # a result would change a service's state
        assert (request.method, request.body) == ("GET", b"")
    else:
        assert (request.method, bool(json.loads(request.body))) == ("POST", True)


def test_a_webhook_is_signed_as_standard_webhooks_says() -> None:
    key = bytes(range(32))
    secret = "whsec_" + base64.b64encode(key).decode()
    (request,) = kind("webhook").requests(URL | {"secret": secret}, OPENED)
    seconds = str(int(NOON.timestamp()))
    expected = base64.b64encode(hmac.new(key, f"d1.{seconds}.".encode() + request.body, hashlib.sha256).digest())
    assert request.headers == {
        "content-type": "application/json",
        "webhook-id": "d1",
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{expected.decode()}",
    }
    body = json.loads(request.body)
    assert (body["type"], body["timestamp"]) == ("incident.opened", "2026-11-23T12:00:00Z")
    assert body["data"]["incidents"][0]["title"] == "production/backup on db01"


def test_the_example_of_standard_webhooks_verifies() -> None:
    """The example of the specification's documentation: the same id, time, body and secret give its signature."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    signed = hmac.new(secret, b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330." + body, hashlib.sha256).digest()
    assert base64.b64encode(signed).decode() == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_webhook_in_alertmanagers_shape() -> None:
    body = sent("webhook", CLOSED, format="alertmanager")
    (alert,) = body["alerts"]
    assert (body["version"], body["status"], alert["status"]) == ("4", "resolved", "resolved")
    assert (alert["startsAt"], alert["endsAt"]) == ("2026-11-23T11:58:00Z", "2026-11-23T12:00:00Z")
    assert not {"job", "instance"} & alert["labels"].keys()


def test_a_webhook_as_a_cloudevent() -> None:
    body = sent("webhook", OPENED, format="cloudevents")
    assert (body["specversion"], body["id"], body["type"]) == ("1.0", "d1", "io.crontopus.incident.opened.v1")


def test_slack_escapes_its_mark_up_and_stays_in_its_limits() -> None:
    text = sent("slack", OPENED)["blocks"][1]["text"]["text"]
    assert "a &amp; b &lt;c&gt;" in text
    assert text.count("```") == 2
    long = sent("slack", LONG)["blocks"][1]["text"]["text"]
    assert len(long) <= 3000
    assert long.endswith("the error```")


def test_discord_pings_nobody_and_stays_in_its_limits() -> None:
    body = sent("discord", LONG)
    assert body["allowed_mentions"] == {"parse": []}
    assert len(body["embeds"][0]["description"]) <= 4096
    assert len(body["embeds"][0]["title"]) <= 256


def test_discord_shows_names_as_they_are() -> None:
    body = sent("discord", replace(OPENED, incidents=(replace(INCIDENT, title="production/my_job_x on db01"),)))
    assert body["embeds"][0]["title"] == r"DOWN production/my\_job\_x on db01: exit 1"


def test_emojis_count_twice_where_the_receiver_counts_so() -> None:
    telegram = sent("telegram", EMOJIS)["text"]
    assert utf16_units(re.sub("<[^>]+>", "", telegram)) <= 4096
    assert telegram.endswith("the error</pre>")
    embed = sent("discord", EMOJIS)["embeds"][0]
    assert utf16_units(embed["title"]) <= 256
    assert utf16_units(embed["description"]) <= 4096
    assert all(utf16_units(block["text"]["text"]) <= 3000 for block in sent("slack", EMOJIS)["blocks"])


def test_ntfy_counts_bytes() -> None:
    """A longer message becomes an attachment, or is refused."""
    message = sent("ntfy", EMOJIS)["message"]
    assert len(message.encode()) <= 4096
    assert message.endswith("the error")


@pytest.mark.parametrize("name", ["slack", "discord", "telegram"])
def test_chats_link_to_the_incident(name: str) -> None:
    """A code block, in which the text is, has no links."""
    text = json.dumps(sent(name, OPENED))
    assert f'"{INCIDENT.url}' in text or f"<{INCIDENT.url}|" in text
    assert "https://cron.example.com/incidents" in json.dumps(sent(name, replace(OPENED, total=3)))


@pytest.mark.parametrize("notice", [OPENED, LONG, EMOJIS, FORTY])
def test_teams_stays_in_28_kilobytes_without_markdown(notice: Notice) -> None:
    (request,) = kind("teams").requests(URL, notice)
    assert len(request.body) <= 28 * 1024
    card = json.loads(request.body)["attachments"][0]["content"]
    assert card["body"][0]["inlines"][0]["text"].startswith("DOWN ")
    assert {element["type"] for element in card["body"]} == {"RichTextBlock"}
    assert card["actions"][0]["url"] == notice.url


def test_teams_shows_the_output_with_its_end_last() -> None:
    last = sent("teams", EMOJIS)["attachments"][0]["content"]["body"][-1]["inlines"][0]
    assert (last["text"], last["fontType"]) == ("\u2400[31mthe error", "Monospace")


def test_teams_says_that_it_does_not_confirm() -> None:
    assert not kind("teams").confirms
    verdict = kind("teams").judge(Answer(202, {}, b""), NOON)
    assert (verdict.outcome, "Teams does not say" in verdict.words) == ("sent", True)


def test_jsm_opens_and_closes_by_one_alias() -> None:
    (opened,) = kind("jsm").requests(SETTINGS["jsm"], OPENED)
    (closed,) = kind("jsm").requests(SETTINGS["jsm"] | {"product": "opsgenie-eu"}, CLOSED)
    alert = json.loads(opened.body)
    assert opened.url == "https://api.atlassian.com/jsm/ops/integration/v2/alerts"
    assert opened.headers["authorization"] == "GenieKey 0000-key-of-an-integration"
    assert (alert["alias"], alert["priority"]) == (f"crontopus:acme:{INCIDENT.id}", "P2")
    assert closed.url == (
        f"https://api.eu.opsgenie.com/v2/alerts/crontopus%3Aacme%3A{INCIDENT.id}/close?identifierType=alias"
    )
    (acknowledged,) = kind("jsm").requests(SETTINGS["jsm"], ACKNOWLEDGED)
    assert acknowledged.url.endswith(f"/v2/alerts/crontopus%3Aacme%3A{INCIDENT.id}/acknowledge?identifierType=alias")
    assert json.loads(acknowledged.body)["note"] == "ACKNOWLEDGED production/backup on db01: exit 1"
    assert json.loads(closed.body)["note"] == "UP production/backup on db01 after 2 min"


def test_jsm_stays_in_its_limits() -> None:
    alert = sent("jsm", EMOJIS)
    assert (len(alert["message"]), alert["message"][-1]) == (130, "…")
    assert len(alert["description"]) <= 15_000


def test_goalert_opens_and_closes_by_one_key() -> None:
    (opened,) = kind("goalert").requests(SETTINGS["goalert"], OPENED)
    assert opened.url == (
        "https://goalert.example.com/api/v2/generic/incoming?token=3e0ab4e5-0000-4000-8000-000000000000"
    )
    body, closing = json.loads(opened.body), sent("goalert", CLOSED)
    assert body["dedup"] == closing["dedup"] == f"crontopus:acme:{INCIDENT.id}"
    assert (body.get("action"), closing["action"]) == (None, "close")
    assert len(sent("goalert", EMOJIS)["details"].encode()) <= 6144


def test_an_alert_ends_by_itself_unless_it_is_sent_again() -> None:
    (request,) = kind("alertmanager").requests(SETTINGS["alertmanager"], OPENED)
    assert request.url == "https://alertmanager.example.com/api/v2/alerts"
    assert request.headers["authorization"] == "Bearer abc"
    (alert,), (closed,) = json.loads(request.body), sent("alertmanager", CLOSED)
    assert (alert["startsAt"], alert["endsAt"]) == ("2026-11-23T11:58:00.000000Z", "2026-11-23T12:05:00.000000Z")
    assert closed["endsAt"] == "2026-11-23T12:00:00.000000Z"
    assert alert["labels"] == closed["labels"]
    assert alert["labels"] == {
        "alertname": "Crontopus",
        "tenant": "acme",
        "namespace": "production",
        "job_name": "backup",
        "endpoint": "db01",
        "cause": "failing",
        "severity": "error",
    }
    assert alert["annotations"] == {"summary": "production/backup on db01: exit 1"}


def test_icinga_gets_check_results() -> None:
    (request,) = kind("icinga").requests(SETTINGS["icinga"], OPENED)
    assert request.url == "https://icinga.example.com:5665/v1/actions/process-check-result"
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode() == "crontopus:pä:ss"
    body = json.loads(request.body)
    assert (body["service"], body["exit_status"]) == ("db01!production-backup", 2)
    assert body["plugin_output"].startswith("DOWN production/backup on db01: exit 1\n")
    assert sent("icinga", CLOSED)["exit_status"] == 0
    warning = replace(OPENED, incidents=(replace(INCIDENT, severity="warning"),))
    assert sent("icinga", warning, service="cron!{job}@{endpoint}")["service"] == "cron!backup@db01"
    assert sent("icinga", warning)["exit_status"] == 1


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((200, {}, b"ok"), ("sent", None)),
        ((302, {"location": "/inside"}, b""), ("failed", None)),
        ((410, {}, b"gone"), ("broken", None)),
        ((429, {"Retry-After": "30"}, b"slow down"), ("retry", 30.0)),
        ((503, {}, b""), ("retry", None)),
    ],
)
def test_each_kind_with_a_receiver(
    name: str, answer: tuple[int, dict[str, str], bytes], outcome: tuple[str, float | None], receiver: Receiver
) -> None:
    """The bytes of the request arrive as they are, and its answer is judged, whatever the kind."""
    (request,) = kind(name).requests(SETTINGS[name], OPENED)
    here = re.sub(r"^https://[^/]+", receiver.url, request.url)
    receiver.answers = [answer]
    verdict = kind(name).judge(outbound.send(replace(request, url=here), (ip_network("127.0.0.0/8"),)), NOON)
    (received,) = receiver.received
    assert (received.body, f"{receiver.url}{received.path}".rstrip("/")) == (request.body, here.rstrip("/"))
    assert request.headers.items() <= received.headers.items()
    assert (verdict.outcome, verdict.seconds) == outcome


def test_telegram_escapes_html_and_stays_in_its_limits() -> None:
    body = sent("telegram", OPENED, thread="7")
    assert "a &amp; b &lt;c&gt;" in body["text"]
    assert (body["chat_id"], body["message_thread_id"]) == ("-100", 7)
    shown = sent("telegram", LONG)["text"].replace("&amp;", "&")
    assert len(shown) <= 4096


@pytest.mark.parametrize(
    ("notice", "action"), [(OPENED, "trigger"), (ACKNOWLEDGED, "acknowledge"), (CLOSED, "resolve")]
)
def test_pagerduty_opens_and_resolves_by_one_key(notice: Notice, action: str) -> None:
    body = sent("pagerduty", notice)
    assert (body["event_action"], body["dedup_key"]) == (action, f"crontopus:acme:{INCIDENT.id}")
    assert ("payload" in body) == (action == "trigger")


def test_google_chat_pings_nobody_and_stays_in_its_limits() -> None:
    ping = replace(OPENED, incidents=(replace(INCIDENT, what="<users/all> ```"),))
    title, url, begin, *_text, end = sent("googlechat", ping)["text"].split("\n")
    assert (title, url) == ("DOWN production/backup on db01: ‹users/all› ```", INCIDENT.url)
    assert (begin, end) == ("```", "```")
    assert sent("googlechat", ping)["text"].count("```") == 3
    assert all(len(sent("googlechat", notice)["text"].encode()) <= 4096 for notice in (LONG, EMOJIS, FORTY))


def test_gotify_opens_the_incident_at_a_click() -> None:
    (request,) = kind("gotify").requests(SETTINGS["gotify"], OPENED)
    assert (request.url, request.headers["x-gotify-key"]) == ("https://gotify.example.com/message", "AbCdEf.123")
    body = json.loads(request.body)
    assert (body["title"], body["priority"]) == ("DOWN production/backup on db01: exit 1", 8)
    assert body["extras"]["client::notification"]["click"]["url"] == INCIDENT.url
    assert sent("gotify", CLOSED)["priority"] == 4


def test_pagerduty_names_a_host_that_is_no_job() -> None:
    host = replace(INCIDENT, title="db01", namespace="", job="")
    assert sent("pagerduty", replace(OPENED, incidents=(host,)))["payload"]["component"] == "db01"


def test_pagerduty_stays_in_its_limits() -> None:
    body = sent("pagerduty", replace(LONG, incidents=(replace(LONG.incidents[0], what="x" * 3000),)))
    assert len(body["payload"]["summary"]) == 1024
    assert len(json.dumps(body)) < 512 * 1024


@pytest.mark.parametrize(
    ("name", "status", "body", "headers", "outcome"),
    [
        ("webhook", 204, b"", {}, ("sent", None)),
        ("webhook", 302, b"", {}, ("failed", None)),
        ("webhook", 400, b"", {}, ("failed", None)),
        ("webhook", 410, b"", {}, ("broken", None)),
        ("webhook", 429, b"", {"retry-after": "30"}, ("retry", 30.0)),
        ("webhook", 503, b"", {"retry-after": "Mon, 23 Nov 2026 12:02:00 GMT"}, ("retry", 120.0)),
        ("webhook", 500, b"", {"retry-after": "soon"}, ("retry", None)),
        ("slack", 404, b"no_service", {}, ("broken", None)),
        ("slack", 400, b"invalid_token", {}, ("broken", None)),
        ("slack", 400, b"invalid_blocks", {}, ("failed", None)),
        ("discord", 404, b"", {}, ("broken", None)),
        ("discord", 429, b'{"retry_after": 1.5}', {}, ("retry", 1.5)),
        ("telegram", 429, b'{"parameters": {"retry_after": 7}}', {}, ("retry", 7.0)),
        ("telegram", 403, b'{"description": "Forbidden: bot was blocked by the user"}', {}, ("broken", None)),
        ("telegram", 400, b'{"description": "Bad Request: chat not found"}', {}, ("broken", None)),
        ("telegram", 400, b'{"description": "Bad Request: message is too long"}', {}, ("failed", None)),
        ("telegram", 400, b'{"parameters": {"migrate_to_chat_id": -100123}}', {}, ("broken", None)),
        ("jsm", 202, b"", {}, ("sent", None)),
        ("jsm", 401, b"", {}, ("broken", None)),
        ("goalert", 204, b"", {}, ("sent", None)),
        ("icinga", 401, b"", {}, ("broken", None)),
        ("icinga", 404, b'{"error": 404, "status": "No objects found."}', {}, ("failed", None)),
        ("pagerduty", 202, b"", {}, ("sent", None)),
        ("pagerduty", 400, b"", {}, ("failed", None)),
        ("ntfy", 429, b"", {}, ("retry", None)),
    ],
)
def test_what_answers_mean(
    name: str, status: int, body: bytes, headers: dict[str, str], outcome: tuple[str, float | None]
) -> None:
    assert answered(name, status, body, **headers) == outcome  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("name", "settings", "field"),
    [
        ("webhook", {}, "url"),
        ("webhook", {"url": "ftp://example.com"}, "url"),
        ("webhook", {"url": "https://user:pw@example.com/"}, "url"),
        ("webhook", URL | {"secret": "whsec_c2hvcnQ="}, "secret"),
        ("webhook", URL | {"format": "xml"}, "format"),
        ("webhook", URL | {"colour": "red"}, "colour"),
        ("email", {"to": "a@example.com\r\nBcc: b@example.com"}, "to"),
        ("email", {"to": "a@example.com,b@example.com"}, "to"),
        ("pagerduty", {"key": "short"}, "key"),
        ("telegram", {"token": "x", "chat": "1"}, "token"),
        ("ntfy", {"topic": "cron", "token": "tk_é"}, "token"),
        ("alertmanager", SETTINGS["alertmanager"] | {"authorization": "abc"}, "authorization"),
        ("icinga", SETTINGS["icinga"] | {"service": "db01"}, "service"),
        ("icinga", SETTINGS["icinga"] | {"user": "a:b"}, "user"),
        ("teams", {"url": "http://example.com/x"}, "url"),
        ("jsm", SETTINGS["jsm"] | {"product": "other"}, "product"),
        ("goalert", SETTINGS["goalert"] | {"server": "goalert.example.com"}, "server"),
    ],
)
def test_wrong_settings_are_named(name: str, settings: dict[str, str], field: str) -> None:
    assert [problem.field for problem in KINDS[name].problems(settings)] == [field]


def test_a_request_does_not_show_its_secrets() -> None:
    (request,) = kind("slack").requests(URL, OPENED)
    assert repr(request) == "HttpRequest(POST to hooks.example.com)"
