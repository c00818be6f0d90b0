"""The demo clock reads a crontab as cron does, and ends what it started."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from crontopus_app.programs.demo_clock import DemoClock, DueLine, due, lines
from tests.fixtures.processes import wait_until

MINUTE = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


def demo_clock(tmp_path: Path, text: str, left_out: str = "nothing") -> DemoClock:
    crontab = tmp_path / "crontab"
    crontab.write_text(text)
    return DemoClock(crontab, home=tmp_path, zone="UTC", skipped=lambda command: left_out in command)


def test_lines_are_what_cron_would_run() -> None:
    text = "# a comment\nPLACE = 'here'\n0 2 * * *  one  two\n\n@daily three\n#0 3 * * * off\nnot a line\n"
    assert list(lines(text)) == [
        DueLine("0 2 * * *", "one  two", {"PLACE": "here"}),
        DueLine("@daily", "three", {"PLACE": "here"}),
    ]


def test_a_line_is_due_in_its_minute_only() -> None:
    nightly = DueLine("0 2 * * *", "x", {})
    assert due(nightly, MINUTE, "UTC")
    assert not due(nightly, MINUTE, "Europe/Berlin")
    assert not due(DueLine("@reboot", "x", {}), MINUTE, "UTC")
    assert not due(DueLine("61 * * * *", "x", {}), MINUTE, "UTC")


def test_a_tick_runs_the_due_lines_with_their_variables(tmp_path: Path) -> None:
    clock = demo_clock(tmp_path, f"WORD=hello\n0 2 * * * /bin/sh -c 'echo $WORD > {tmp_path}/out'\n0 3 * * * false\n")
    clock.tick(MINUTE)
    (process,) = clock.running
    assert process.wait(timeout=10) == 0
    assert (tmp_path / "out").read_text() == "hello\n"


def test_what_is_left_out_does_not_run(tmp_path: Path) -> None:
    clock = demo_clock(tmp_path, "* * * * * true\n* * * * * touch skipped\n", left_out="skipped")
    clock.tick(MINUTE)
    assert len(clock.running) == 1
    clock.end()


def test_a_crontab_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    clock = demo_clock(tmp_path, "")
    clock.crontab.unlink()
    clock.tick(MINUTE)
    assert clock.running == []


def test_stopping_ends_what_runs(tmp_path: Path) -> None:
    clock, stop = demo_clock(tmp_path, "* * * * * sleep 600\n"), threading.Event()
    # Each look at the time is a minute later: the clock ticks at once and never sleeps.
    times = (MINUTE + timedelta(minutes=number) for number in range(1000))
    thread = threading.Thread(target=clock.run, args=(stop, lambda: next(times)))
    thread.start()
    wait_until(lambda: clock.running, "a tick")
    stop.set()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert all(process.poll() is not None for process in clock.running)
