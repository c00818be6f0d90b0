"""What all kinds of channels have in common: their settings, the requests they make, and what an answer means."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from contract.wire import Problem
from crontopus_app.alerts.notice import Notice

AGAIN = frozenset({408, 425, 429})
ANSWER = 500
MOST_LENGTH = 2000


@dataclass(frozen=True)
class Setting:
    """A setting of a channel. The value of a ``secret`` is never shown again."""

    name: str
    label: str
    secret: bool = False
    required: bool = True
    hint: str = ""
    pattern: str = ""
    wrong: str = ""


@dataclass(frozen=True)
class HttpRequest:
    """A request to a receiver. Its repr leaves out what may be secret."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} to {urlsplit(self.url).hostname})"


@dataclass(frozen=True)
class Answer:
    """A receiver's answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Verdict:
    """What an attempt came to. ``outcome`` is sent, retry (after ``seconds`` at the earliest), failed or broken.

    A broken channel does not work any more, whatever the message.
    """

    outcome: str
    words: str = ""
    seconds: float | None = None


class Kind(ABC):
    """A kind of channel.

    ``one_by_one``: it gets a message for each incident. ``confirms``: its answer proves receipt. ``refreshed``: its
    receiver forgets incidents that are not sent again each minute. ``acknowledges``: its receiver knows that somebody
    takes care of an incident, and is told so.
    """

    name: str
    label: str
    settings: tuple[Setting, ...] = ()
    one_by_one = False
    confirms = True
    refreshed = False
    acknowledges = False

    def problems(self, settings: Mapping[str, str]) -> list[Problem]:
        """What is wrong with the settings, by field."""
        known = {setting.name for setting in self.settings}
        found = [_wrong(name, f"{name} is not a setting of this kind.") for name in sorted(set(settings) - known)]
        for setting in self.settings:
            message = _check(setting, settings.get(setting.name, ""))
            found += [_wrong(setting.name, message)] if message else []
        return found


class HttpKind(Kind):
    """A kind whose receivers speak HTTP."""

    @abstractmethod
    def requests(self, settings: Mapping[str, str], notice: Notice) -> list[HttpRequest]:
        """The requests that deliver the notice, in order."""

    def judge(self, answer: Answer, now: datetime) -> Verdict:
        """What the answer means. Redirects are failures: a receiver could lead into a private network."""
        words = f"HTTP {answer.status}: {answer.body[:ANSWER].decode(errors='replace')}".rstrip(": ")
        if 200 <= answer.status < 300:
            return Verdict("sent", words)
        if answer.status in AGAIN or answer.status >= 500:
            return Verdict("retry", words, retry_after(answer, now))
        if answer.status == 410:
            return Verdict("broken", words)
        return Verdict("failed", words)


def post_json(url: str, body: Any, headers: Mapping[str, str] | None = None) -> HttpRequest:
    data = json.dumps(body, ensure_ascii=False).encode(errors="replace")
    return HttpRequest("POST", url, {"content-type": "application/json", **(headers or {})}, data)


def retry_after(answer: Answer, now: datetime) -> float | None:
    """The seconds that the receiver asks to wait, given as seconds or as a date."""
    given = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", given):
        return float(given)
    try:
        at = parsedate_to_datetime(given)
    except (ValueError, TypeError):
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())


def _check(setting: Setting, value: str) -> str:
    if not value:
        return f"{setting.label} is missing." if setting.required else ""
    if len(value) > MOST_LENGTH or any(ord(letter) < 32 for letter in value):
        return f"{setting.label} must be one line of at most {MOST_LENGTH} characters."
    if setting.pattern and not re.fullmatch(setting.pattern, value):
        return setting.wrong or f"{setting.label} is not valid."
    return ""


def _wrong(field: str, message: str) -> Problem:
    return Problem(code="bad_value", message=message, field=field)


URL = r"https?://[^\s/@]+(/\S*)?"
HOOK_URL = r"https://[^\s/@]+/\S+"
WRONG_URL = "Write a URL that begins with https:// or http://, without user name or password."
