"""Microsoft Teams, through the webhook of a workflow: https://learn.microsoft.com/connectors/teams/"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crontopus_app.alerts.channels.base import HOOK_URL, Answer, HttpKind, HttpRequest, Setting, Verdict, post_json
from crontopus_app.alerts.notice import Notice, cut, cut_tail, headline, lines, octets, printable

COLOURS = {"closed": "Good", "test": "Accent"}
# A message may have 28 KB, and each line costs about 130 bytes beside its text.
MOST_LINES, MOST_OCTETS = 60, 9000


class Teams(HttpKind):
    name, label = "teams", "Microsoft Teams"
    confirms = False
    settings = (
        Setting(
            "url",
            "Workflow URL",
            secret=True,
            hint="of the workflow “Send webhook alerts to a channel”",
            pattern=HOOK_URL,
            wrong="Paste the workflow's URL, which begins with https://.",
        ),
    )

    def requests(self, settings: Mapping[str, str], notice: Notice) -> list[HttpRequest]:
        title = cut(headline(notice), 1000, octets)
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.2",
            "fallbackText": title,
            "body": [_line(title, weight="Bolder", color=COLOURS.get(notice.event, "Attention")), *_body(notice)],
            "actions": [{"type": "Action.OpenUrl", "title": "Open in Crontopus", "url": notice.url}],
        }
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
        return [post_json(settings["url"], {"type": "message", "attachments": [attachment]})]

    def judge(self, answer: Answer, now: datetime) -> Verdict:
        verdict = super().judge(answer, now)
        if verdict.outcome != "sent":
            return verdict
        return Verdict("sent", f"HTTP {answer.status}: the workflow was started. Whether it posts, Teams does not say.")


def _body(notice: Notice) -> list[dict[str, Any]]:
    shown = [printable(line) for line in "\n".join(lines(notice)).split("\n") if line]
    kept = cut_tail("\n".join(shown[-MOST_LINES:]), MOST_OCTETS, octets).split("\n")
    return [_line(line, fontType="Monospace") for line in kept]


def _line(text: str, **style: str) -> dict[str, Any]:
    """A line of text without Markdown: a TextBlock would make the asterisks of ``0 2 * * *`` bold."""
    run = {"type": "TextRun", "text": text, **style}
    return {"type": "RichTextBlock", "spacing": "None", "inlines": [run]}
