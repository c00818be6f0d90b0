"""GoAlert's generic API: https://github.com/target/goalert, integration key “Generic API”."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from crontopus_app.alerts.channels.base import URL, WRONG_URL, HttpKind, HttpRequest, Setting, post_json
from crontopus_app.alerts.notice import Notice, cut, cut_tail, headline, lines, octets


class GoAlert(HttpKind):
    name, label = "goalert", "GoAlert"
    one_by_one = True
    settings = (
        Setting("server", "Server", hint="https://goalert.example.com", pattern=URL, wrong=WRONG_URL),
        Setting(
            "token",
            "Integration key",
            secret=True,
            hint="the part after token= of a “Generic API” key",
            pattern="[-A-Za-z0-9]{20,100}",
            wrong="Paste the part of the key's URL after token=.",
        ),
    )

    def requests(self, settings: Mapping[str, str], notice: Notice) -> list[HttpRequest]:
        url = f"{settings['server'].rstrip('/')}/api/v2/generic/incoming?token={quote(settings['token'])}"
        body = {
            "summary": cut(headline(notice), 1024, octets),
            "details": cut_tail("\n".join(lines(notice)), 6000, octets),
            "dedup": notice.dedup_key,
        }
        return [post_json(url, body | ({"action": "close"} if notice.event == "closed" else {}))]
