"""Filters of the Runs page, and the facts and output of one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from contract import wire
from crontopus_app.monitoring.runs import Filter, percentile
from crontopus_app.ui.kit import filters, terminal, words
from crontopus_app.ui.kit.filters import Pill
from crontopus_app.ui.kit.run_table import delay, outcome

FILTERS = ("job", "namespace", "endpoint", "status", "since")
SINCE = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
# A 95th percentile of fewer runs would be meaningless.
ENOUGH = 5
STATUSES = ("running", "success", "failed", "timeout", "lost", "skipped", "missed")


@dataclass(frozen=True)
class Fact:
    """``at`` is a time, shown exactly and with its zone, in place of ``value``."""

    name: str
    value: str
    href: str = ""
    at: str = ""


@dataclass(frozen=True)
class Beside:
    """Addresses around a run: the job's previous and next run on its host, all of the job's, the editor."""

    before: str = ""
    after: str = ""
    every: str = ""
    edit: str = ""


@dataclass(frozen=True)
class EvidenceRow:
    at: str
    fact: str
    source: str


@dataclass(frozen=True)
class WhyView:
    """Why a run is missed or lost; without a verdict for other runs."""

    title: str
    verdict: str
    sentence: str
    evidence: list[EvidenceRow]
    next: str


@dataclass(frozen=True)
class RunQuery:
    """The filters in the page's address."""

    job: str = ""
    namespace: str = ""
    endpoint: str = ""
    status: str = ""
    since: str = ""


@dataclass(frozen=True)
class RunOutputView:
    """A run's output as coloured spans; ``gap`` says how much is missing between head and tail."""

    head: list[terminal.AnsiSpan]
    gap: str
    tail: list[terminal.AnsiSpan]
    empty: bool


def filter_of(query: dict[str, str], now: datetime) -> Filter:
    """The filter for the services; ``since`` is hour, day, week, or an ISO date and time."""
    since = None
    if text := query.get("since"):
        since = now - SINCE[text] if text in SINCE else _moment(text)
    picked = {name: query.get(name) or None for name in ("job", "namespace", "endpoint", "status")}
    return Filter(picked["job"], picked["namespace"], picked["endpoint"], picked["status"], since)


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def address(query: dict[str, str], **changed: str) -> str:
    """The page's address with some filters changed."""
    merged = {**{name: query.get(name, "") for name in FILTERS}, **changed}
    return filters.address("/runs", merged)


def pills(query: dict[str, str]) -> list[Pill]:
    """Filters by outcome and time span, and one to remove each text filter."""
    pills = [Pill("all", address({}), not any(query.get(name) for name in FILTERS))]
    for status in STATUSES:
        on = query.get("status") == status
        pills.append(Pill(status, address(query, status="" if on else status), on))
    for span in SINCE:
        on = query.get("since") == span
        pills.append(
            Pill(f"last {span}", address(query, since="" if on else span), on, apart=span == next(iter(SINCE)))
        )
    for name in ("job", "namespace", "endpoint"):
        if query.get(name):
            pills.append(Pill(f"{name} {query[name]} ✗", address(query, **{name: ""}), True))
    return pills


def facts(detail: wire.RunDetail, usual: Sequence[float] = ()) -> list[Fact]:
    """Facts of the run. ``usual`` holds sorted durations of the job's successful runs, in seconds."""
    run = detail.run
    history = f"/jobs/{run.namespace}/{run.job_name}?tab=history&commit={run.commit}" if run.commit else ""
    candidates = [
        Fact("Outcome", " · ".join(part for part in (run.status, outcome(run)) if part)),
        Fact("Scheduled", "", at=words.iso(run.slot)),
        Fact("Started", "", at=words.iso(run.started_at)),
        Fact("Ended", "", at=words.iso(run.finished_at if run.status != "missed" else None)),
        Fact("Duration", took(run.duration_s, usual)),
        Fact("Start delay", delay(run)),
        Fact("Host", run.endpoint_name, f"/endpoints/{run.endpoint_id}" if run.endpoint_id else ""),
        Fact("Attempt", str(run.attempt)),
        Fact("Commit", run.commit[:12], history),
        Fact("Flags", ", ".join(flag.replace("_", " ") for flag in run.flags)),
    ]
    return [fact for fact in candidates if fact.value or fact.at]


def beside(run: wire.Run, before: str, after: str) -> Beside:
    """``before`` and ``after`` are ids of runs, or empty."""
    return Beside(
        before=f"/runs/{before}" if before else "",
        after=f"/runs/{after}" if after else "",
        every=filters.address("/runs", {"job": run.job_name, "namespace": run.namespace}),
        edit=f"/jobs/{run.namespace}/{run.job_name}/edit",
    )


def why_view(answer: wire.Why, status: str) -> WhyView:
    title = "Why its end is unknown" if status == "lost" else "Why it did not run"
    evidence = [EvidenceRow(words.iso(each.at), each.fact, each.source) for each in answer.evidence]
    return WhyView(title, answer.verdict.replace("_", " "), answer.sentence, evidence, answer.next)


def took(duration: float | None, usual: Sequence[float]) -> str:
    """``8.2 s · p95 1:31``; the percentile only from ``ENOUGH`` runs on."""
    text = words.took(duration)
    return f"{text} · p95 {words.took(percentile(usual, 0.95))}" if len(usual) >= ENOUGH else text


def shown(output: wire.Output) -> RunOutputView:
    return RunOutputView(
        head=terminal.pieces(output.head),
        gap=terminal.gap(output),
        tail=terminal.pieces(output.tail),
        empty=not output.head and not output.tail,
    )
