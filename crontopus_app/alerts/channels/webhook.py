"""Webhooks with the signature of Standard Webhooks (https://www.standardwebhooks.com, version 1.0.0)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from contract.wire import Problem
from crontopus_app.alerts.channels.base import URL, WRONG_URL, HttpKind, HttpRequest, Setting
from crontopus_app.alerts.notice import IncidentFacts, Notice, headline

PREFIX = "whsec_"
FORMATS = ("standard", "alertmanager", "cloudevents")
NEVER = "0001-01-01T00:00:00Z"


class Webhook(HttpKind):
    name, label = "webhook", "Webhook"
    settings = (
        Setting("url", "URL", secret=True, hint="Receives a POST for each message", pattern=URL, wrong=WRONG_URL),
        Setting(
            "secret",
            "Signing secret",
            secret=True,
            required=False,
            hint="whsec_ and Base64 of 24 to 64 bytes; without it, messages are not signed",
        ),
        Setting(
            "format",
            "Format",
            required=False,
            hint="standard, alertmanager or cloudevents",
            pattern="|".join(FORMATS),
            wrong="Write standard, alertmanager or cloudevents.",
        ),
    )

    def problems(self, settings: Mapping[str, str]) -> list[Problem]:
        found = super().problems(settings)
        if settings.get("secret") and _key(settings["secret"]) is None:
            message = "Write whsec_ followed by Base64 of 24 to 64 bytes."
            found.append(Problem(code="bad_value", message=message, field="secret"))
        return found

    def requests(self, settings: Mapping[str, str], notice: Notice) -> list[HttpRequest]:
        shape = settings.get("format") or "standard"
        body = json.dumps(_SHAPES[shape](notice), ensure_ascii=False, separators=(",", ":")).encode()
        kind = "application/cloudevents+json" if shape == "cloudevents" else "application/json"
        headers = {"content-type": kind, **_signature(settings.get("secret", ""), notice, body)}
        return [HttpRequest("POST", settings["url"], headers, body)]


def _key(secret: str) -> bytes | None:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        return None
    return key if 24 <= len(key) <= 64 else None


def _signature(secret: str, notice: Notice, body: bytes) -> dict[str, str]:
    seconds = str(int(notice.at.timestamp()))
    headers = {"webhook-id": notice.delivery_id, "webhook-timestamp": seconds}
    key = _key(secret) if secret else None
    if key is None:
        return headers
    signed = hmac.new(key, f"{notice.delivery_id}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return headers | {"webhook-signature": f"v1,{base64.b64encode(signed).decode()}"}


def _iso(moment: datetime | None) -> str | None:
    return moment and moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _standard(notice: Notice) -> dict[str, Any]:
    data = {
        "headline": headline(notice),
        "tenant": notice.tenant,
        "total": notice.total,
        "incidents": [_facts(incident) for incident in notice.incidents],
        "url": notice.console_url,
    }
    return {"type": f"incident.{notice.event}", "timestamp": _iso(notice.at), "data": data}


def _facts(incident: IncidentFacts) -> dict[str, Any]:
    facts = {name: getattr(incident, name) for name in IncidentFacts.__dataclass_fields__}
    moments = {name: _iso(facts[name]) for name in ("since", "closed_at", "last_good")}
    return facts | moments | {"labels": dict(incident.labels)}


def _alertmanager(notice: Notice) -> dict[str, Any]:
    """The body of Alertmanager's own webhook, version 4."""
    return {
        "version": "4",
        "groupKey": notice.dedup_key,
        "truncatedAlerts": notice.more,
        "status": "resolved" if notice.event == "closed" else "firing",
        "receiver": "crontopus",
        "groupLabels": {},
        "commonLabels": {"tenant": notice.tenant},
        "commonAnnotations": {},
        "externalURL": notice.console_url,
        "alerts": [_alert(incident, notice) for incident in notice.incidents],
    }


def _alert(incident: IncidentFacts, notice: Notice) -> dict[str, Any]:
    labels = {
        "alertname": "Crontopus",
        "tenant": notice.tenant,
        "namespace": incident.namespace,
        "job_name": incident.job,
        "endpoint": incident.endpoint,
        "cause": incident.cause,
        "severity": incident.severity,
    }
    annotations = {"summary": f"{incident.title}: {incident.what}", "description": incident.why}
    annotations |= {"runbook_url": incident.runbook} if incident.runbook else {}
    return {
        "status": "resolved" if incident.closed_at else "firing",
        "labels": labels,
        "annotations": annotations,
        "startsAt": _iso(incident.since),
        "endsAt": _iso(incident.closed_at) or NEVER,
        "generatorURL": incident.url,
        "fingerprint": hashlib.sha256(incident.id.encode()).hexdigest()[:16],
    }


def _cloudevents(notice: Notice) -> dict[str, Any]:
    """A CloudEvent, version 1.0, in structured mode."""
    subject = notice.incidents[0].title if notice.incidents else "test"
    return {
        "specversion": "1.0",
        "id": notice.delivery_id,
        "source": f"/tenants/{notice.tenant}",
        "type": f"io.crontopus.incident.{notice.event}.v1",
        "subject": subject,
        "time": _iso(notice.at),
        "datacontenttype": "application/json",
        "data": _standard(notice)["data"],
    }


_SHAPES = {"standard": _standard, "alertmanager": _alertmanager, "cloudevents": _cloudevents}
