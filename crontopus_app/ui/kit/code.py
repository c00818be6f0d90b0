"""Text with line numbers: a file with what is to be said at its lines, or a difference with its changed words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import reflex as rx

from contract import wire

_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
ALIKE = 0.4


@dataclass(frozen=True)
class CodeSpan:
    """Text of a line; ``css`` is ``word`` where it is what changed."""

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
    """A file line by line, errors and lints at theirs."""
    said: dict[int, list[wire.Problem]] = {}
    for problem in problems:
        said.setdefault(max(problem.line, 1), []).append(problem)
    return [_told(number, line, said.get(number, [])) for number, line in enumerate(text.splitlines() or [""], start=1)]


def _told(number: int, text: str, problems: Sequence[wire.Problem]) -> CodeLine:
    css = "bad" if any(problem.severity == "error" for problem in problems) else "warn" if problems else ""
    return CodeLine(str(number), (CodeSpan(text),), css, " · ".join(problem.message for problem in problems))


def difference(text: str) -> list[CodeLine]:
    """A unified difference: a removed line beside the one that took its place has only its changed words marked."""
    found = text.splitlines()
    first = next((number for number, line in enumerate(found) if line.startswith("@@")), len(found))
    return list(_hunks([line for line in found[first:] if not line.startswith("\\")]))


def between(old: str, new: str) -> list[CodeLine]:
    """The same of two texts; empty of two that are equal."""
    told = difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=1)
    return difference("\n".join(told))


def _hunks(lines: Iterable[str]) -> Iterator[CodeLine]:
    gone: list[str] = []
    come: list[str] = []
    for line in lines:
        if line.startswith("+"):
            come.append(line[1:])
        elif line.startswith("-") and not come:
            gone.append(line[1:])
        else:
            yield from _changed(gone, come)
            gone, come = [line[1:]] if line.startswith("-") else [], []
            if line.startswith("@@"):
                yield CodeLine("", (CodeSpan("…"),), "mark")
            elif not gone:
                yield CodeLine("", (CodeSpan(line[1:]),))
    yield from _changed(gone, come)


def _changed(gone: Sequence[str], come: Sequence[str]) -> Iterator[CodeLine]:
    pairs = [_words(old, new) for old, new in zip_longest(gone, come)]
    for old, _ in pairs:
        if old:
            yield CodeLine("−", old, "bad")
    for _, new in pairs:
        if new:
            yield CodeLine("+", new, "add")


def _words(old: str | None, new: str | None) -> tuple[tuple[CodeSpan, ...], tuple[CodeSpan, ...]]:
    """Both lines in pieces; lines that have little in common, or no partner, are not compared."""
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
    """``lines`` is a list of ``CodeLine``; scrolls sideways within itself."""
    return rx.el.div(rx.foreach(lines, _line), class_name="lines", role="group", tab_index=0, aria_label=label)


def _line(line: CodeLine) -> rx.Component:
    text = rx.el.code(rx.foreach(line.pieces, lambda piece: rx.el.span(piece.text, class_name=piece.css)))
    return rx.el.div(
        rx.el.em(line.number), text, rx.cond(line.note, rx.el.small(line.note)), class_name=f"ln {line.css}"
    )
