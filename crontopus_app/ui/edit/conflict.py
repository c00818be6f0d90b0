"""Two people changed one file: what each did to it, and what is left to choose. Pure."""

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
    """A stretch that both changed, each side as a difference from what it was; ``choice`` is a side or nothing."""

    index: int
    line: int
    mine: tuple[DiffLine, ...]
    theirs: tuple[DiffLine, ...]
    choice: str = ""


@dataclass(frozen=True)
class Conflict:
    """``state`` is noticed, open, merged, gone, or nothing."""

    state: str = ""
    who: str = ""
    commit: str = ""
    at: str = ""
    hunks: tuple[Hunk, ...] = ()
    left: int = 0
    mine: tuple[DiffLine, ...] = ()
    theirs: tuple[DiffLine, ...] = ()


def of(state: str, commit: wire.Commit | None) -> Conflict:
    """Who changed the file, without what."""
    if commit is None:
        return Conflict(state, "somebody")
    return Conflict(state, commit.author or "somebody", commit.sha[:7], words.iso(commit.at))


def opened(commit: wire.Commit | None, pieces: Sequence[Section], choices: Mapping[int, str]) -> Conflict:
    """All that is left to choose, and both versions whole."""
    told, hunks, line = of("open", commit), [], 1
    for index, piece in enumerate(pieces):
        if piece.text is None:
            sides = changes(piece.base, piece.mine), changes(piece.base, piece.theirs)
            hunks.append(Hunk(index, line, *sides, choice=choices.get(index, "")))
        line += piece.base.count("\n")
    base, mine, theirs = ("".join(getattr(piece, side) for piece in pieces) for side in ("base", *SIDES))
    left = sum(1 for hunk in hunks if not hunk.choice)
    whole = {"mine": changes(base, mine), "theirs": changes(base, theirs)}
    return Conflict("open", told.who, told.commit, told.at, tuple(hunks), left, **whole)


def settled(pieces: Sequence[Section], choices: Mapping[int, str]) -> str | None:
    """The text of what was chosen, or None while something is left."""
    texts = []
    for index, piece in enumerate(pieces):
        side = choices.get(index, "")
        text = piece.text if piece.text is not None else getattr(piece, side) if side in SIDES else None
        if text is None:
            return None
        texts.append(text)
    return "".join(texts)


def all_of(pieces: Sequence[Section], side: str) -> str:
    """One side's whole version."""
    return "".join(getattr(piece, side) for piece in pieces)


def changes(before: str, after: str) -> tuple[DiffLine, ...]:
    """All lines: those that stay, that go, that come."""
    old, new, found = before.splitlines(), after.splitlines(), list[DiffLine]()
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            found += [DiffLine(" ", text, "") for text in old[a:b]]
        else:
            found += [DiffLine("-", text, "bad") for text in old[a:b]] + [
                DiffLine("+", text, "add") for text in new[c:d]
            ]
    return tuple(found)
