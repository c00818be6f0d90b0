"""A run's output as a terminal shows it: ANSI colours as spans, everything else as plain text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import reflex as rx

from contract import wire
from crontopus_app.ui.kit import words

_SGR = re.compile(r"\x1b\[([0-9;]*)m")
# Every other escape sequence (CSI, OSC, two-byte) and control characters but tab and newline.
_OTHER = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.|[\x00-\x08\x0b-\x1f\x7f]", re.S)
_SHOWN = frozenset({"1", "2", "4", *(str(code) for code in (*range(30, 38), *range(90, 98)))})
PIECES = 4000


@dataclass(frozen=True)
class AnsiSpan:
    """Text of one look."""

    text: str
    css: str


def pieces(text: str) -> list[AnsiSpan]:
    """The output in pieces of one look each; never a control character, at most ``PIECES`` pieces."""
    found: list[AnsiSpan] = []
    codes: list[str] = []
    parts = _SGR.split(_last_of_lines(text))
    for index, part in enumerate(parts):
        if index % 2:
            codes = _after(codes, part)
        elif len(found) == PIECES:
            rest = _SGR.sub("", "\x1b[m".join(parts[index::2]))
            return [*found, AnsiSpan(_OTHER.sub("", rest), "")]
        elif clean := _OTHER.sub("", part):
            found.append(AnsiSpan(clean, " ".join(f"a{code}" for code in codes)))
    return found


def plain(text: str) -> str:
    """The text without colours and other escapes, for one line among others."""
    return "".join(piece.text for piece in pieces(text))


def _last_of_lines(text: str) -> str:
    """What a carriage return leaves on each line: progress bars write the same line again and again."""
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def _after(codes: list[str], change: str) -> list[str]:
    for code in change.split(";") if change else ["0"]:
        if code in {"", "0"}:
            codes = []
        elif code in _SHOWN:
            codes = [kept for kept in codes if len(kept) != len(code)] + [code]
        elif code == "39":
            codes = [kept for kept in codes if len(kept) == 1]
    return codes


def gap(output: wire.Output) -> str:
    """What is said between head and tail; an empty string where nothing was left out."""
    return f"{words.size(output.lost_bytes)} left out here" if output.lost_bytes else ""


def terminal(head: Any, left_out: Any, tail: Any) -> rx.Component:
    """Head, what was left out, tail."""
    return rx.el.pre(
        rx.foreach(head, _piece),
        rx.cond(left_out, rx.el.span(left_out, class_name="cut")),
        rx.foreach(tail, _piece),
        class_name="term",
        id="output",
        tab_index=0,
        aria_label="output of the run",
    )


def _piece(piece: AnsiSpan) -> rx.Component:
    return rx.el.span(piece.text, class_name=piece.css)
