"""Text with line numbers: a file with errors and lints at their lines, or a diff with its changed words marked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import reflex as rx

from contract import wire
from crontopus_app.ui.kit import words

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
ALIKE = 0.4


@dataclass(frozen=True)
class CodeSpan:
    """Part of a line; ``css`` is ``word`` if it is a changed word of a diff."""

    text: str
    css: str = ""


@dataclass(frozen=True)
class CodeLine:
    """``number`` may be empty. ``css`` is bad, warn, add, mark, ours, adopted, foreign, drift or empty."""

    number: str
    pieces: tuple[CodeSpan, ...]
    css: str = ""
    note: str = ""


def file(text: str, problems: Iterable[wire.Problem] = ()) -> list[CodeLine]:
    """The lines of a file, each with its errors and lints."""
    by_line: dict[int, list[wire.Problem]] = {}
    for problem in problems:
        by_line.setdefault(max(problem.line, 1), []).append(problem)
    lines = enumerate(text.splitlines() or [""], start=1)

    return [_annotated(number, line, by_line.get(number, [])) for number, line in lines]


def _annotated(number: int, text: str, problems: Sequence[wire.Problem]) -> CodeLine:
    css = "bad" if any(problem.severity == "error" for problem in problems) else "warn" if problems else ""
    return CodeLine(
        str(number), (CodeSpan(text),), css, " · ".join(words.plain(problem.message) for problem in problems)
    )


def difference(text: str) -> list[CodeLine]:
    """Lines of a unified diff. Where one line replaces another, only the changed words are marked."""
    lines = text.splitlines()
    first = next((number for number, line in enumerate(lines) if line.startswith("@@")), len(lines))
    return list(_hunks([line for line in lines[first:] if not line.startswith("\\")]))


def between(old: str, new: str) -> list[CodeLine]:
    """Diff of two texts, as lines; empty if they are equal."""
    diff = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=1)
    return difference("\n".join(diff))


def _hunks(lines: Iterable[str]) -> Iterator[CodeLine]:
    removed: list[str] = []
    added: list[str] = []
    for line in lines:
        if line.startswith("+"):
            added.append(line[1:])
        elif line.startswith("-") and not added:
            removed.append(line[1:])
        else:
            yield from _changed(removed, added)
            removed, added = [line[1:]] if line.startswith("-") else [], []
            if line.startswith("@@"):
                yield CodeLine("", (CodeSpan("…"),), "mark")
            elif not removed:
                yield CodeLine("", (CodeSpan(line[1:]),))
    yield from _changed(removed, added)


def _changed(removed: Sequence[str], added: Sequence[str]) -> Iterator[CodeLine]:
    pairs = [_words(old, new) for old, new in zip_longest(removed, added)]
    for old, _ in pairs:
        if old:
            yield CodeLine("−", old, "bad")
    for _, new in pairs:
        if new:
            yield CodeLine("+", new, "add")


def _words(old: str | None, new: str | None) -> tuple[tuple[CodeSpan, ...], tuple[CodeSpan, ...]]:
    """Both lines in spans. Lines with little in common, or without a partner, are one span each."""
    if old is None or new is None:
        return ((CodeSpan(old),) if old is not None else ()), ((CodeSpan(new),) if new is not None else ())
    before, after = _TOKEN.findall(old), _TOKEN.findall(new)
    match = difflib.SequenceMatcher(None, before, after, autojunk=False)
    if match.ratio() < ALIKE:
        return (CodeSpan(old),), (CodeSpan(new),)
    left, right = [], []
    for how, i1, i2, j1, j2 in match.get_opcodes():
        css = "" if how == "equal" else "word"
        left += [CodeSpan("".join(before[i1:i2]), css)] if i1 < i2 else []
        right += [CodeSpan("".join(after[j1:j2]), css)] if j1 < j2 else []
    return tuple(left), tuple(right)


def block(lines: Any, label: Any) -> rx.Component:
    """A block of ``CodeLine``s, scrolling sideways."""
    return rx.el.div(rx.foreach(lines, _line), class_name="lines", role="group", tab_index=0, aria_label=label)


def _line(line: CodeLine) -> rx.Component:
    text = rx.el.code(rx.foreach(line.pieces, lambda piece: rx.el.span(piece.text, class_name=piece.css)))
    return rx.el.div(
        rx.el.em(line.number), text, rx.cond(line.note, rx.el.small(line.note)), class_name=f"ln {line.css}"
    )
