"""The table of runs on Overview, Runs and Run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import reflex as rx

from contract import wire
from crontopus_app.ui.kit import colours, parts, words

HEADS = ["Job", "Namespace", "Host", "Started", "Delay", "Took", "Outcome", "Commit"]


@dataclass(frozen=True)
class RunRow:
    id: str = ""
    href: str = ""
    job: str = ""
    job_href: str = ""
    namespace: str = ""
    host: str = ""
    state: str = "unknown"
    status: str = ""
    slot: str = ""
    at: str = ""
    delay: str = ""
    took: str = ""
    exit: str = ""
    commit: str = ""


def delay(run: wire.Run) -> str:
    """Start minus scheduled time: ``+0.4 s``; empty if either is unknown."""
    if run.slot is None or run.started_at is None:
        return ""
    late = (run.started_at - run.slot).total_seconds()
    return f"{'+' if late >= 0 else '−'}{words.took(abs(late))}"


def outcome(run: wire.Run) -> str:
    """``exit 2`` or ``signal 9``; empty while it runs."""
    if run.signal:
        return f"signal {run.signal}"
    return f"exit {run.exit_code}" if run.exit_code is not None and run.status != "running" else ""


def _when(run: wire.Run) -> datetime | None:
    """When the run started, or else when it was first heard of; a missed one has only its slot."""
    return run.slot if run.status == "missed" else run.started_at or run.received_at


def row(run: wire.Run) -> RunRow:

    return RunRow(
        id=run.id,
        href=f"/runs/{run.id}",
        job=run.job_name,
        job_href=f"/jobs/{run.namespace}/{run.job_name}",
        namespace=run.namespace,
        host=run.endpoint_name,
        state=colours.of_run(run.status),
        status=run.status,
        slot=words.iso(run.slot),
        at=words.iso(_when(run)),
        delay=delay(run),
        took=words.took(run.duration_s),
        exit=outcome(run),
        commit=run.commit[:7],
    )


def rows(runs: Iterable[wire.Run]) -> list[RunRow]:
    return [row(run) for run in runs]


def table(shown: Any, *, own: Any = "") -> rx.Component:
    """``shown`` is a var of ``RunRow``s, newest first; the row of the run with the id ``own`` is marked."""
    return parts.table(HEADS, rx.foreach(shown, lambda run: _row(run, own)), numeric=("Delay", "Took"))


def _row(run: Any, own: Any) -> rx.Component:
    took = rx.cond(run.status == "running", parts.when(run.at, "since"), rx.el.span(run.took))
    return rx.el.tr(
        rx.el.td(parts.dot(run.state), parts.link(run.job, run.href)),
        rx.el.td(parts.namespace(run.namespace)),
        rx.el.td(run.host, class_name="name"),
        rx.el.td(parts.when(run.at), class_name="muted"),
        rx.el.td(run.delay, class_name="num muted"),
        rx.el.td(took, class_name="num"),
        rx.el.td(parts.tag(run.status, run.state), " ", rx.el.span(run.exit, class_name="muted"), class_name="outcome"),
        rx.el.td(run.commit, class_name="mono"),
        key=run.id,
        class_name=rx.cond(run.id == own, "own", "fresh"),
        aria_current=rx.cond(run.id == own, "true", "false"),
    )
