"""Words, bars, lanes and terminal output."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import wire
from crontopus_app.ui.kit import charts, terminal, words
from crontopus_app.ui.session import token_of
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
    ("seconds", "said"),
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
def test_durations_in_words(seconds: float | None, said: str) -> None:
    assert words.took(seconds) == said


def test_every_status_has_a_look() -> None:
    for status in ("running", "success", "failed", "timeout", "lost", "skipped", "missed"):
        assert words.run_state(status) in {"ok", "running", "failed", "missed", "unknown", "skipped"}
    assert words.run_state("something new") == "unknown"


def test_hosts_in_words() -> None:
    assert [words.hosts(names) for names in ([], ["a"], ["a", "b"])] == ["no host yet", "a", "2 hosts"]


def test_bars_are_one_path_an_outcome() -> None:
    drawn = charts.bars([RUN, replace(RUN, status="failed", duration_s=30.0)], 20)
    assert drawn.ok == "M108 0.0h4v20.0h-4z"
    assert drawn.failed == "M114 10.0h4v10.0h-4z"
    assert drawn.missed == ""


def test_no_more_bars_than_places() -> None:
    assert charts.bars([RUN] * 50, 20).ok.count("M") == 20


<<<<<<< HEAD
def test_now_is_the_middle_of_the_day() -> None:
    assert charts.place(NOON, NOON) == 720
    assert charts.place(NOON - timedelta(hours=12), NOON) == 0


def test_a_running_bar_ends_now() -> None:
    running = replace(RUN, status="running", started_at=NOON - timedelta(minutes=30), duration_s=None)
    assert charts.lane(JOB, [running], [], NOON).paths.running == "M690.0 7h30.0v13h-30.0z"


def test_a_lane_tells_the_pointer_its_runs() -> None:
    made = charts.lane(JOB, [replace(RUN, started_at=NOON - timedelta(hours=1))], [NOON + timedelta(hours=1)], NOON)
    assert made.runs.split("\t")[2] == "r1"
    assert "took 1:00" in made.runs
    assert made.slots == "M780.0 7h6.0v13h-6.0z"


def test_slots_closer_than_their_outline_become_a_band() -> None:
    slots = [NOON + timedelta(minutes=minute) for minute in range(60)]
    assert charts.lane(JOB, [], slots, NOON).slots.count("M") == 1


def test_lanes_that_need_attention_come_first_and_are_at_most_thirty() -> None:
    jobs = [replace(JOB, id=f"j{n}", name=f"n{n:02}") for n in range(40)] + [replace(JOB, id="bad", state="failing")]
    made = overview_rows.lanes(jobs, [], NOON)
    assert len(made) == 30
    assert made[0].state == "failed"


@pytest.mark.parametrize("state", ["ok", "failing", "paused", "waiting", "retired", "invalid", "late", "missed", "odd"])
def test_every_state_of_a_job_has_its_place(state: str) -> None:
    assert len(overview_rows.lanes([replace(JOB, state=state)], [], NOON)) == 1


@pytest.mark.parametrize(
    "changed", [{"paused": True}, {"valid": False}, {"schedule": ["nonsense"]}, {"enabled": False}]
)
def test_a_job_that_is_not_due_has_no_slots(changed: dict[str, object]) -> None:
    assert overview_rows.slots(replace(JOB, **changed), NOON) == []  # pyright: ignore[reportArgumentType] -- fields
    assert len(overview_rows.slots(JOB, NOON)) == 12
=======
def test_errors_stand_at_their_lines() -> None:
    problem = wire.Problem("value", "too big", line=2)
    shown = job_rows.lines("one\ntwo\nthree", [problem, replace(problem, line=3, severity="lint")])
    assert [line.css for line in shown] == ["", "bad", "warn"]
    assert shown[1].note == "too big"


def test_a_difference_is_marked_line_by_line() -> None:
    shown = job_rows.diff("diff --git a b\n--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new\n same\n")
    assert [line.css for line in shown] == ["mark", "bad", "add", ""]


def test_success_and_percentiles_of_the_last_runs() -> None:
    said = job_rows.durations([RUN, RUN, replace(RUN, status="failed", duration_s=120.0)])
    assert said.success == "success 66.7 %"
    assert said.said == "last 3 runs · p50 1:00 · p95 2:00"
    assert job_rows.durations([]).said == ""
>>>>>>> 3c2446b (Draw the Overview's day from few columns, moving, with keys)


def test_colours_become_spans() -> None:
    found = terminal.pieces("plain \x1b[1;32mgood\x1b[0m end")
    assert [(piece.text, piece.css) for piece in found] == [("plain ", ""), ("good", "a1 a32"), (" end", "")]


def test_a_progress_bar_leaves_its_last_state() -> None:
    assert "".join(piece.text for piece in terminal.pieces("1%\r50%\r100%\ndone\r\n")) == "100%\ndone\n"


def test_other_escapes_are_taken_out() -> None:
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


@given(st.text())
def test_any_cookie_header_is_read(text: str) -> None:
    assert isinstance(token_of(text), str)


def test_our_cookie_is_found_among_others() -> None:
    assert token_of("a=b; crontopus_session=cse_x; c=d") == "cse_x"
