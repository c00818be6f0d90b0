"""Next runs in three zones and the nights with a clock change, for Job and for New and Edit."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.ui.kit import parts


def slots(forecast: Any) -> rx.Component:
    """The next runs: the job's zone, the viewer's, UTC; says why where there are none to be told."""
    row = lambda one: rx.el.tr(  # noqa: E731 -- three cells, used once
        rx.el.td(one.there),
        rx.el.td("yours ", parts.when(one.at, "clock")),
        rx.el.td("UTC ", one.utc),
    )
    table = rx.el.table(rx.el.tbody(rx.foreach(forecast.next_runs, row)), class_name="plain", id="coming")
    return rx.cond(forecast.next_runs, table, rx.el.p("Next runs: ", forecast.zone, ".", class_name="muted"))


def nights(forecast: Any) -> rx.Component:
    return rx.fragment(rx.foreach(forecast.nights, lambda night: parts.note(night.text, state=night.state)))
