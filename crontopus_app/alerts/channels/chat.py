"""Chats: Slack, Discord, Telegram and ntfy. Limits as of November 2026, counted as each of them counts."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from crontopus_app.alerts.channels.base import HOOK_URL, Answer, HttpKind, HttpRequest, Setting, Verdict, post_json
from crontopus_app.alerts.notice import Notice, cut, cut_tail, headline, lines, octets, utf16_units

GREEN, RED, BLUE = 0x1A7F37, 0xCF222E, 0x0969DA
MARKDOWN = re.compile(r"[\\*_~|`\[\]]")


def _rest(notice: Notice) -> str:
    return "\n".join(lines(notice))


class Slack(HttpKind):
    """An incoming webhook: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"""

    name, label = "slack", "Slack"
    settings = (
        Setting(
            "url",
            "Webhook URL",
            secret=True,
            hint="https://hooks.slack.com/services/…",
            pattern=HOOK_URL,
            wrong="Paste the webhook's URL, which begins with https://.",
        ),
    )

    def requests(self, settings: Mapping[str, str], notice: Notice) -> list[HttpRequest]:
        title = _slack(cut(headline(notice), 500))
        text = _slack(cut_tail(_rest(notice), 2990, lambda part: utf16_units(_slack(part))))
        # A link's text has no mark-up of its own, and its end and its address end at these two characters.
        url = notice.url.replace("|", "%7C").replace(">", "%3E")
        blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": f"*<{url}|{title}>*"}}]
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"```{text}```"}})
        return [post_json(settings["url"], {"text": title, "blocks": blocks})]

    def judge(self, answer: Answer, now: datetime) -> Verdict:
        if answer.status == 404 or (answer.status == 400 and b"invalid_token" in answer.body):
            return Verdict("broken", f"HTTP {answer.status}: the webhook no longer exists")
        return super().judge(answer, now)


def _slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("```", "'''")


class Discord(HttpKind):
    """A channel's webhook: https://docs.discord.com/developers/resources/webhook#execute-webhook"""

    name, label = "discord", "Discord"
    settings = (
        Setting(
            "url",
            "Webhook URL",
            secret=True,
            hint="https://discord.com/api/webhooks/…",
            pattern=HOOK_URL,
            wrong="Paste the webhook's URL, which begins with https://.",
        ),
    )

    def requests(self, settings: Mapping[str, str], notice: Notice) -> list[HttpRequest]:
        colour = GREEN if notice.event == "closed" else BLUE if notice.event == "test" else RED
        text = cut_tail(_rest(notice), 4000, utf16_units).replace("```", "'''")
        title = cut(MARKDOWN.sub(r"\\\g<0>", headline(notice)), 256, utf16_units)
        embed = {"title": title, "description": f"```\n{text}\n```", "color": colour, "url": notice.url}
        url = settings["url"] + ("&" if "?" in settings["url"] else "?") + "wait=true"
        return [post_json(url, {"content": "", "embeds": [embed], "allowed_mentions": {"parse": []}})]

    def judge(self, answer: Answer, now: datetime) -> Verdict:
        if answer.status == 404:
            return Verdict("broken", "HTTP 404: the webhook no longer exists")
        return _with_delay(super().judge(answer, now), _number_at(answer, "retry_after"))


class Telegram(HttpKind):
    """A bot: https://core.telegram.org/bots/api#sendmessage"""

    name, label = "telegram", "Telegram"
    settings = (
        Setting(
            "token",
            "Bot token",
            secret=True,
            pattern="[0-9]{1,20}:[-A-Za-z0-9_]{20,80}",
            wrong="Paste the bot's token.",
        ),
        Setting("chat", "Chat id", pattern=r"-?[0-9]{1,20}|@\w{1,64}", wrong="Write the chat's number or @name."),
        Setting("thread", "Topic id", required=False, pattern=r"[0-9]{1,20}", wrong="Write the topic's number."),
    )
    GONE = re.compile(
        "Forbidden: (the group chat was deleted|bot was blocked by the user|user is deactivated|bot was kicked)"
        "|Bad Request: chat not found|Unauthorized"
    )

    def requests(self, settings: Mapping[str, str], notice: Notice) -> list[HttpRequest]:
        title = html.escape(cut(headline(notice), 500, utf16_units), quote=False)
        # Telegram counts the text after it has read the mark-up, so the escaped characters count as one.
        text = html.escape(cut_tail(_rest(notice), 3500, utf16_units), quote=False)
        message = f'<b><a href="{html.escape(notice.url)}">{title}</a></b>\n<pre>{text}</pre>'
        body: dict[str, Any] = {"chat_id": settings["chat"], "text": message, "parse_mode": "HTML"}
        body |= {"message_thread_id": int(settings["thread"])} if settings.get("thread") else {}
        return [post_json(f"https://api.telegram.org/bot{settings['token']}/sendMessage", body)]

    def judge(self, answer: Answer, now: datetime) -> Verdict:
        moved_to = _number_at(answer, "parameters", "migrate_to_chat_id")
        if moved_to is not None:
            return Verdict("broken", f"The group has become a supergroup. Change the chat id to {moved_to:.0f}.")
        gone = self.GONE.search(answer.body.decode(errors="replace"))
        if answer.status in (400, 401, 403) and gone:
            return Verdict("broken", f"HTTP {answer.status}: {gone.group(0)}")
        return _with_delay(super().judge(answer, now), _number_at(answer, "parameters", "retry_after"))


class Ntfy(HttpKind):
    """A topic of ntfy: https://docs.ntfy.sh/publish/#publish-as-json"""

    name, label = "ntfy", "ntfy"
    settings = (
        Setting("server", "Server", required=False, hint="https://ntfy.sh", pattern=r"https?://[^\s/@]+"),
        Setting("topic", "Topic", secret=True, pattern="[-A-Za-z0-9_]{1,64}", wrong="Use letters, digits, - and _."),
        Setting("token", "Access token", secret=True, required=False, pattern="[-A-Za-z0-9_]{1,200}"),
    )

    def requests(self, settings: Mapping[str, str], notice: Notice) -> list[HttpRequest]:
        body: dict[str, Any] = {
            "topic": settings["topic"],
            "title": cut(headline(notice), 200, octets),
            "message": cut_tail(_rest(notice), 4000, octets),
            "priority": 3 if notice.event in ("closed", "test") else 4,
            "tags": ["white_check_mark" if notice.event == "closed" else "rotating_light"],
            "click": notice.url,
        }
        token = {"authorization": f"Bearer {settings['token']}"} if settings.get("token") else {}
        return [post_json(settings.get("server") or "https://ntfy.sh", body, token)]


def _number_at(answer: Answer, *path: str) -> float | None:
    """The number at ``path`` in the answer's JSON."""
    try:
        value = json.loads(answer.body)
        for name in path:
            value = value[name]
        return float(value)
    except (ValueError, TypeError, KeyError, IndexError):
        return None


def _with_delay(verdict: Verdict, seconds: float | None) -> Verdict:
    """The verdict with the delay that the answer's body asks for."""
    return replace(verdict, seconds=seconds) if verdict.outcome == "retry" and seconds is not None else verdict
