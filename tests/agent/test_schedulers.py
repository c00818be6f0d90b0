"""crontab(1) as it really answers, through a stand-in program that answers so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.errors import SchedulerFailed
from agent.schedulers import CrontabFile, UserCrontab, scheduler_for

Fake = Callable[[str], UserCrontab]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """A ``crontab`` of our own on PATH: a shell script with ``$SPOOL`` for its file."""

    def make(script: str) -> UserCrontab:
        program = tmp_path / "crontab"
        program.write_text(f"#!/bin/sh\nSPOOL={tmp_path}/spool\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setattr("agent.schedulers.user_crontab._SPOOLS", ())
        return UserCrontab()

    return make


WORKING = """case "$1" in
-l) cat "$SPOOL" 2>/dev/null || { echo "no crontab for ana" >&2; exit 1; };;
-r) rm "$SPOOL";;
*) cp "$1" "$SPOOL";;
esac"""


def test_what_is_written_is_read_back(fake: Fake) -> None:
    crontab = fake(WORKING)
    assert crontab.read() is None
    crontab.write(b"0 1 * * * caf\xe9\r\n\n")
    assert crontab.read() == b"0 1 * * * caf\xe9\r\n\n"
    crontab.clear()
    assert crontab.read() is None
    crontab.clear()


def test_the_mark_follows_the_content(fake: Fake) -> None:
    crontab = fake(WORKING)
    crontab.write(b"a\n")
    mark = crontab.mark()
    assert crontab.mark() == mark
    crontab.write(b"b\n")
    assert crontab.mark() != mark


@pytest.mark.parametrize(
    "words",
    ["no crontab for ana", "crontab: no crontab for ana", "crontab: can't open 'ana': No such file or directory"],
)
def test_the_known_wordings_mean_none(fake: Fake, words: str) -> None:
    assert fake(f'echo "{words}" >&2; exit 1').read() is None


@pytest.mark.parametrize(
    "script",
    [
        'echo "You (ana) are not allowed to use this program (crontab)" >&2; exit 1',
        'echo "no crontab for ana" >&2; exit 2',
        'echo "no crontab for ana because the disk is gone" >&2; exit 1',
        "exit 1",
        "kill -9 $$",
    ],
)
def test_any_other_failure_is_not_an_empty_crontab(fake: Fake, script: str) -> None:
    with pytest.raises(SchedulerFailed):
        fake(script).read()


def test_a_refused_crontab_is_told_in_crons_words(fake: Fake) -> None:
    with pytest.raises(SchedulerFailed, match="bad minute"):
        fake('echo "bad minute" >&2; exit 1').write(b"x\n")


def test_a_host_without_crontab_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(SchedulerFailed, match="install cron"):
        UserCrontab(program="no-such-crontab").read()
    assert not list(tmp_path.iterdir())


def test_a_file_is_a_crontab_too(tmp_path: Path) -> None:
    crontab = scheduler_for(str(tmp_path / "c"))
    assert isinstance(crontab, CrontabFile)
    assert (crontab.read(), crontab.mark()) == (None, None)
    crontab.write(b"a\n")
    assert (crontab.read(), (tmp_path / "c").stat().st_mode & 0o777) == (b"a\n", 0o600)
    mark = crontab.mark()
    (tmp_path / "c").write_bytes(b"bb\n")
    assert crontab.mark() != mark
    crontab.clear()
    assert not (tmp_path / "c").exists()


def test_without_a_file_it_is_the_users_crontab() -> None:
    assert isinstance(scheduler_for(None), UserCrontab)
