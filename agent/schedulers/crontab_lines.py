"""Observes the crontab: drift from the block that the agent wrote, and its lines, masked for the server. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from agent.mask import mask
from agent.schedulers import crontab_text
from contract.wire import CrontabLine, Drift

MOST_LINES = 2_000
MOST_DRIFT = 50


def differs(written: str, data: bytes) -> bool:
    """Whether the managed block differs from the one that the agent wrote last, or exists more than once."""
    return crontab_text.block(data) != _bytes(written) or len(crontab_text.spans(data)) > 1


def drift_between(
    written: str, data: bytes, loose: list[bytes], owner: str, modified: datetime | None, who: list[str]
) -> list[Drift]:
    """How the managed block differs from the one that the agent wrote last. ``loose``: its lines outside."""
    differences = _block_differences(_bytes(written), data) if differs(written, data) else []
    differences += [("line_added", "", line) for line in _texts(b"".join(loose)) if not line.startswith("# ")]
    return [Drift(kind, mask(old), mask(new), owner, modified, who) for kind, old, new in differences[:MOST_DRIFT]]


def _block_differences(expected: bytes, data: bytes) -> list[tuple[str, str, str]]:
    actual = crontab_text.block(data) or b""
    if not actual and expected:
        return [("block_removed", "the managed block", "no managed block")]
    doubled = len(crontab_text.spans(data)) > 1
    more = [("block_doubled", "one managed block", "several managed blocks")] if doubled else []
    return _differences(expected, actual) + more


def _bytes(block: str) -> bytes:
    return block.encode("utf-8", "surrogateescape")


def _differences(expected: bytes, actual: bytes) -> list[tuple[str, str, str]]:
    """(kind, expected, actual) per line: changed (same job), missing or added; else one for order or line ends."""
    old, new = _texts(expected), _texts(actual)
    missing = [line for line in old if line not in set(new)]
    added = [line for line in new if line not in set(old)]
    differences: list[tuple[str, str, str]] = []
    for line in missing:
        same_job = next((other for other in added if _job(other) and _job(other) == _job(line)), None)
        if same_job is not None:
            added.remove(same_job)
        differences.append(("line_changed" if same_job else "line_missing", line, same_job or ""))
    differences.extend(("line_added", "", line) for line in added)
    return differences or [("block_edited", "the lines as the agent wrote them", "another order or other line ends")]


def _texts(block: bytes) -> list[str]:
    return [line.decode("utf-8", "replace").rstrip("\n") for line in crontab_text.lines(block)]


def _job(line: str) -> str | None:
    return crontab_text.job_of(line.encode())


def lines_for_report(data: bytes, titles: Mapping[str, str]) -> list[CrontabLine]:
    """Every line with its standing: managed, ours (the rest of the block), foreign, environment, comment or blank.

    ``titles`` maps a job's id to its namespace and name.
    """
    report: list[CrontabLine] = []
    blocks = crontab_text.spans(data)
    offset = 0
    for raw in crontab_text.lines(data)[:MOST_LINES]:
        ours = any(span.start <= offset < span.end for span in blocks)
        offset += len(raw)
        report.append(_report_line(raw, ours, titles))
    return report


def _report_line(raw: bytes, ours: bool, titles: Mapping[str, str]) -> CrontabLine:
    text = raw.decode("utf-8", "replace").rstrip("\r\n")
    if ours:
        job = crontab_text.job_of(raw) or ""
        return CrontabLine(text if job else mask(text), "managed" if job else "ours", job, titles.get(job, ""))
    return CrontabLine(mask(text), _standing(text.strip()))


def _standing(text: str) -> str:
    if not text:
        return "blank"
    if text.startswith("#"):
        return "comment"
    name, equals, _ = text.partition("=")
    return "environment" if equals and name.strip().strip("\"'").replace("_", "a").isalnum() else "foreign"
