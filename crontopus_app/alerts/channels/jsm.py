"""Jira Service Management's alerts, and Opsgenie's, which they continue.

https://developer.atlassian.com/cloud/jira/service-desk-ops/rest/v2/api-group-integration-events/
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from crontopus_app.alerts.channels.base import Answer, HttpKind, HttpRequest, Setting, Verdict, post_json
from crontopus_app.alerts.notice import Notice, cut, cut_tail, headline, lines

BASES = {
    "jsm": "https://api.atlassian.com/jsm/ops/integration",
    "opsgenie": "https://api.opsgenie.com",
    "opsgenie-eu": "https://api.eu.opsgenie.com",
}
ACTIONS = {"closed": "close", "acknowledged": "acknowledge"}
PRIORITIES = {"critical": "P1", "error": "P2", "warning": "P3", "info": "P5"}


class Jsm(HttpKind):
    name, label = "jsm", "Jira Service Management / Opsgenie"
    one_by_one = True
    acknowledges = True
    settings = (
        Setting(
            "key",
            "API key",
            secret=True,
            hint="of an API integration",
            pattern="[-A-Za-z0-9]{20,100}",
            wrong="Paste the integration's API key.",
        ),
        Setting(
            "product",
            "Product",
            required=False,
            hint="jsm, opsgenie or opsgenie-eu",
            pattern="|".join(BASES),
            wrong="Write jsm, opsgenie or opsgenie-eu.",
        ),
    )

    def requests(self, settings: Mapping[str, str], notice: Notice) -> list[HttpRequest]:
        base = f"{BASES[settings.get('product') or 'jsm']}/v2/alerts"
        login = {"authorization": f"GenieKey {settings['key']}"}
        if notice.event in ACTIONS:
            alias = quote(notice.dedup_key, safe="")
            body = {"source": "Crontopus", "note": cut(headline(notice), 1000)}
            return [post_json(f"{base}/{alias}/{ACTIONS[notice.event]}?identifierType=alias", body, login)]
        return [post_json(base, _alert(notice), login)]

    def judge(self, answer: Answer, now: datetime) -> Verdict:
        if answer.status == 401:
            return Verdict("broken", "HTTP 401: the API key is not valid (any more)")
        return super().judge(answer, now)


def _alert(notice: Notice) -> dict[str, Any]:
    alert: dict[str, Any] = {
        "message": cut(headline(notice), 130),
        "alias": notice.dedup_key,
        "description": cut_tail("\n".join(lines(notice)), 15_000),
        "source": "Crontopus",
        "tags": ["crontopus"],
        "priority": "P5",
    }
    if not notice.incidents:
        return alert
    incident = notice.incidents[0]
    details = {"cause": incident.cause, "url": incident.url, "runbook": incident.runbook, "endpoint": incident.endpoint}
    return alert | {
        "entity": cut(incident.title, 512),
        "priority": PRIORITIES.get(incident.severity, "P3"),
        "details": {name: value for name, value in details.items() if value},
    }
