"""A text editor with line numbers, and errors and advice at their lines.

Line numbers, textarea and marks are in one scrolling box, so nothing must be kept in step. The browser updates the
numbers while the user types (``assets/js/editor-boxes.js``); the marks come from the server.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import reflex as rx

from contract import wire
from crontopus_app.ui.kit import words


@dataclass(frozen=True)
class LineMark:
    """Errors or advice at one line; ``left`` is the length of its text in characters."""

    line: int
    column: int
    state: str
    message: str
    left: int
    label: str


def marks(text: str, problems: Iterable[wire.Problem]) -> tuple[LineMark, ...]:
    """One mark per line, in order, errors before advice. Problems without a line are at the first."""
    by_line: dict[int, list[wire.Problem]] = {}
    lines = text.split("\n")
    for problem in problems:
        by_line.setdefault(min(max(problem.line, 1), len(lines)), []).append(problem)
    return tuple(_mark(number, lines[number - 1], here) for number, here in sorted(by_line.items()))


def _mark(number: int, text: str, here: list[wire.Problem]) -> LineMark:
    errors = [problem for problem in here if problem.severity == "error"]
    ordered = errors + [problem for problem in here if problem not in errors]
    message = " · ".join(words.plain(problem.message) for problem in ordered)
    label = "error" if errors else "advice"
    return LineMark(number, max(ordered[0].column, 1), "failed" if errors else "late", message, len(text), label)


def editor(
    name: str, label: str, marked: Any, *, error: Any = False, read_only: Any = False, text: str = ""
) -> rx.Component:
    """The editor and, below it, a list of its marks with links to their lines.

    ``name`` is the textarea's id. The browser's script sets its text; ``text`` is for an editor without the script.
    """
    numbers = rx.el.div(_numbers(text), class_name="ed-numbers", aria_hidden="true", data_ed_numbers=name)
    initial: dict[str, Any] = {"default_value": text, "style": {"minWidth": f"{_wide(text)}ch"}} if text else {}
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
        **initial,
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
    text = rx.el.span(mark.message, style={"left": f"calc({mark.left}ch + 2ch)"})
    return rx.el.div(text, class_name=f"ed-mark s-{mark.state}", style={"--at": mark.line.to(str)})


def _listed(mark: Any, name: str) -> rx.Component:
    go = rx.el.button(
        "line ", mark.line, type="button", data_ed_go=name, data_line=mark.line.to(str), data_column=mark.column.to(str)
    )
    word = rx.el.span(mark.label, class_name=f"tag s-{mark.state}")
    return rx.el.li(go, word, rx.el.span(mark.message))
