"""The schedulers, with a replacement for crontab(1) that gives its real answers."""

from __future__ import annotations

import os
import pwd
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.errors import SchedulerFailed, Unproved
from agent.schedulers import Crontab, CrontabFile, UserCrontab, crontab_install, scheduler_for
from agent.schedulers.memory import MemoryCrontab
from tests.agent.spools import BANNER

CASES = Path(__file__).parents[1] / "vectors" / "cases"
RUNNER = Path("/s/bin/run-job")
Fake = Callable[[str], UserCrontab]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """A replacement for crontab(1) on PATH: a shell script that stores the crontab in ``$SPOOL``."""

    def make(script: str) -> UserCrontab:
        program = tmp_path / "crontab"
        program.write_text(f"#!/bin/sh\nSPOOL={tmp_path}/spool\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return UserCrontab(spools=())

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


def test_the_mark_follows_the_file_or_its_folder_and_needs_no_listing(tmp_path: Path) -> None:
    crontab = UserCrontab(program="no-such-crontab", spools=(str(tmp_path),))
    nobody = crontab.mark()
    file = tmp_path / pwd.getpwuid(os.getuid()).pw_name
    file.write_bytes(b"a\n")
    mark = crontab.mark()
    assert nobody != mark == crontab.mark()
    file.write_bytes(b"longer\n")
    assert crontab.mark() != mark
    (tmp_path / "another").write_bytes(b"b\n")
    assert UserCrontab(spools=(str(tmp_path / "missing"),)).mark() == (0, 0)


@pytest.mark.parametrize(("meanwhile", "written"), [("touch {}/tmp.abc", False), ("true", True)])
def test_nothing_is_installed_while_another_crontab_is_at_work(
    fake: Fake, tmp_path: Path, meanwhile: str, written: bool
) -> None:
    """A crontab(1) begins with a temporary file in the spool folder."""
    folder = tmp_path / "crontabs"
    folder.mkdir()
    fake(f'case "$1" in -l) {meanwhile.format(folder)};; esac\n{WORKING}')
    crontab = UserCrontab(spools=(str(folder),))
    crontab.write(b"a\n")
    if written:
        crontab.write(b"b\n", b"a\n")
    else:
        with pytest.raises(SchedulerFailed, match="changed during this pass"):
            crontab.write(b"b\n", b"a\n")
    assert crontab.read() == (b"b\n" if written else b"a\n")


@pytest.mark.parametrize(
    "words",
    [
        "no crontab for ana",
        "crontab: no crontab for ana",
        "crontab: can't open 'ana': No such file or directory",
        r"no crontab for ACME\\bob",
        "crontab: can't open your crontab file.",
    ],
)
def test_the_known_wordings_mean_none(fake: Fake, words: str) -> None:
    assert fake(f'echo "{words}" >&2; exit 1').read() is None


def test_a_user_name_with_a_blank_may_have_none(fake: Fake) -> None:
    crontab = fake('echo "no crontab for john smith" >&2; exit 1')
    with pytest.raises(SchedulerFailed):
        crontab.read()
    crontab.user = "john smith"
    assert crontab.read() is None


def test_bcron_says_none_with_a_code_of_its_own(fake: Fake) -> None:
    assert fake('echo "crontab: Crontab does not exist" >&2; exit 111').read() is None
    with pytest.raises(SchedulerFailed):
        fake('echo "crontab: cannot connect" >&2; exit 111').read()


@pytest.mark.parametrize(
    ("editing", "reason"),
    [
        ('echo "-e is not allowed" >&2; exit 1', "-e is not allowed"),
        ('printf "0 9 * * * other\\n" > "$SPOOL.e"; eval "$EDITOR $SPOOL.e"', "show different crontabs"),
    ],
)
def test_a_listing_that_may_stand_for_two_crontabs_needs_the_editors_copy(
    fake: Fake, editing: str, reason: str
) -> None:
    crontab = fake(WORKING.replace("-r)", f"-e) {editing};;\n-r)"))
    crontab.write(b"0 1 * * * a\n")
    assert crontab.read() == b"0 1 * * * a\n"
    crontab.write(b"0 1 * * * a\\r\n")
    with pytest.raises(Unproved, match=reason):
        crontab.read()


@pytest.mark.parametrize("added", [True, False])
@pytest.mark.parametrize("before", [b"", BANNER, BANNER + BANNER])
def test_a_banner_stays_as_it_is_whether_crontab_adds_one_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bytes, added: bool
) -> None:
    """SLES adds a banner and lists it; cronie adds none, but keeps the one that Debian's cron wrote before it."""
    spool, program = tmp_path / "spool", tmp_path / "crontab"
    monkeypatch.setenv("SPOOL", str(spool))
    banners = (CASES / "banner-crontab-program" / "crontab").read_text()
    program.write_text(banners if added else f"#!/bin/sh\n{WORKING}\n")
    program.chmod(0o755)
    spool.write_bytes(before + b"0 1 * * * x\n")
    count = before.count(BANNER)
    for _ in range(2):
        crontab = UserCrontab(program=str(program), spools=())  # the agent starts again
        for _ in range(2):
            content = (crontab.read() or b"") + b"0 2 * * * y\n"
            crontab.write(content)
            assert crontab.read() == content
            assert spool.read_bytes().count(b"# DO NOT EDIT") == max(count, int(added))
    assert spool.read_bytes().endswith(b"0 1 * * * x\n" + b"0 2 * * * y\n" * 4)


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
    scheduler = scheduler_for(str(tmp_path / "c"), RUNNER)
    assert (scheduler.name, scheduler.observe(None).exists) == ("file", False)
    crontab = CrontabFile(tmp_path / "c")
    assert (crontab.read(), crontab.mark()) == (None, None)
    crontab.write(b"a\n")
    assert (crontab.read(), (tmp_path / "c").stat().st_mode & 0o777) == (b"a\n", 0o600)
    mark = crontab.mark()
    (tmp_path / "c").write_bytes(b"bb\n")
    assert crontab.mark() != mark
    crontab.clear()
    assert not (tmp_path / "c").exists()


