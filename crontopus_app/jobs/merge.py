"""Three-way merge of a text by lines. Separate changes are merged; overlapping ones are conflicts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

Lines = list[str]
Blocks = list[tuple[int, int, int]]


@dataclass(frozen=True)
class Section:
    """A section of the text. ``text`` is the merged text; None for a conflict."""

    base: str
    mine: str
    theirs: str
    text: str | None


def merge(base: str, mine: str, theirs: str) -> list[Section]:
    """Splits the texts into sections. Joining the ``mine`` of all sections gives ``mine``, and so for the others.

    Lines that only one side changed are merged, even next to lines that the other side changed.
    """
    lines = tuple(text.splitlines(keepends=True) for text in (base, mine, theirs))
    return list(_joined(_sections(*lines)))


def merged(sections: Sequence[Section]) -> str | None:
    """The merged text; None while there is a conflict."""
    texts = [section.text for section in sections]
    return None if None in texts else "".join(text or "" for text in texts)


def _sections(base: Lines, mine: Lines, theirs: Lines) -> Iterator[Section]:
    at = (0, 0, 0)
    for in_base, in_mine, in_theirs, length in [*_common(base, mine, theirs), (len(base), len(mine), len(theirs), 0)]:
        parts = base[at[0] : in_base], mine[at[1] : in_mine], theirs[at[2] : in_theirs]
        yield from _compared(*parts)
        same = "".join(base[in_base : in_base + length])
        yield Section(same, same, same, same)
        at = (in_base + length, in_mine + length, in_theirs + length)


def _compared(base: Lines, mine: Lines, theirs: Lines) -> Iterator[Section]:
    """The sections of a changed part. Parts with equally many lines are compared line by line."""
    if len(base) == len(mine) == len(theirs):
        for lines in zip(base, mine, theirs, strict=True):
            yield _section(*lines)
    else:
        yield _section("".join(base), "".join(mine), "".join(theirs))


def _section(base: str, mine: str, theirs: str) -> Section:
    if mine in (theirs, base):
        return Section(base, mine, theirs, theirs)
    return Section(base, mine, theirs, mine if theirs == base else None)


def _common(base: Lines, mine: Lines, theirs: Lines) -> Iterator[tuple[int, int, int, int]]:
    """The common parts of all three texts, in order: indexes in base, mine and theirs, and number of lines."""
    left, right = _blocks(base, mine), _blocks(base, theirs)
    while left and right:
        (a, in_mine, n), (b, in_theirs, m) = left[0], right[0]
        start, end = max(a, b), min(a + n, b + m)
        if start < end:
            yield start, in_mine + start - a, in_theirs + start - b, end - start
        (left if a + n < b + m else right).pop(0)


def _blocks(base: Lines, other: Lines) -> Blocks:
    blocks = SequenceMatcher(None, base, other, autojunk=False).get_matching_blocks()
    return [(block.a, block.b, block.size) for block in blocks if block.size]


def _joined(sections: Iterator[Section]) -> Iterator[Section]:
    """Joins adjacent merged sections, and adjacent conflicts."""
    last: Section | None = None
    for section in sections:
        if last is None:
            last = section
        elif (last.text is None) == (section.text is None):
            text = None if last.text is None or section.text is None else last.text + section.text
            last = Section(last.base + section.base, last.mine + section.mine, last.theirs + section.theirs, text)
        else:
            yield last
            last = section
    if last is not None:
        yield last
