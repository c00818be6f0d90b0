"""The command runs as under cron: shell, arguments, folder, variables, umask, priority, user."""

from __future__ import annotations

import os
import pwd
import re
from typing import Any

import pytest

from tests.agent.runner.conftest import JOB, RunnerHost, is_root

AWKWARD = [
    "two  spaces",
    "",
    "it's",
    '"',
    "$HOME",
    "`id`",
    "a%b",
    "*",
    "\\",
    "new\nline",
    "ünï",
    "--x=y",
    "!",
    "#",
    ";",
]


def test_each_argument_is_exactly_one_word(host: RunnerHost) -> None:
    host.job("printf '%s\\0'", args=AWKWARD)
    assert host.run().stdout.decode().split("\0")[:-1] == AWKWARD


def test_the_command_is_the_shells_to_read(host: RunnerHost) -> None:
    host.job('for x in a b; do echo "$x"; done | tr \'\\n\' - && echo 100% "it\'s"')
    assert host.run().stdout == b"a-b-100% it's\n"


def test_another_shell(host: RunnerHost) -> None:
    changes: dict[str, Any] = {"shell": "/bin/bash"}
    host.job("[[ abc == a* ]] && echo ${BASH_VERSION:+bash}", **changes)
    assert host.run().stdout == b"bash\n"


def test_crons_variables_come_through(host: RunnerHost) -> None:
    host.environment.update(MAILTO="ops@example.org", ODD="a=b\nc")
    host.job('echo "$MAILTO|$PATH|$ODD"')
    assert host.run().stdout == b"ops@example.org|/usr/bin:/bin|a=b\nc\n"


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("plain", "plain"),
        ("${LOGNAME}", "ana"),
        ("<${LOGNAME}-${LOGNAME}>", "<ana-ana>"),
        ("$${LOGNAME} costs $$5", "${LOGNAME} costs $5"),
        ("$$$$", "$$"),
        ("[${NO_SUCH}]", "[]"),
        ("$LOGNAME $", "$LOGNAME $"),
        ("${LOGNAME", "${LOGNAME"),
        ("a 'quoted' \"value\"", "a 'quoted' \"value\""),
    ],
)
def test_variables_are_read_at_run_time(written: str, seen: str, host: RunnerHost) -> None:
    host.job('printf %s "$VALUE"', env={"VALUE": written})
    assert host.run().stdout.decode() == seen


def test_the_file_of_secrets(host: RunnerHost) -> None:
    lines = "# a comment\n\nTOKEN=s3cr=t\n export QUOTED='a b'\nSPACED = x y \nrubbish\nBOTH=file\n"
    host.file("secrets.env").write_text(lines)
    host.job(
        'echo "$TOKEN|$QUOTED|$SPACED|$BOTH|$SEEN"', env_file="secrets.env", env={"BOTH": "env", "SEEN": "${TOKEN}"}
    )
    assert host.run().stdout == b"s3cr=t|a b|x y|env|s3cr=t\n"


def test_without_its_secrets_it_does_not_run(host: RunnerHost) -> None:
    host.job("touch ran", env_file="/no/such/file")
    done = host.run()
    assert (done.returncode, b"/no/such/file" in done.stderr) == (126, True)
    assert "/no/such/file" in host.waiting("fail")["error"]
    assert not host.file("ran").exists()


def test_the_home_is_the_folder_when_none_is_named(host: RunnerHost) -> None:
    host.job("pwd")
    assert host.run(cwd="/").stdout.decode() == f"{host.folder}/home\n"


def test_a_home_that_is_gone_is_the_root(host: RunnerHost) -> None:
    host.environment["HOME"] = "/no/such/home"
    host.job("pwd")
    assert host.run().stdout == b"/\n"


@pytest.mark.parametrize("named", ["~/backups", "backups"])
def test_a_folder_below_the_home(named: str, host: RunnerHost) -> None:
    host.file("backups").mkdir()
    host.job("pwd", cwd=named)
    assert host.run().stdout.decode() == f"{host.folder}/home/backups\n"


def test_a_folder_that_is_missing_stops_the_run(host: RunnerHost) -> None:
    host.job("touch ran", cwd="/no/such/folder")
    assert host.run().returncode in (126, 127)
    assert "/no/such/folder" in host.waiting("fail")["error"]


def test_mask_and_priority(host: RunnerHost) -> None:
    host.job("umask; nice", umask="0027", nice=5)
    base = os.getpriority(os.PRIO_PROCESS, 0)
    assert host.run().stdout.decode().split() == ["0027", str(base + 5)]


def test_it_leads_a_group_and_session_of_its_own(host: RunnerHost) -> None:
    host.job("echo $$; cut -d' ' -f5,6 /proc/$$/stat")
    assert len(set(host.run().stdout.split())) == 1


def test_none_of_our_files_leak_into_it(host: RunnerHost) -> None:
    host.job("ls -l /proc/self/fd", concurrency="forbid")
    listed = host.run().stdout.decode()
    assert sorted(re.findall(r" (\d+) -> ", listed)) == ["0", "1", "2", "3"]  # 3: the folder that ls reads


def test_an_unknown_user_stops_the_run(host: RunnerHost) -> None:
    host.job("touch ran", user="nobody-knows-me")
    assert host.run().returncode == 126
    assert "no user nobody-knows-me" in host.waiting("fail")["error"]


def test_another_user_only_with_roots_power(host: RunnerHost) -> None:
    """As root, the job runs as the user, with the user's groups; otherwise it fails."""
    host.job('id -u; id -G; echo "$USER $LOGNAME"', user="nobody", cwd="/")
    done = host.run(JOB)
    if not is_root():
        assert (done.returncode, b"runs as root" in done.stderr) == (126, True)
        return
    entry = pwd.getpwnam("nobody")
    assert done.stdout.decode().split("\n")[:3] == [str(entry.pw_uid), str(entry.pw_gid), "nobody nobody"]


def test_ones_own_name_needs_no_power(host: RunnerHost) -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    host.job("echo ran", user=me, cwd="/")
    assert host.run().stdout == b"ran\n"
