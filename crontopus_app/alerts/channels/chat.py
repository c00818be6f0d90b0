"""Chats: Slack, Discord, Telegram and ntfy. Limits as of November 2026, counted in characters as each of them does."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crontopus_app.alerts.channels.base import Answer, HttpKind, HttpRequest, Setting, Verdict
from crontopus_app.alerts.notice import Notice, cut_tail, headline, lines

JSON = {"content-type": "application/json"}
GREEN, RED, BLUE = 0x1A7F37, 0xCF222E, 0x0969DA


def _post(url: str, body: Any) -> list[HttpRequest]:
    return [HttpRequest("POST", url, JSON, json.dumps(body, ensure_ascii=False).encode())]


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
            pattern=r"https://[^\s/@]+/\S+",
            wrong="Paste the webhook's URL, which begins with https://.",
        ),
    )

    def requests(self, settings: Mapping[str, str], notice: Notice) -> list[HttpRequest]:
        title, text = _slack(headline(notice)[:500]), _fitted(_rest(notice))
        blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": f"*{title}*"}}]
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"```{text}```"}})
        return _post(settings["url"], {"text": title, "blocks": blocks})

    def judge(self, answer: Answer, now: datetime) -> Verdict:
        if answer.status == 404 or (answer.status == 400 and b"invalid_token" in answer.body):
            return Verdict("broken", f"HTTP {answer.status}: the webhook no longer exists")
        return super().judge(answer, now)


def _fitted(text: str) -> str:
    """The end of the text, escaped, in the 3,000 characters of a section."""
    most = 2900
    while len(escaped := _slack(cut_tail(text, most))) > 2990:
        most = most * 9 // 10
    return escaped


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
            pattern=r"https://[^\s/@]+/\S+",
            wrong="Paste the webhook's URL, which begins with https://.",
        ),
    )

    def requests(self, settings: Mapping[str, str], notice: Notice) -> list[HttpRequest]:
        colour = GREEN if notice.event == "closed" else BLUE if notice.event == "test" else RED
        text = cut_tail(_rest(notice), 4000).replace("```", "'''")
        embed = {"title": headline(notice)[:256], "description": f"```\n{text}\n```", "color": colour}
        embed["url"] = notice.incidents[0].url if notice.incidents else notice.console_url
        url = settings["url"] + ("&" if "?" in settings["url"] else "?") + "wait=true"
        return _post(url, {"content": "", "embeds": [embed], "allowed_mentions": {"parse": []}})

    def judge(self, answer: Answer, now: datetime) -> Verdict:
        if answer.status == 404:
            return Verdict("broken", "HTTP 404: the webhook no longer exists")
        return _with_body_delay(super().judge(answer, now), answer, ("retry_after",))


class Telegram(HttpKind):
    """A bot: https://core.telegram.org/bots/api#sendmessage"""

    name, label = "telegram", "Telegram"
    settings = (
        Setting("token", "Bot token", secret=True, pattern=r"[0-9]{1,20}:[\w-]{20,80}", wrong="Paste the bot's token."),
        Setting("chat", "Chat id", pattern=r"-?[0-9]{1,20}|@\w{1,64}", wrong="Write the chat's number or @name."),
        Setting("thread", "Topic id", required=False, pattern=r"[0-9]{1,20}", wrong="Write the topic's number."),
    )
    GONE = re.compile(
        "Forbidden: (the group chat was deleted|bot was blocked by the user|user is deactivated|bot was kicked)"
        "|Bad Request: chat not found|Unauthorized"
    )

    def requests(self, settings: Mapping[str, str], notice: Notice) -> list[HttpRequest]:
        title = html.escape(headline(notice)[:500], quote=False)
        # Telegram counts the text after it has read the mark-up, so the escaped characters count as one.
        text = html.escape(cut_tail(_rest(notice), 3500), quote=False)
        body = {"chat_id": settings["chat"], "text": f"<b>{title}</b>\n<pre>{text}</pre>", "parse_mode": "HTML"}
        body |= {"message_thread_id": int(settings["thread"])} if settings.get("thread") else {}
        return _post(f"https://api.telegram.org/bot{settings['token']}/sendMessage", body)

    def judge(self, answer: Answer, now: datetime) -> Verdict:
        gone = self.GONE.search(answer.body.decode(errors="replace"))
        if answer.status in (400, 401, 403) and gone:
            return Verdict("broken", f"HTTP {answer.status}: {gone.group(0)}")
        return _with_body_delay(super().judge(answer, now), answer, ("parameters", "retry_after"))


class Ntfy(HttpKind):
    """A topic of ntfy: https://docs.ntfy.sh/publish/#publish-as-json"""

    name, label = "ntfy", "ntfy"
    settings = (
        Setting("server", "Server", required=False, hint="https://ntfy.sh", pattern=r"https?://[^\s/@]+"),
        Setting("topic", "Topic", secret=True, pattern=r"[-\w]{1,64}", wrong="Use letters, digits, - and _."),
        Setting("token", "Access token", secret=True, required=False, pattern=r"[\w-]{1,200}"),
    )

    def requests(self, settings: Mapping[str, str], notice: Notice) -> list[HttpRequest]:
        body: dict[str, Any] = {
            "topic": settings["topic"],
            "title": headline(notice)[:200],
            "message": cut_tail(_rest(notice), 3000),
            "priority": 3 if notice.event in ("closed", "test") else 4,
            "tags": ["white_check_mark" if notice.event == "closed" else "rotating_light"],
            "click": notice.incidents[0].url if notice.incidents else notice.console_url,
        }
        (request,) = _post(settings.get("server") or "https://ntfy.sh", body)
        token = {"authorization": f"Bearer {settings['token']}"} if settings.get("token") else {}
        return [HttpRequest("POST", request.url, {**request.headers, **token}, request.body)]


def _with_body_delay(verdict: Verdict, answer: Answer, path: tuple[str, ...]) -> Verdict:
    """The verdict with the delay that the answer's JSON asks for, in seconds."""
    try:
        value = json.loads(answer.body)
        for name in path:
            value = value[name]
        seconds = float(value)
    except (ValueError, TypeError, KeyError, IndexError):
        return verdict
    return Verdict(verdict.outcome, verdict.words, seconds) if verdict.outcome == "retry" else verdict
