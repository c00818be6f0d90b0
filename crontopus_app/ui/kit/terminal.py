"""A run's output as a terminal shows it: ANSI colours as spans, all other escapes removed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import reflex as rx

from contract import wire
from crontopus_app.ui.kit import words

_SGR = re.compile(r"\x1b\[([0-9;]*)m")
# All other escape sequences (CSI, OSC, two-byte), and control characters except tab and newline.
_OTHER = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.|[\x00-\x08\x0b-\x1f\x7f]", re.S)
_SHOWN = frozenset({"1", "2", "4", *(str(code) for code in (*range(30, 38), *range(90, 98)))})
PIECES = 4000


@dataclass(frozen=True)
class AnsiSpan:
    """Text with the same colours throughout."""

    text: str
    css: str


def pieces(text: str) -> list[AnsiSpan]:
    """The output in at most ``PIECES`` spans, without control characters."""
    spans: list[AnsiSpan] = []
    codes: list[str] = []
    parts = _SGR.split(_last_of_lines(text))
    for index, part in enumerate(parts):
        if index % 2:
            codes = _after(codes, part)
        elif len(spans) == PIECES:
            rest = _SGR.sub("", "\x1b[m".join(parts[index::2]))
            return [*spans, AnsiSpan(_OTHER.sub("", rest), "")]
        elif clean := _OTHER.sub("", part):
            spans.append(AnsiSpan(clean, " ".join(f"a{code}" for code in codes)))
    return spans


def plain(text: str) -> str:
    """The text without colours and other escapes."""
    return "".join(piece.text for piece in pieces(text))


def _last_of_lines(text: str) -> str:
    """What carriage returns leave of each line: progress bars overwrite theirs."""
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
    """The text between head and tail: ``2.0 KiB left out here``; empty if the output is complete."""
    return f"{words.size(output.lost_bytes)} left out here" if output.lost_bytes else ""


def terminal(head: Any, left_out: Any, tail: Any) -> rx.Component:

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
