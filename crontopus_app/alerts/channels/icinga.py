"""Icinga 2, passive check results: https://icinga.com/docs/icinga-2/latest/doc/12-icinga2-api/#process-check-result"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crontopus_app.alerts.channels.base import (
    URL,
    WRONG_URL,
    Answer,
    HttpKind,
    HttpRequest,
    Setting,
    Verdict,
    post_json,
)
from crontopus_app.alerts.notice import Notice, cut_tail, headline, lines

OK, WARNING, CRITICAL = 0, 1, 2
SERVICE = "{endpoint}!{namespace}-{job}"


class Icinga(HttpKind):
    name, label = "icinga", "Icinga"
    one_by_one = True
    settings = (
        Setting("server", "Server", hint="https://icinga.example.com:5665", pattern=URL, wrong=WRONG_URL),
        Setting("user", "API user", pattern="[!-9;-~]{1,100}", wrong="Write the name of the API user."),
        Setting("password", "Password", secret=True),
        Setting(
            "service",
            "Service",
            required=False,
            hint=f"host!service; by default {SERVICE}",
            pattern="[^!]+![^!]+",
            wrong="Write host!service, with {endpoint}, {namespace} and {job} where they belong.",
        ),
    )

    def requests(self, settings: Mapping[str, str], notice: Notice) -> list[HttpRequest]:
        """The check result. A test only asks Icinga who is signed in: a result would change a service's state."""
        server = settings["server"].rstrip("/")
        login = base64.b64encode(f"{settings['user']}:{settings['password']}".encode()).decode()
        headers = {"accept": "application/json", "authorization": f"Basic {login}"}
        if not notice.incidents:
            return [HttpRequest("GET", f"{server}/v1/", headers, b"")]
        return [post_json(f"{server}/v1/actions/process-check-result", _result(settings, notice), headers)]

    def judge(self, answer: Answer, now: datetime) -> Verdict:
        if answer.status == 401:
            return Verdict("broken", "HTTP 401: the API user or its password is wrong")
        return super().judge(answer, now)


def _result(settings: Mapping[str, str], notice: Notice) -> dict[str, Any]:
    incident = notice.incidents[0]
    status = OK if notice.event == "closed" else WARNING if incident.severity in ("warning", "info") else CRITICAL
    service = settings.get("service") or SERVICE
    for name in ("endpoint", "namespace", "job"):
        service = service.replace(f"{{{name}}}", getattr(incident, name))
    return {
        "type": "Service",
        "service": service,
        "exit_status": status,
        "plugin_output": cut_tail("\n".join([headline(notice), *lines(notice)]), 8000),
        "check_source": "Crontopus",
    }
