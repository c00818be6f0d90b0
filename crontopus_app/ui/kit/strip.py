"""A strip of squares, one per slot or day: a job's history at a glance. Arrow keys move between squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import reflex as rx

from crontopus_app.ui.kit.parts import link


@dataclass(frozen=True)
class Cell:
    """``state`` is a colour token or ``none`` (no data); ``title`` is the full text; ``href`` may be empty."""

    state: str
    title: str
    href: str = ""


def strip(cells: Any, columns: Any, label: Any) -> rx.Component:
    """Cells from the left in ``columns`` places of equal width, so that a new one moves nothing."""
    return rx.el.div(
        rx.foreach(cells, _cell),
        style={"--columns": columns},
        class_name="strip",
        role="group",
        aria_label=label,
        tab_index=0,
        data_rove="",
    )


def _cell(cell: Cell) -> rx.Component:
    props = {"data_tip": cell.title, "aria_label": cell.title, "tab_index": -1}
    linked = link("", cell.href, css=f"s-{cell.state}", **props)
    return rx.cond(cell.href, linked, rx.el.span(class_name=f"s-{cell.state}", role="img", **props))