def test_without_a_file_it_is_the_users_crontab() -> None:
    assert scheduler_for(None, RUNNER).name == "crontab"


@pytest.fixture
def crontab() -> Crontab:
    return Crontab(MemoryCrontab(b"0 1 * * * mine"), RUNNER)


ENTRY = b"0 2 * * * /s/bin/run-job 00000000-0000-4000-8000-000000000001\n"
JOB = "00000000-0000-4000-8000-000000000001"


def kept(_: bytes) -> None:
    """Discards the backup."""


def test_what_was_applied_is_observed_without_drift(crontab: Crontab) -> None:
    prepared = crontab.prepare(crontab.observe(None), [ENTRY])
    backups: list[bytes] = []
    crontab.apply(prepared, backups.append)
    observed = crontab.observe(prepared.ours)
    assert backups == [b"0 1 * * * mine"]
    assert (dict(observed.entries), observed.drift) == ({JOB: [ENTRY]}, [])
    assert not crontab.prepare(observed, [ENTRY]).changes


def test_a_preparation_writes_nothing(crontab: Crontab) -> None:
    prepared = crontab.prepare(crontab.observe(None), [ENTRY])
    assert prepared.changes
    assert crontab.observe(None).content == b"0 1 * * * mine"


def test_what_changed_since_it_was_observed_is_not_overwritten(crontab: Crontab) -> None:
    prepared = crontab.prepare(crontab.observe(None), [ENTRY])
    crontab.store.write(b"0 1 * * * just typed\n")
    backups: list[bytes] = []
    with pytest.raises(SchedulerFailed, match="changed during this pass"):
        crontab.apply(prepared, backups.append)
    assert (crontab.observe(None).content, backups) == (b"0 1 * * * just typed\n", [])


