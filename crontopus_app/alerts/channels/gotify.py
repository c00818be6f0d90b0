"""An application of Gotify: https://gotify.net/docs/pushmsg"""

from __future__ import annotations

from collections.abc import Mapping

from crontopus_app.alerts.channels.base import URL, WRONG_URL, HttpKind, HttpRequest, Setting, post_json
from crontopus_app.alerts.notice import Notice, cut, cut_tail, headline, lines


class Gotify(HttpKind):
    name, label = "gotify", "Gotify"
    settings = (
        Setting("server", "Server", hint="https://gotify.example.com", pattern=URL, wrong=WRONG_URL),
        Setting(
            "token",
            "Application token",
            secret=True,
            pattern="[-A-Za-z0-9._]{1,200}",
            wrong="Paste the application's token.",
        ),
    )

    def requests(self, settings: Mapping[str, str], notice: Notice) -> list[HttpRequest]:
        body = {
            "title": cut(headline(notice), 500),
            "message": cut_tail("\n".join(lines(notice)), 10_000),
            "priority": 4 if notice.event in ("closed", "test") else 8,
            "extras": {"client::notification": {"click": {"url": notice.url}}},
        }
        return [post_json(f"{settings['server'].rstrip('/')}/message", body, {"x-gotify-key": settings["token"]})]
