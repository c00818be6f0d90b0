"""Parses ping URLs, which are compatible with those of Healthchecks. Pure."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs

PREFIX = "/ping"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ACTION = r"(?:/(?P<action>start|fail|log|[0-9]{1,9}))?/?"
_BY_ID = re.compile(rf"/ping/(?P<id>{_UUID}){_ACTION}", re.ASCII)
_BY_SLUG = re.compile(rf"/ping/(?P<key>[-\w]{{1,100}})/(?P<slug>[-\w]{{1,100}}){_ACTION}", re.ASCII)
_SLUG = re.compile(r"[-a-z0-9_]+", re.ASCII)
_RID = re.compile(_UUID, re.IGNORECASE | re.ASCII)
# The largest exit status.
MOST_STATUS = 255
MOST_FIELDS = 20
KINDS = {"start": "start", "fail": "fail", "log": "log"}


@dataclass(frozen=True)
class Ping:
    """A ping URL, with the id of a job or with a key and the job's name as ``slug``.

    ``kind`` is start, success, fail or log; ``rid`` is the sender's id of the run, ``at`` the time of a late report.
    """

    ping_id: str
    kind: str
    exit_code: int | None = None
    rid: str = ""
    at: datetime | None = None
    key: str = ""
    slug: str = ""


@dataclass(frozen=True)
class Refusal:
    """A URL that is no ping: the status and the text of the answer."""

    status: int
    text: str


NOT_FOUND = Refusal(404, "not found")
AMBIGUOUS = Refusal(409, "ambiguous slug")


def parse(path: str, query: str) -> Ping | Refusal:
    """The ping of a decoded path and its query."""
    by_id = _BY_ID.fullmatch(path)
    match = by_id or _BY_SLUG.fullmatch(path)
    if match is None:
        return NOT_FOUND
    if by_id is None and not _SLUG.fullmatch(match["slug"]):
        return Refusal(400, "invalid url format")
    action = match["action"] or "0"
    if action.isdigit() and int(action) > MOST_STATUS:
        return Refusal(400, "invalid url format")
    try:
        values = parse_qs(query, keep_blank_values=True, errors="replace", max_num_fields=MOST_FIELDS)
    except ValueError:
        return Refusal(400, f"invalid query: at most {MOST_FIELDS} fields")
    rid = values.get("rid", [""])[0]
    if "rid" in values and not _RID.fullmatch(rid):
        return Refusal(400, "invalid uuid format")
    at = _moment(values["ts"][0]) if "ts" in values else None
    if "ts" in values and at is None:
        return Refusal(400, "invalid ts: use seconds since 1970 or an ISO 8601 time with a zone")
    kind = KINDS.get(action) or ("fail" if int(action) else "success")
    given = int(action) if match["action"] and action not in KINDS else None
    if by_id is not None:
        return Ping(match["id"], kind, given, rid.lower(), at)
    return Ping("", kind, given, rid.lower(), at, match["key"], match["slug"])


def _moment(text: str) -> datetime | None:
    try:
        if re.fullmatch(r"[0-9]{1,11}(?:\.[0-9]{1,9})?", text, re.ASCII):
            return datetime.fromtimestamp(float(text), UTC)
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign in a query means a space
        return None if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def run_of(ping: Ping, ping_id: str) -> str:
    """The id of the run of pings with a ``rid``; a new one without. Only the former are UUIDs of version 5."""
    return str(uuid.uuid5(uuid.UUID(ping_id), ping.rid)) if ping.rid else str(uuid.uuid4())


def is_of_rid(run_id: str) -> bool:
    return uuid.UUID(run_id).version == 5