def test_what_changes_during_the_backup_is_not_overwritten(crontab: Crontab) -> None:
    prepared = crontab.prepare(crontab.observe(None), [ENTRY])
    with pytest.raises(SchedulerFailed, match="changed during this pass"):
        crontab.apply(prepared, lambda _: crontab.store.write(b"0 1 * * * just typed\n"))
    assert crontab.observe(None).content == b"0 1 * * * just typed\n"


def test_an_edited_entry_is_drift(crontab: Crontab) -> None:
    prepared = crontab.prepare(crontab.observe(None), [ENTRY])
    crontab.store.write(prepared.content.replace(b"0 2", b"0 3"))
    assert [drift.kind for drift in crontab.observe(prepared.ours).drift] == ["line_changed"]
    assert crontab.observe(None).drift == []


def test_each_entry_is_discovered_with_its_standing(crontab: Crontab) -> None:
    prepared = crontab.prepare(crontab.observe(None), [ENTRY])
    discovered = crontab.discover(prepared.content, {JOB: "production/a"})
    standings = [(line.standing, line.note) for line in discovered]
    assert standings == [("foreign", ""), ("ours", ""), ("ours", ""), ("managed", "production/a"), ("ours", "")]


@pytest.mark.parametrize(
    ("before", "remove_empty", "after"), [(None, True, None), (None, False, b""), (b"x", True, b"x")]
)
def test_leaving_restores_what_was_there(before: bytes | None, remove_empty: bool, after: bytes | None) -> None:
    crontab = Crontab(MemoryCrontab(before), RUNNER)
    crontab.apply(crontab.prepare(crontab.observe(None), [ENTRY]), kept)
    crontab.leave(None, kept, remove_empty=remove_empty)
    assert crontab.store.read() == after


def test_a_restored_backup_replaces_everything_and_keeps_what_it_replaces(crontab: Crontab) -> None:
    backups: list[bytes] = []
    crontab.restore(b"0 5 * * * old\n", backups.append)
    assert (crontab.store.read(), backups) == (b"0 5 * * * old\n", [b"0 1 * * * mine"])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("end", [b"", b" " + str(RUNNER).encode()])
def test_very_long_lines_are_observed_as_fast_as_short_ones(end: bytes) -> None:
    """With time in proportion to the square of the length this would take hours."""
    data = b" " * 1_000_000 + end + b"\n0 1 * * * " + b"x" * 1_000_000 + end + b"\n"
    crontab = Crontab(MemoryCrontab(data), RUNNER)
    prepared = crontab.prepare(crontab.observe(""), [ENTRY], "UTC")
    assert prepared.content.startswith(data)


# -- the pipe to crontab(1); cat(1) stands for it, and prints what it would install -----------------------


def test_crontab_gets_all_bytes_and_not_before_the_last_look() -> None:
    data, looks = bytes(range(256)) * 1000, []
    answer = crontab_install.install("/bin/cat", data, os.environ, lambda: looks.append(1) is None)
    assert answer is not None
    assert (answer.returncode, answer.stdout, looks) == (0, data, [1])


def test_more_than_a_pipe_holds_goes_another_way() -> None:
    assert crontab_install.install("/bin/cat", b"x" * (1 << 26), os.environ, lambda: True) is None


def test_an_installation_closes_no_files_of_other_threads() -> None:
    ended, lost = threading.Event(), []

    def others() -> None:
        while not ended.is_set():
            handles = [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]
            for handle in handles:
                try:
                    os.close(handle)
                except OSError:
                    lost.append(handle)

    thread = threading.Thread(target=others)
    thread.start()
    for _ in range(50):
        crontab_install.install("/bin/cat", b"x\n", os.environ, lambda: True)
    ended.set()
    thread.join()
    assert lost == []
