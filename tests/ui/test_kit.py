"""Formats, charts, colours and terminal output."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import wire
from crontopus_app.ui.kit import charts, colours, run_table, terminal, words
from tests.cast import NOON

RUN = wire.Run(
    id="r1", job_id="j1", job_name="backup", namespace="production", endpoint_id="e1", endpoint_name="db01",
    status="success", flags=[], slot=NOON, started_at=NOON, finished_at=None, received_at=NOON, duration_s=60.0,
    exit_code=0, signal=None, attempt=1, commit="4f1c2ab",
)  # fmt: skip
JOB = wire.JobSummary(
    id="j1", name="backup", namespace="production", path="production/backup.yaml", schedule=["0 * * * *"],
    timezone="UTC", enabled=True, paused=False, valid=True, errors=[], next_run=NOON, state="ok", endpoints=["db01"],
    sha="0" * 40,
)  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0.0 s"),
        (0.0001, "1 ms"),
        (0.04, "40 ms"),
        (0.4, "0.4 s"),
        (8.24, "8.2 s"),
        (59.4, "59 s"),
        (91, "1:31"),
        (3600, "1:00:00"),
        (3661, "1:01:01"),
    ],
)
def test_durations_in_words(seconds: float | None, text: str) -> None:
    assert words.took(seconds) == text


def test_every_status_has_a_colour() -> None:
    for status in ("running", "success", "failed", "timeout", "lost", "skipped", "missed"):
        assert colours.of_run(status) in {"ok", "running", "failed", "missed", "unknown", "skipped"}
    assert colours.of_run("something new") == "unknown"


def test_a_manifests_error_beside_its_file() -> None:
    assert words.problem("`spec.schedule` has no `minute`") == "schedule has no minute"
    assert words.problem("the `spec.schedule` is bad") == "the spec.schedule is bad"


def test_hosts_in_words() -> None:
    assert [words.hosts(names) for names in ([], ["a"], ["a", "b"])] == ["no host yet", "a", "2 hosts"]


def test_bars_are_one_path_an_outcome() -> None:
    drawn = charts.bars([RUN, replace(RUN, status="failed", duration_s=30.0)], 20)
    assert drawn.ok == "M108 0.0h4v20.0h-4z"
    assert drawn.failed == "M114 10.0h4v3.8h-4zM114 16.2h4v3.8h-4z"
    assert drawn.missed == ""


def test_no_more_bars_than_places() -> None:
    assert charts.bars([RUN] * 50, 20).ok.count("M") == 20


def test_colours_become_spans() -> None:
    found = terminal.pieces("plain \x1b[1;32mgood\x1b[0m end")
    assert [(piece.text, piece.css) for piece in found] == [("plain ", ""), ("good", "a1 a32"), (" end", "")]


@pytest.mark.parametrize(
    ("change", "css"),
    [("0", ""), ("", ""), ("0;33", "a33"), (";33", "a33"), ("39", "a1"), ("34", "a1 a34"), ("5", "a1 a32")],
)
def test_a_change_of_colour_ends_what_it_replaces(change: str, css: str) -> None:
    """0, or nothing, ends every style; 39 ends the colour alone; what the page does not show changes nothing."""
    found = terminal.pieces(f"\x1b[1;32mgood\x1b[{change}mnext")
    assert [(piece.text, piece.css) for piece in found] == [("good", "a1 a32"), ("next", css)]


def test_plain_output_has_no_escapes() -> None:
    assert terminal.plain("\x1b[32mok\x1b[0m line 4000") == "ok line 4000"


def test_only_the_last_state_of_a_progress_bar_is_kept() -> None:
    assert "".join(piece.text for piece in terminal.pieces("1%\r50%\r100%\ndone\r\n")) == "100%\ndone\n"


def test_other_escapes_are_removed() -> None:
    text = "\x1b]0;title\x07\x1b[2J\x1b[10;5Hhere\x00\x08"
    assert "".join(piece.text for piece in terminal.pieces(text)) == "here"


def test_a_flood_of_colours_is_bounded() -> None:
    found = terminal.pieces("\x1b[31ma\x1b[32mb" * 10_000)
    assert len(found) == terminal.PIECES + 1
    assert sum(len(piece.text) for piece in found) == 20_000


@given(st.text())
def test_no_control_character_reaches_the_page(text: str) -> None:
    shown = "".join(piece.text for piece in terminal.pieces(text))
    assert not set(shown) & ({chr(code) for code in range(32)} - {"\n", "\t"})


def test_a_missed_run_is_listed_at_its_slot() -> None:
    missed = replace(RUN, status="missed", started_at=None, slot=NOON, received_at=NOON.replace(hour=15))
    assert run_table.row(missed).at == words.iso(NOON)
