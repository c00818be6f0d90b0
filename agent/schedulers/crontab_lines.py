"""What stands in the crontab now: drift from what the agent wrote, and the lines as the server may see them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from agent.mask import mask
from agent.schedulers import crontab_text
from contract.wire import CrontabLine, Drift

MOST_LINES = 2_000
MOST_DRIFT = 50


def differs(written: str, data: bytes) -> bool:
    """Whether our block is another one than the agent wrote last, or there is more than one."""
    return crontab_text.block(data) != _bytes(written) or len(crontab_text.spans(data)) > 1


def drift_between(written: str, data: bytes, owner: str, modified: datetime | None, who: list[str]) -> list[Drift]:
    """How our block differs from what the agent wrote last."""
    if not differs(written, data):
        return []
    expected, found = _bytes(written), crontab_text.block(data) or b""
    extra = len(crontab_text.spans(data)) > 1
    if not found and expected:
        pairs = [("block_removed", "the block as written", "no block")]
    else:
        pairs = _pairs(expected, found) + ([("block_doubled", "one block", "several blocks")] if extra else [])
    return [Drift(kind, mask(a), mask(b), owner, modified, who) for kind, a, b in pairs[:MOST_DRIFT]]


def _bytes(block: str) -> bytes:
    return block.encode("utf-8", "surrogateescape")


def _pairs(expected: bytes, found: bytes) -> list[tuple[str, str, str]]:
    """Line by line: changed (same job), missing, added; else the order or a marker was edited."""
    old, new = _texts(expected), _texts(found)
    gone = [line for line in old if line not in set(new)]
    come = [line for line in new if line not in set(old)]
    pairs: list[tuple[str, str, str]] = []
    for line in gone:
        twin = next((other for other in come if _job(other) and _job(other) == _job(line)), None)
        if twin is not None:
            come.remove(twin)
        pairs.append(("line_changed" if twin else "line_missing", line, twin or ""))
    pairs.extend(("line_added", "", line) for line in come)
    return pairs or [("block_edited", "the lines in the order written", "another order or other line ends")]


def _texts(block: bytes) -> list[str]:
    return [line.decode("utf-8", "replace").rstrip("\n") for line in crontab_text.lines(block)]


def _job(line: str) -> str | None:
    return crontab_text.job_of(line.encode())


def lines_for_report(data: bytes, known: Mapping[str, str]) -> list[CrontabLine]:
    """Every line with its standing: managed, ours (the rest of the block), foreign, environment, comment or blank."""
    found: list[CrontabLine] = []
    inside = crontab_text.spans(data)
    offset = 0
    for raw in crontab_text.lines(data)[:MOST_LINES]:
        ours = any(span.start <= offset < span.end for span in inside)
        offset += len(raw)
        found.append(_seen(raw, ours, known))
    return found


def _seen(raw: bytes, ours: bool, known: Mapping[str, str]) -> CrontabLine:
    text = raw.decode("utf-8", "replace").rstrip("\r\n")
    if ours:
        job = crontab_text.job_of(raw) or ""
        return CrontabLine(text if job else mask(text), "managed" if job else "ours", job, known.get(job, ""))
    return CrontabLine(mask(text), _foreign(text.strip()))


def _foreign(text: str) -> str:
    if not text:
        return "blank"
    if text.startswith("#"):
        return "comment"
    name, equals, _ = text.partition("=")
    return "environment" if equals and name.strip().strip("\"'").replace("_", "a").isalnum() else "foreign"
