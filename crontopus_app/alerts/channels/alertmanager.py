"""Prometheus' Alertmanager as a receiver: https://prometheus.io/docs/alerting/latest/alerts_api/

An alert is its set of labels. It ends by itself if it is not sent again in time, so it is sent each minute while open.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from crontopus_app.alerts.channels.base import URL, WRONG_URL, HttpKind, HttpRequest, Setting, post_json
from crontopus_app.alerts.notice import IncidentFacts, Notice, cut

LASTS = timedelta(minutes=5)


class Alertmanager(HttpKind):
    name, label = "alertmanager", "Alertmanager"
    one_by_one = True
    refreshed = True
    settings = (
        Setting(
            "server",
            "Server",
            hint="https://alertmanager.example.com; one channel for each member of a cluster",
            pattern=URL,
            wrong=WRONG_URL,
        ),
        Setting(
            "authorization",
            "Authorization header",
            secret=True,
            required=False,
            hint="Bearer … or Basic …",
            pattern="(Bearer|Basic) [!-~]+",
            wrong="Write Bearer or Basic, a space and the credentials.",
        ),
    )

    def requests(self, settings: Mapping[str, str], notice: Notice) -> list[HttpRequest]:
        login = {"authorization": settings["authorization"]} if settings.get("authorization") else {}
        alerts = [_alert(incident, notice) for incident in notice.incidents] or [_test(notice)]
        return [post_json(f"{settings['server'].rstrip('/')}/api/v2/alerts", alerts, login)]


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
    annotations = {
        "summary": cut(f"{incident.title}: {incident.what}", 1000),
        "description": cut(incident.why, 4000),
        "runbook_url": incident.runbook,
    }
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": _rfc3339(incident.since),
        "endsAt": _rfc3339(incident.closed_at or notice.at + LASTS),
        "generatorURL": incident.url,
    }


def _test(notice: Notice) -> dict[str, Any]:
    return {
        "labels": {"alertname": "CrontopusTest", "tenant": notice.tenant, "severity": "info"},
        "annotations": {"summary": f"This channel receives the alerts of {notice.tenant}."},
        "startsAt": _rfc3339(notice.at),
        "endsAt": _rfc3339(notice.at + LASTS),
        "generatorURL": notice.console_url,
    }


def _rfc3339(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
