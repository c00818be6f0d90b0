"""A Google Chat space's webhook: https://developers.google.com/workspace/chat/quickstart/webhooks"""

from __future__ import annotations

from collections.abc import Mapping

from crontopus_app.alerts.channels.base import HOOK_URL, HttpKind, HttpRequest, Setting, post_json
from crontopus_app.alerts.notice import Notice, cut, cut_tail, headline, lines, octets


class GoogleChat(HttpKind):
    name, label = "googlechat", "Google Chat"
    settings = (
        Setting(
            "url",
            "Webhook URL",
            secret=True,
            hint="https://chat.googleapis.com/v1/spaces/…",
            pattern=HOOK_URL,
            wrong="Paste the webhook's URL, which begins with https://.",
        ),
    )

    def requests(self, settings: Mapping[str, str], notice: Notice) -> list[HttpRequest]:
        """A code block keeps the text as it is; only ``<users/all>`` outside of it would ping people."""
        title = cut(headline(notice), 300, octets).replace("<", "‹").replace(">", "›")
        text = cut_tail("\n".join(lines(notice)), 3400, octets).replace("```", "'''")
        return [post_json(settings["url"], {"text": f"{title}\n{notice.url}\n```\n{text}\n```"})]
