"""Two people's changes of one text, by lines: what does not touch is merged, what does is left to choose. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

Lines = list[str]
Blocks = list[tuple[int, int, int]]


@dataclass(frozen=True)
class Piece:
    """A stretch of the text; ``text`` is what both sides agree on, None where they do not."""

    base: str
    mine: str
    theirs: str
    text: str | None


def merge(base: str, mine: str, theirs: str) -> list[Piece]:
    """The texts in pieces: joined, the ``mine`` of all are mine, so are the others; nothing is lost.

    Lines that only one side changed are merged, even next to lines that the other changed.
    """
    lines = tuple(text.splitlines(keepends=True) for text in (base, mine, theirs))
    return list(_joined(_pieces(*lines)))


def merged(pieces: Sequence[Piece]) -> str | None:
    """The whole text, or None while something is left to choose."""
    texts = [piece.text for piece in pieces]
    return None if None in texts else "".join(text or "" for text in texts)


def _pieces(base: Lines, mine: Lines, theirs: Lines) -> Iterator[Piece]:
    at = (0, 0, 0)
    for in_base, in_mine, in_theirs, length in [*_common(base, mine, theirs), (len(base), len(mine), len(theirs), 0)]:
        parts = base[at[0] : in_base], mine[at[1] : in_mine], theirs[at[2] : in_theirs]
        yield from _stretch(*parts)
        same = "".join(base[in_base : in_base + length])
        yield Piece(same, same, same, same)
        at = (in_base + length, in_mine + length, in_theirs + length)


def _stretch(base: Lines, mine: Lines, theirs: Lines) -> Iterator[Piece]:
    """A stretch that somebody changed: as many lines on all sides are compared one by one."""
    if len(base) == len(mine) == len(theirs):
        for lines in zip(base, mine, theirs, strict=True):
            yield _decided(*lines)
    else:
        yield _decided("".join(base), "".join(mine), "".join(theirs))


def _decided(base: str, mine: str, theirs: str) -> Piece:
    if mine in (theirs, base):
        return Piece(base, mine, theirs, theirs)
    return Piece(base, mine, theirs, mine if theirs == base else None)


def _common(base: Lines, mine: Lines, theirs: Lines) -> Iterator[tuple[int, int, int, int]]:
    """Stretches that all three share: places in base, mine and theirs, and how many lines, in order."""
    left, right = _blocks(base, mine), _blocks(base, theirs)
    while left and right:
        (a, in_mine, n), (b, in_theirs, m) = left[0], right[0]
        start, end = max(a, b), min(a + n, b + m)
        if start < end:
            yield start, in_mine + start - a, in_theirs + start - b, end - start
        (left if a + n < b + m else right).pop(0)


def _blocks(base: Lines, other: Lines) -> Blocks:
    found = SequenceMatcher(None, base, other, autojunk=False).get_matching_blocks()
    return [(block.a, block.b, block.size) for block in found if block.size]


def _joined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Neighbours of one kind as one: agreed ones, and those left to choose."""
    last: Piece | None = None
    for piece in pieces:
        if last is None:
            last = piece
        elif (last.text is None) == (piece.text is None):
            text = None if last.text is None or piece.text is None else last.text + piece.text
            last = Piece(last.base + piece.base, last.mine + piece.mine, last.theirs + piece.theirs, text)
        else:
            yield last
            last = piece
    if last is not None:
        yield last
