"""Edit conflicts: each side's changes to the file, and the choices still to make. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from contract import wire
from crontopus_app.jobs.merge import Section
from crontopus_app.ui.edit.rows import DiffLine
from crontopus_app.ui.kit import words

SIDES = ("mine", "theirs")


@dataclass(frozen=True)
class Hunk:
    """Lines that both sides changed, each side as a diff from the base; ``choice`` is mine, theirs or empty."""

    index: int
    line: int
    mine: tuple[DiffLine, ...]
    theirs: tuple[DiffLine, ...]
    choice: str = ""


@dataclass(frozen=True)
class EditConflict:
    """``state`` is noticed, open, merged, gone, or empty (no conflict); ``left`` counts the open choices."""

    state: str = ""
    who: str = ""
    commit: str = ""
    at: str = ""
    hunks: tuple[Hunk, ...] = ()
    left: int = 0
    mine: tuple[DiffLine, ...] = ()
    theirs: tuple[DiffLine, ...] = ()


def of(state: str, commit: wire.Commit | None) -> EditConflict:
    """A conflict with the author of the other change, but without the changes."""
    if commit is None:
        return EditConflict(state, "Somebody")
    return EditConflict(state, commit.author or "Somebody", commit.sha[:7], words.iso(commit.at))


def opened(commit: wire.Commit | None, pieces: Sequence[Section], choices: Mapping[int, str]) -> EditConflict:
    """An open conflict: the choices to make, and both full versions."""
    head, hunks, line = of("open", commit), [], 1
    for index, piece in enumerate(pieces):
        if piece.text is None:
            sides = changes(piece.base, piece.mine), changes(piece.base, piece.theirs)
            hunks.append(Hunk(index, line, *sides, choice=choices.get(index, "")))
        line += piece.base.count("\n")
    base, mine, theirs = ("".join(getattr(piece, side) for piece in pieces) for side in ("base", *SIDES))
    left = sum(1 for hunk in hunks if not hunk.choice)
    whole = {"mine": changes(base, mine), "theirs": changes(base, theirs)}
    return EditConflict("open", head.who, head.commit, head.at, tuple(hunks), left, **whole)


def settled(pieces: Sequence[Section], choices: Mapping[int, str]) -> str | None:
    """The merged text with the choices applied; None while a choice is open."""
    texts = []
    for index, piece in enumerate(pieces):
        side = choices.get(index, "")
        text = piece.text if piece.text is not None else getattr(piece, side) if side in SIDES else None
        if text is None:
            return None
        texts.append(text)
    return "".join(texts)


def all_of(pieces: Sequence[Section], side: str) -> str:
    """The full version of one side."""
    return "".join(getattr(piece, side) for piece in pieces)


def changes(before: str, after: str) -> tuple[DiffLine, ...]:
    """All lines of a diff: unchanged, removed, added."""
    old, new, lines = before.splitlines(), after.splitlines(), list[DiffLine]()
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            lines += [DiffLine(" ", text, "") for text in old[a:b]]
        else:
            lines += [DiffLine("-", text, "bad") for text in old[a:b]] + [
                DiffLine("+", text, "add") for text in new[c:d]
            ]
    return tuple(lines)
