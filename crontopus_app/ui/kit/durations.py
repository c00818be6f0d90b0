"""Chart of a job's run durations: one bar per run, with lines at the median, the 95th percentile and the limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import reflex as rx

from contract import wire
from crontopus_app.monitoring.runs import percentile
from crontopus_app.ui.kit import colours, words
from crontopus_app.ui.kit.parts import link

SHOWN = 60
LOWEST = 2.0
# A limit more than this many times the longest run would flatten the bars: it is shown as text only.
FAR = 2.5


@dataclass(frozen=True)
class Bar:
    """``height`` is a CSS percentage of the chart's."""

    state: str
    height: str
    title: str
    href: str


@dataclass(frozen=True)
class ReferenceLine:
    """A line across the chart: ``name`` is p50, p95 or limit, ``at`` its height as a CSS percentage."""

    name: str
    text: str
    at: str


@dataclass(frozen=True)
class Durations:
    """Bars oldest first. ``summary`` is shown beside the heading, ``label`` is read by screen readers."""

    bars: tuple[Bar, ...] = ()
    marks: tuple[ReferenceLine, ...] = ()
    summary: str = ""
    label: str = ""


def durations(runs: Sequence[wire.Run], limit_s: float | None = None) -> Durations:
    """The chart of the last ``SHOWN`` ended runs of ``runs`` (oldest first); ``limit_s`` is the job's time limit."""
    ended = [run for run in runs if run.duration_s is not None][-SHOWN:]
    if not ended:
        return Durations()
    took = sorted(run.duration_s or 0.0 for run in ended)
    far = limit_s is not None and limit_s > FAR * took[-1]
    top = max(took[-1], 0 if far else limit_s or 0) or 1.0
    lines = [("p50", percentile(took, 0.5)), ("p95", percentile(took, 0.95)), ("limit", limit_s)]
    values = [(name, seconds) for name, seconds in lines if seconds is not None]
    marks = [
        ReferenceLine(name, words.took(at), f"{100 * at / top:.1f}%")
        for name, at in values
        if not (far and name == "limit")
    ]
    bars = [
        Bar(
            colours.of_run(run.status),
            f"{max(LOWEST, 100 * (run.duration_s or 0) / top):.1f}%",
            _title(run),
            _href(run),
        )
        for run in ended
    ]
    above = f"limit {words.took(limit_s)}, far above" if far else ""
    return Durations(tuple(bars), tuple(marks), _summary(len(ended), above), _label(len(ended), values, took[-1]))


def _href(run: wire.Run) -> str:
    return f"/runs/{run.id}"


def _title(run: wire.Run) -> str:
    return f"{run.status} · {words.took(run.duration_s)} on {run.endpoint_name}"


def _summary(count: int, above: str) -> str:
    return " · ".join(filter(None, (f"last {words.plural(count, 'run')}", above)))


def _label(count: int, values: Sequence[tuple[str, float]], longest: float) -> str:
    meaning = {"p50": "median", "p95": "95th percentile", "limit": "limit"}
    figures = [f"{meaning[name]} {words.took(at)}" for name, at in values]
    runs = f"Durations of the last {words.plural(count, 'run')}"
    return f"{runs}: {', '.join(figures)}, longest {words.took(longest)}."


def chart(shown: Any) -> rx.Component:
    """``shown`` is a var of ``Durations``. Arrow keys move between the bars."""
    bars = rx.el.div(
        rx.foreach(shown.bars, _bar),
        class_name="barlist",
        role="group",
        aria_label=shown.label,
        tab_index=0,
        data_rove="",
    )
    return rx.el.div(rx.foreach(shown.marks, _mark), bars, class_name="durations")


def key(shown: Any) -> rx.Component:
    """Legend of the reference lines with their values."""
    return rx.el.span(rx.foreach(shown.marks, _key), class_name="legend")


def _bar(bar: Bar) -> rx.Component:
    css = f"s-{bar.state}"
    return link(
        "", bar.href, css=css, style={"height": bar.height}, data_tip=bar.title, aria_label=bar.title, tab_index=-1
    )


def _mark(mark: ReferenceLine) -> rx.Component:
    return rx.el.u(class_name=f"mark {mark.name}", style={"bottom": mark.at}, custom_attrs={"aria-hidden": "true"})


def _key(mark: ReferenceLine) -> rx.Component:
    return rx.fragment(
        rx.el.i(class_name=f"mark {mark.name}"), mark.name, " ", rx.el.span(mark.text, class_name="value")
    )
