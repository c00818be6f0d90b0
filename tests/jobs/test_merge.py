"""Three-way merges: what does not touch is merged, and no text is ever lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crontopus_app.jobs.merge import merge, merged

BASE = "name: a\nschedule: x\ncommand: y\n# end\n"
texts = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n", "d"]), max_size=8).map("".join)


def test_changes_of_different_lines_are_merged() -> None:
    mine, theirs = BASE.replace("name: a", "name: b"), BASE + "owner: me\n"
    assert merged(merge(BASE, mine, theirs)) == "name: b\nschedule: x\ncommand: y\n# end\nowner: me\n"


def test_neighbouring_lines_do_not_touch() -> None:
    mine, theirs = BASE.replace("schedule: x", "schedule: z"), BASE.replace("command: y", "command: w")
    assert merged(merge(BASE, mine, theirs)) == "name: a\nschedule: z\ncommand: w\n# end\n"


def test_one_line_changed_by_both_is_left_to_choose() -> None:
    mine, theirs = BASE.replace("x", "mine"), BASE.replace("x", "theirs").replace("name: a", "name: b")
    pieces = merge(BASE, mine, theirs)
    assert merged(pieces) is None
    (open_,) = [piece for piece in pieces if piece.text is None]
    assert (open_.base, open_.mine, open_.theirs) == ("schedule: x\n", "schedule: mine\n", "schedule: theirs\n")
    assert pieces[0].text == "name: b\n"


def test_an_insertion_at_one_place_by_both_is_left_to_choose() -> None:
    pieces = merge("a\nb\n", "a\n1\nb\n", "a\n2\nb\n")
    assert [piece.text for piece in pieces] == ["a\n", None, "b\n"]


def test_the_same_change_by_both_is_no_conflict() -> None:
    changed = BASE.replace("x", "z")
    assert merged(merge(BASE, changed, changed)) == changed


@given(texts, texts, texts)
def test_nothing_is_lost(base: str, mine: str, theirs: str) -> None:
    pieces = merge(base, mine, theirs)
    assert "".join(piece.base for piece in pieces) == base
    assert "".join(piece.mine for piece in pieces) == mine
    assert "".join(piece.theirs for piece in pieces) == theirs


@given(texts, texts)
def test_one_sides_changes_are_taken_as_they_are(base: str, other: str) -> None:
    assert merged(merge(base, other, base)) == other
    assert merged(merge(base, base, other)) == other
    assert merged(merge(base, other, other)) == other
