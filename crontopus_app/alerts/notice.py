"""What a message to people says, whatever the channel. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

# A message about more incidents names the first ones and counts the others.
NAMED = 10


@dataclass(frozen=True)
class IncidentFacts:
    """An incident. ``title`` is as "production/backup on db01", ``what`` as "exit 1, 3 times in a row"."""

    id: str
    cause: str
    title: str
    what: str
    since: datetime
    url: str
    severity: str = "error"
    state: str = "open"
    why: str = ""
    namespace: str = ""
    job: str = ""
    endpoint: str = ""
    closed_at: datetime | None = None
    output_tail: str = ""
    last_good: datetime | None = None
    commit: str = ""
    commit_author: str = ""
    commit_message: str = ""
    runbook: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Notice:
    """A message about incidents. ``event`` is opened, reminder, acknowledged, closed or test.

    ``total`` counts also the incidents that are not named.
    ``delivery_id`` is the same for each attempt to send it.
    """

    delivery_id: str
    event: str
    tenant: str
    at: datetime
    incidents: tuple[IncidentFacts, ...]
    total: int
    console_url: str

    @property
    def dedup_key(self) -> str:
        """The same for all messages about an incident."""
        return f"crontopus:{self.tenant}:{self.incidents[0].id if self.incidents else 'test'}"

    @property
    def url(self) -> str:
        """The page of what the message is about."""
        if not self.incidents:
            return self.console_url
        return self.incidents[0].url if self.total == 1 else f"{self.console_url}/incidents"

    @property
    def more(self) -> int:
        """How many incidents are counted, but not named."""
        return max(0, self.total - len(self.incidents))


def headline(notice: Notice) -> str:
    """One line: ``DOWN production/backup on db01: exit 1``."""
    return " ".join(_headline(notice).split())


def _headline(notice: Notice) -> str:
    if notice.event == "test" or not notice.incidents:
        return f"TEST: this channel receives the alerts of {notice.tenant}"
    first = notice.incidents[0]
    if notice.event == "closed":
        lasted = f" after {in_words(first.closed_at - first.since)}" if first.closed_at else ""
        return f"UP {first.title}{lasted}"
    word = {"reminder": "STILL DOWN", "acknowledged": "ACKNOWLEDGED"}.get(notice.event, "DOWN")
    if notice.total > 1:
        return f"{word} {notice.total} problems: {first.title} and {notice.total - 1} more"
    return f"{word} {first.title}: {first.what}"


def lines(notice: Notice) -> list[str]:
    """The message as plain lines, for channels without a layout of their own."""
    if not notice.incidents:
        return ["Nothing is wrong: somebody tries this channel.", notice.console_url]
    found: list[str] = []
    for incident in notice.incidents:
        found += [*_about(incident, alone=notice.total == 1), ""]
    return [*found, f"… and {notice.more} more: {notice.console_url}/incidents"] if notice.more else found[:-1]


def _about(incident: IncidentFacts, *, alone: bool) -> list[str]:
    found = [f"{incident.title}: {incident.what}"]
    if incident.closed_at is not None:
        found = [f"{incident.title} is well again ({incident.what} before)"]
    found.append(f"Since: {incident.since:%Y-%m-%d %H:%M:%S} UTC")
    found += [f"Why: {incident.why}"] if incident.why else []
    if alone:
        found += [f"Last good run: {incident.last_good:%Y-%m-%d %H:%M} UTC"] if incident.last_good else []
        found += [_commit(incident)] if incident.commit else []
        found += [f"Runbook: {incident.runbook}"] if incident.runbook else []
    found.append(incident.url)
    if alone and incident.output_tail and incident.closed_at is None:
        found += ["", "Last output:", *incident.output_tail.splitlines()]
    return found


def _commit(incident: IncidentFacts) -> str:
    message = incident.commit_message.partition("\n")[0]
    return f"Last change: {incident.commit[:7]} by {incident.commit_author}: {message}"


def in_words(duration: timedelta) -> str:
    """``12 min``, ``3 h 5 min``, ``2 d 4 h``."""
    minutes = round(duration.total_seconds() / 60)
    if minutes < 1:
        return "less than a minute"
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {rest} min" if hours else f"{rest} min"


def cut_tail(text: str, most: int, size: Callable[[str], int] = len) -> str:
    """The end of ``text``, where errors are, of at most ``most`` by ``size``; says how many lines are left out."""
    if size(text) <= most:
        return text
    kept = _end(text, most - 40, size)
    begin, newline, rest = kept.partition("\n")
    kept = rest if newline and len(begin) < 200 else kept
    left_out = text.count("\n") - kept.count("\n")
    return f"… {left_out:,} lines left out\n{kept}" if left_out else f"… {kept}"


def cut(text: str, most: int, size: Callable[[str], int] = len) -> str:
    """The begin of ``text`` of at most ``most`` by ``size``, with ``…`` if something is left out."""
    if size(text) <= most:
        return text
    kept = _end(text[::-1], most - size("…"), size)[::-1]
    return f"{kept}…"


def _end(text: str, most: int, size: Callable[[str], int]) -> str:
    """The longest end of ``text`` whose size is at most ``most``."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if size(text[middle:]) <= most else (middle + 1, high)
    return text[low:]


def utf16_units(text: str) -> int:
    """The length as JavaScript, Telegram and Windows count: most emojis count as two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def octets(text: str) -> int:
    """The length in UTF-8."""
    return len(text.encode(errors="surrogatepass"))


def printable(line: str) -> str:
    """The line with control characters, such as those of colours, replaced by a visible mark."""
    return "".join(letter if letter.isprintable() or letter == "\t" else "\u2400" for letter in line)
