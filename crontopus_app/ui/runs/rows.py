"""Rows of the Runs page and the facts of one run."""

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
# Fewer runs than this say nothing of the longest one in twenty.
ENOUGH = 5
STATUSES = ("running", "success", "failed", "timeout", "lost", "skipped", "missed")


@dataclass(frozen=True)
class Fact:
    name: str
    value: str
    href: str = ""


@dataclass(frozen=True)
class RunQuery:
    """The filters as the address has them."""

    job: str = ""
    namespace: str = ""
    endpoint: str = ""
    status: str = ""
    since: str = ""


@dataclass(frozen=True)
class RunOutputView:
    """A run's output in pieces, and the whole as text for copying."""

    head: list[terminal.AnsiSpan]
    gap: str
    tail: list[terminal.AnsiSpan]
    empty: bool


def filter_of(query: dict[str, str], now: datetime) -> Filter:
    """The filter that an address means; ``since`` is a span's name or an ISO date and time."""
    since = None
    if asked := query.get("since"):
        since = now - SINCE[asked] if asked in SINCE else _moment(asked)
    picked = {name: query.get(name) or None for name in ("job", "namespace", "endpoint", "status")}
    return Filter(picked["job"], picked["namespace"], picked["endpoint"], picked["status"], since)


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def address(query: dict[str, str], **changed: str) -> str:
    """The page's address with some of its filters changed."""
    wanted = {**{name: query.get(name, "") for name in FILTERS}, **changed}
    return filters.address("/runs", wanted)


def pills(query: dict[str, str]) -> list[Pill]:
    """Outcomes, then spans; what is chosen in other ways can be taken away."""
    found = [Pill("all", address({}), not any(query.get(name) for name in FILTERS))]
    for status in STATUSES:
        on = query.get("status") == status
        found.append(Pill(status, address(query, status="" if on else status), on))
    for span in SINCE:
        on = query.get("since") == span
        found.append(
            Pill(f"last {span}", address(query, since="" if on else span), on, apart=span == next(iter(SINCE)))
        )
    for name in ("job", "namespace", "endpoint"):
        if query.get(name):
            found.append(Pill(f"{name} {query[name]} ✗", address(query, **{name: ""}), True))
    return found


def facts(detail: wire.RunDetail, usual: Sequence[float] = ()) -> list[Fact]:
    """What is known of the run besides its times; ``usual`` are sorted durations of its job's runs that went well."""
    run = detail.run
    history = f"/jobs/{run.namespace}/{run.job_name}?tab=history&commit={run.commit}" if run.commit else ""
    known = [
        Fact("Outcome", " · ".join(part for part in (run.status, outcome(run)) if part)),
        Fact("Took", took(run.duration_s, usual)),
        Fact("Delay after its slot", delay(run)),
        Fact("Host", run.endpoint_name, f"/endpoints/{run.endpoint_id}" if run.endpoint_id else ""),
        Fact("Attempt", str(run.attempt)),
        Fact("Commit", run.commit[:12], history),
        Fact("Flags", ", ".join(run.flags)),
    ]
    return [fact for fact in known if fact.value]


def took(duration: float | None, usual: Sequence[float]) -> str:
    """``8.2 s · p95 1:31``; the second part where there are at least ``ENOUGH`` runs to tell it from."""
    said = words.took(duration)
    return f"{said} · p95 {words.took(percentile(usual, 0.95))}" if len(usual) >= ENOUGH else said


def shown(output: wire.Output) -> RunOutputView:
    return RunOutputView(
        head=terminal.pieces(output.head),
        gap=terminal.gap(output),
        tail=terminal.pieces(output.tail),
        empty=not output.head and not output.tail,
    )
