"""A strip of cells, one a slot or a day: what a job did at a glance. Arrow keys go from cell to cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import reflex as rx

from crontopus_app.ui.kit.parts import link


@dataclass(frozen=True)
class Cell:
    """``state`` is a state's word or ``none`` (nothing is known); ``title`` says all; ``href`` may be empty."""

    state: str
    title: str
    href: str = ""


def strip(cells: Any, columns: Any, label: Any) -> rx.Component:
    """Cells from the left in ``columns`` places of one width, so that a new one moves nothing."""
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
    told = {"data_tip": cell.title, "aria_label": cell.title, "tab_index": -1}
    linked = link("", cell.href, css=f"s-{cell.state}", **told)
    return rx.cond(cell.href, linked, rx.el.span(class_name=f"s-{cell.state}", role="img", **told))
