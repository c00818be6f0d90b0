"""PagerDuty, Events API v2: https://developer.pagerduty.com/docs/events-api-v2/trigger-events/"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from crontopus_app.alerts.channels.base import HttpKind, HttpRequest, Setting
from crontopus_app.alerts.notice import Notice, cut, cut_tail, headline

HOSTS = {"us": "events.pagerduty.com", "eu": "events.eu.pagerduty.com"}
ACTIONS = {"closed": "resolve", "acknowledged": "acknowledge"}


class PagerDuty(HttpKind):
    name, label = "pagerduty", "PagerDuty"
    one_by_one = True
    acknowledges = True
    settings = (
        Setting(
            "key",
            "Integration key",
            secret=True,
            hint="of an “Events API v2” integration",
            pattern=r"[0-9a-zA-Z]{32}",
            wrong="Paste the integration key of 32 characters.",
        ),
        Setting("region", "Region", required=False, hint="us or eu", pattern="us|eu", wrong="Write us or eu."),
    )

    def requests(self, settings: Mapping[str, str], notice: Notice) -> list[HttpRequest]:
        event: dict[str, Any] = {
            "routing_key": settings["key"],
            "event_action": ACTIONS.get(notice.event, "trigger"),
            "dedup_key": notice.dedup_key,
        }
        if event["event_action"] == "trigger":
            event |= _details(notice)
        url = f"https://{HOSTS[settings.get('region') or 'us']}/v2/enqueue"
        return [HttpRequest("POST", url, {"content-type": "application/json"}, json.dumps(event).encode())]


def _details(notice: Notice) -> dict[str, Any]:
    incident = notice.incidents[0] if notice.incidents else None
    payload: dict[str, Any] = {
        "summary": cut(headline(notice), 1024),
        "source": (incident.endpoint or incident.title) if incident else notice.tenant,
        "severity": incident.severity if incident else "info",
        "timestamp": notice.at.isoformat(),
    }
    if incident is not None:
        payload |= {
            "component": f"{incident.namespace}/{incident.job}" if incident.job else incident.title,
            "group": notice.tenant,
            "class": incident.cause,
        }
        details = {"why": incident.why, "output": cut_tail(incident.output_tail, 20_000), "runbook": incident.runbook}
        payload["custom_details"] = {name: value for name, value in details.items() if value}
    url = incident.url if incident else notice.console_url
    return {
        "payload": payload,
        "client": "Crontopus",
        "client_url": url,
        "links": [{"href": url, "text": "Open in Crontopus"}],
    }
