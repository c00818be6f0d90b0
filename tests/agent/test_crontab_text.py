"""The managed block in the bytes of a crontab: nothing outside the block changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.schedulers import crontab_text

VECTORS = sorted((Path(__file__).parents[1] / "vectors" / "crontabs").glob("*.crontab"))
RUN = "5b0c7c9e-6c2b-4a55-9b59-0a4b1f1b6f5e"
ENTRY = [b"# production/a 1c9f2e41\n", f"0 2 * * * /home/u/.crontopus/bin/run-job {RUN}\n".encode()]
OTHER = [b"# production/b 1c9f2e42\n", f"#5 2 * * * /home/u/.crontopus/bin/run-job {RUN}\n".encode()]

# Difficult parts: markers, similar lines, no newline, carriage returns, arbitrary bytes.
_PIECES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [
            b"\n", b"\r\n", b"0 1 * * * echo x\n", b"# BEGIN CRONTOPUS\n", b"# END CRONTOPUS is near\n", b"A=b\n",
            b"0 1 * * * /x/run-job CRONTOPUS:5b0c7c9e\n", b"\x85", b"\x0b\x0c", b"\xe2\x80\xa8",
        ]
    ),
)  # fmt: skip
FOREIGN = st.lists(_PIECES, max_size=12).map(b"".join).filter(lambda data: not crontab_text.spans(data))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_every_crontab_survives_block_in_changed_and_out(path: Path) -> None:
    original = path.read_bytes()
    first = crontab_text.splice(original, ENTRY)
    second = crontab_text.splice(first, ENTRY + OTHER)
    assert crontab_text.entries(first) == {RUN: [ENTRY[1]]}
    assert second.startswith(original)
    assert crontab_text.without(first) == crontab_text.without(second) == original


@given(FOREIGN)
def test_putting_the_block_in_and_out_gives_the_same_bytes(data: bytes) -> None:
    once = crontab_text.splice(data, ENTRY)
    assert crontab_text.splice(once, ENTRY) == once
    assert crontab_text.without(once) == data
    assert crontab_text.without(crontab_text.splice(once, [])) == data


@given(FOREIGN, FOREIGN)
def test_lines_written_behind_the_block_keep_their_place(before: bytes, after: bytes) -> None:
    data = crontab_text.splice(before, ENTRY) + after
    changed = crontab_text.splice(data, ENTRY + OTHER)
    start = changed.index(crontab_text.BEGIN)
    assert changed[:start] == data[: data.index(crontab_text.BEGIN)]
    assert changed.endswith(crontab_text.END + after)


@given(st.binary(max_size=200))
def test_lines_joined_are_the_bytes(data: bytes) -> None:
    assert b"".join(crontab_text.lines(data)) == data


def test_a_block_in_the_middle_stays_between_its_environment_lines() -> None:
    before, after = b"MAILTO=a\n", b"MAILTO=b\n0 1 * * * echo x\n"
    data = before + crontab_text.splice(b"", ENTRY) + after
    changed = crontab_text.splice(data, ENTRY + OTHER)
    assert changed == before + crontab_text.splice(b"", ENTRY + OTHER) + after


def test_nothing_wanted_leaves_a_crontab_without_block_alone() -> None:
    assert crontab_text.splice(b"0 1 * * * x", []) == b"0 1 * * * x"


def test_an_emptied_block_keeps_its_place() -> None:
    data = b"A=1\n" + crontab_text.splice(b"", ENTRY) + b"B=2\n"
    assert crontab_text.splice(data, []) == b"A=1\n" + crontab_text.BEGIN + crontab_text.END + b"B=2\n"


def test_a_missing_final_newline_comes_back() -> None:
    data = crontab_text.splice(b"0 1 * * * x", ENTRY)
    assert data.startswith(b"0 1 * * * x\n" + crontab_text.BEGIN + crontab_text.OPEN_END)
    assert crontab_text.without(data) == b"0 1 * * * x"


def test_a_newline_is_kept_when_somebody_wrote_behind_the_block() -> None:
    data = crontab_text.splice(b"0 1 * * * x", ENTRY) + b"0 2 * * * y\n"
    assert crontab_text.without(data) == b"0 1 * * * x\n0 2 * * * y\n"


def test_a_lost_end_marker_takes_only_our_own_lines() -> None:
    data = crontab_text.BEGIN + b"".join(ENTRY) + b"0 9 * * * mine\n"
    assert crontab_text.without(data) == b"0 9 * * * mine\n"
    assert crontab_text.splice(data, ENTRY) == crontab_text.splice(b"", ENTRY) + b"0 9 * * * mine\n"


def test_a_lost_begin_marker_takes_only_our_own_lines() -> None:
    data = b"0 9 * * * mine\n" + b"".join(ENTRY) + crontab_text.END + b"0 8 * * * too\n"
    assert crontab_text.without(data) == b"0 9 * * * mine\n0 8 * * * too\n"


def test_a_second_block_is_folded_into_the_first() -> None:
    twice = crontab_text.splice(b"", ENTRY) + b"0 9 * * * mine\n" + crontab_text.splice(b"", OTHER)
    assert crontab_text.splice(twice, ENTRY) == crontab_text.splice(b"", ENTRY) + b"0 9 * * * mine\n"


def test_a_begin_inside_a_block_does_not_swallow_what_is_between() -> None:
    data = crontab_text.BEGIN + ENTRY[0] + b"0 9 * * * mine\n" + crontab_text.BEGIN + ENTRY[1] + crontab_text.END
    assert crontab_text.without(data) == b"0 9 * * * mine\n"


def test_lines_of_the_first_crontopus_are_taken_out_once() -> None:
    original = (VECTORS[0].parent / "old_crontopus.crontab").read_bytes()
    rest, taken = crontab_text.take_first_crontopus(original)
    assert rest == b"".join(crontab_text.lines(original)[2:])
    assert sorted(taken) == ["1f0e2d3c-4b5a-4978-8675-645342312011", "5b0c7c9e-6c2b-4a55-9b59-0a4b1f1b6f5e"]
    assert taken["1f0e2d3c-4b5a-4978-8675-645342312011"] == crontab_text.lines(original)[1]
    assert crontab_text.take_first_crontopus(rest) == (rest, {})


def test_lines_of_the_first_crontopus_inside_the_block_stay_there() -> None:
    old = b"15 4 * * * /opt/x.sh # CRONTOPUS:1f0e2d3c-4b5a-4978-8675-645342312011\n"
    data = crontab_text.splice(b"0 1 * * * x\n", [old])
    assert crontab_text.take_first_crontopus(data) == (data, {})


@pytest.mark.parametrize(
    "line",
    [
        b"# CRONTOPUS:1f0e2d3c-4b5a-4978-8675-645342312011\n",
        b"#15 4 * * * /opt/x.sh # CRONTOPUS:1f0e2d3c-4b5a-4978-8675-645342312011\n",
        b"15 4 * * * /opt/x.sh # CRONTOPUS:not-an-id\n",
        b"15 4 * * * echo CRONTOPUS:1f0e2d3c-4b5a-4978-8675-645342312011 rest\n",
    ],
)
def test_what_only_looks_like_the_first_crontopus_stays(line: bytes) -> None:
    assert crontab_text.take_first_crontopus(line) == (line, {})


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        (ENTRY[1], True),
        (OTHER[1], True),
        (b"0 2 * * * /x/bin/run-job notauuid\n", False),
        (b"0 2 * * * echo /x/bin/run-job-2 " + RUN.encode() + b"\n", False),
        (b"0 2 * * * /x/bin/run-job " + RUN.encode() + b" --extra\n", False),
    ],
)
def test_only_lines_in_our_form_count_as_ours(line: bytes, ours: bool) -> None:
    assert (crontab_text.job_of(line) == RUN) is ours
