"""Next runs in up to three zones, and nights with a clock change; for Job and for New and Edit."""

from __future__ import annotations

from typing import Any

import reflex as rx

from crontopus_app.ui.kit import parts


def slots(forecast: Any) -> rx.Component:
    """Table of the next runs in the job's zone, the viewer's and UTC; without any, the reason."""
    # Not named as the variable of a loop around it: the inner one would hide the zone.
    row = lambda run: rx.el.tr(  # noqa: E731 -- three cells, used once
        rx.el.td(run.there),
        rx.el.td(parts.when(run.at, "yours", forecast.zone)),
        rx.el.td(rx.cond(run.utc, rx.fragment(run.utc, " UTC"))),
    )
    table = rx.el.table(rx.el.tbody(rx.foreach(forecast.next_runs, row)), class_name="plain", id="coming")
    return rx.cond(forecast.next_runs, table, rx.el.p(forecast.reason, class_name="muted"))


def nights(forecast: Any) -> rx.Component:
    return rx.fragment(rx.foreach(forecast.nights, lambda night: parts.note(night.text, state=night.state)))
