"""Files with problems at their lines, and diffs with their changed words."""

from __future__ import annotations

import difflib
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from contract import wire
from crontopus_app.ui.kit import code
from crontopus_app.ui.kit.code import CodeLine

DIFF = """diff --git a/production/backup.yaml b/production/backup.yaml
index 1..2 100644
--- a/production/backup.yaml
+++ b/production/backup.yaml
@@ -4,3 +4,4 @@ spec:
 spec:
-  schedule: "30 1 * * *"
+  schedule: "0 2 * * *"
+  timezone: Europe/Berlin
\\ No newline at end of file
"""


def text(line: CodeLine) -> str:
    return "".join(piece.text for piece in line.pieces)


def marked(line: CodeLine) -> list[str]:
    return [piece.text for piece in line.pieces if piece.css == "word"]


def test_errors_stand_at_their_lines() -> None:
    problem = wire.Problem("value", "too big", line=2)
    shown = code.file("one\ntwo\nthree", [problem, replace(problem, line=3, severity="lint"), problem])
    assert [(line.number, line.css) for line in shown] == [("1", ""), ("2", "bad"), ("3", "warn")]
    assert shown[1].note == "too big · too big"


def test_a_problem_without_a_line_stands_at_the_first_and_an_empty_file_has_one() -> None:
    assert code.file("", [wire.Problem("empty", "nothing there")])[0].note == "nothing there"


def test_only_the_words_that_changed_are_marked() -> None:
    shown = code.difference(DIFF)
    assert [(line.number, line.css) for line in shown] == [
        ("", "mark"), ("", ""), ("−", "bad"), ("+", "add"), ("+", "add"),
    ]  # fmt: skip
    assert [marked(line) for line in shown[2:]] == [["30", "1"], ["0", "2"], []]
    assert text(shown[3]) == '  schedule: "0 2 * * *"'


def test_lines_without_anything_in_common_are_not_compared_word_by_word() -> None:
    shown = code.difference("@@ -1 +1 @@\n-paused: true\n+# nothing alike here\n")
    assert [marked(line) for line in shown] == [[], [], []]


def test_a_removed_line_that_looks_like_a_header_is_kept() -> None:
    shown = code.difference("--- a\n+++ b\n@@ -1,2 +1 @@\n--- x\n y\n")
    assert [text(line) for line in shown] == ["…", "-- x", "y"]


def test_removals_after_additions_begin_a_change_of_their_own() -> None:
    shown = code.difference("@@ @@\n-a b c\n+a b d\n-e f g\n+e f h\n")
    assert [text(line) for line in shown] == ["…", "a b c", "a b d", "e f g", "e f h"]


def test_two_equal_texts_have_no_difference() -> None:
    assert code.between("a\nb\n", "a\nb") == []
    assert code.difference("") == []


LINES = st.lists(st.text(alphabet="ab -+@\\:", max_size=8), max_size=8)


@given(LINES, LINES)
def test_both_texts_can_be_read_off_a_difference(old: list[str], new: list[str]) -> None:
    diff = difflib.unified_diff(old, new, lineterm="", n=99)
    shown = code.difference("\n".join(diff))
    if old == new:
        assert shown == []
        return
    lines = [line for line in shown if line.css != "mark"]
    assert [text(line) for line in lines if line.css != "add"] == old
    assert [text(line) for line in lines if line.css != "bad"] == new
