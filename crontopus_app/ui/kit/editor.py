"""A text editor with line numbers and what is to be said of a line, at that line.

The numbers, the textarea and the marks lie in one box that scrolls, so nothing has to follow anything. The browser
keeps the numbers while one types (``assets/js/editor-boxes.js``); the marks come from the server.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import reflex as rx

from contract import wire


@dataclass(frozen=True)
class LineMark:
    """What is said of one line; ``left`` is where its text ends, in characters."""

    line: int
    column: int
    state: str
    message: str
    left: int
    label: str


def marks(text: str, problems: Iterable[wire.Problem]) -> tuple[LineMark, ...]:
    """A mark a line in order, an error before advice; what is of no line is said at the first."""
    found: dict[int, list[wire.Problem]] = {}
    lines = text.split("\n")
    for problem in problems:
        found.setdefault(min(max(problem.line, 1), len(lines)), []).append(problem)
    return tuple(_mark(number, lines[number - 1], here) for number, here in sorted(found.items()))


def _mark(number: int, text: str, here: list[wire.Problem]) -> LineMark:
    errors = [problem for problem in here if problem.severity == "error"]
    ordered = errors + [problem for problem in here if problem not in errors]
    message = " · ".join(problem.message for problem in ordered)
    said = "error" if errors else "advice"
    return LineMark(number, max(ordered[0].column, 1), "failed" if errors else "late", message, len(text), said)


def editor(
    name: str, label: str, marked: Any, *, error: Any = False, read_only: Any = False, text: str = ""
) -> rx.Component:
    """The box and, below it, the same marks as a list that leads to their lines.

    ``name`` is the textarea's id. Its text belongs to the browser and comes from the script; ``text`` is for one that
    has no script behind it.
    """
    numbers = rx.el.div(_numbers(text), class_name="ed-numbers", aria_hidden="true", data_ed_numbers=name)
    given: dict[str, Any] = {"default_value": text, "style": {"minWidth": f"{_wide(text)}ch"}} if text else {}
    area = rx.el.textarea(
        id=name,
        aria_label=label,
        aria_describedby=f"{name}-marks",
        aria_invalid=rx.cond(error, "true", "false"),
        read_only=read_only,
        spell_check=False,
        auto_capitalize="off",
        auto_complete="off",
        wrap="off",
        rows=str(max(len(text.splitlines()), 12)) if text else "12",
        data_ed="",
        **given,
    )
    layer = rx.el.div(rx.foreach(marked, _at_line), class_name="ed-marks", aria_hidden="true")
    box = rx.el.div(numbers, rx.el.div(layer, area, class_name="ed-text"), class_name="ed")
    listed = rx.el.ul(rx.foreach(marked, lambda mark: _listed(mark, name)), id=f"{name}-marks", class_name="ed-list")
    return rx.el.div(box, listed)


def _numbers(text: str) -> str:
    return "\n".join(str(number) for number in range(1, text.count("\n") + 2)) if text else ""


def _wide(text: str) -> int:
    return max(len(line) for line in text.split("\n")) + 4


def _at_line(mark: Any) -> rx.Component:
    said = rx.el.span(mark.message, style={"left": f"calc({mark.left}ch + 2ch)"})
    return rx.el.div(said, class_name=f"ed-mark s-{mark.state}", style={"--at": mark.line.to(str)})


def _listed(mark: Any, name: str) -> rx.Component:
    go = rx.el.button(
        "line ", mark.line, type="button", data_ed_go=name, data_line=mark.line.to(str), data_column=mark.column.to(str)
    )
    word = rx.el.span(mark.label, class_name=f"tag s-{mark.state}")
    return rx.el.li(go, word, rx.el.span(mark.message))
