"""The command runs as under cron: shell, arguments, folder, variables, umask, priority, user."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.agent.runner.conftest import JOB, RunnerHost, is_root

CASES = Path(__file__).resolve().parents[2] / "vectors" / "cases"
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


def variables(host: RunnerHost, *before: str) -> list[bytes]:
    """The environment of a command started by the runner, or by the program ``before`` instead of it."""
    if not before:
        host.job("env -0")
        return sorted(host.run().stdout.split(b"\0"))
    done = subprocess.run(
        [*before, "-c", "env -0"], env=host.environment, capture_output=True, cwd=host.folder / "home"
    )
    return sorted(done.stdout.split(b"\0"))


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"LC_CTYPE": "C.UTF-8"},
        {"LC_CTYPE": "C"},
        {"LANG": "C"},
        {"LC_ALL": "POSIX"},
        {"LANG": "C.UTF-8"},
        {"LC_CTYPE": "", "LANG": ""},
        {"PYTHONCOERCECLOCALE": "warn", "PYTHONUTF8": "0"},
    ],
)
def test_the_environment_is_crons_and_nothing_more(more: dict[str, str], host: RunnerHost) -> None:
    host.environment.update(more)
    assert variables(host) == variables(host, "/bin/sh")


def test_bytes_of_any_kind_come_through(host: RunnerHost) -> None:
    host.environment["ODD"] = os.fsdecode(b"gr\xfcn\xff\x01")
    host.job('printf %s "$ODD" | od -An -tx1')
    assert host.run().stdout.split() == b"67 72 fc 6e ff 01".split()


def as_in_case(name: str) -> dict[str, Any]:
    spec = yaml.safe_load((CASES / name / "job.yaml").read_text())["spec"]
    return {"command": spec["command"], "args": spec.get("args", [])}


def test_programs_read_bytes_as_under_cron(host: RunnerHost) -> None:
    host.job(**as_in_case("lc-ctype-leak"))
    assert host.run().stdout == b"error: gr\xfcn\n3\n"


def test_arguments_after_a_block_belong_to_its_last_line(host: RunnerHost) -> None:
    host.job(**as_in_case("args-after-block-command"))
    assert host.run().stdout == b"hello\n"


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        ("echo a\n\n", b"a x y\n"),
        ("cd /\necho a  \t\r\n", b"a x y\n"),
        ("echo a\\\n", b"a x y\n"),
        ("echo a\\ ", b"a  x y\n"),
        ("echo a\\\\\n", b"a\\ x y\n"),
    ],
)
def test_the_end_of_a_command_before_its_arguments(command: str, printed: bytes, host: RunnerHost) -> None:
    host.job(command, args=["x y"])
    assert host.run().stdout == printed


@pytest.fixture
def latin1(tmp_path: Path) -> dict[str, str]:
    """Variables of an 8-bit locale, which this compiles: hosts need not have one."""
    characters = [f"<U{number:04X}> /x{number:02x} x" for number in range(256)]
    header = ["<code_set_name> ISO-8859-1", "<comment_char> %", "<escape_char> /", "CHARMAP"]
    (tmp_path / "charmap").write_text("\n".join([*header, *characters, "END CHARMAP", ""]))
    (tmp_path / "source").write_text("LC_CTYPE\nupper <U0041>\nlower <U0061>\nEND LC_CTYPE\n")
    compiling = ["localedef", "-c", "-i", "source", "-f", "charmap", "./xx_XX.ISO-8859-1"]
    subprocess.run(compiling, cwd=tmp_path, capture_output=True)  # it warns about the other categories, and fails so
    variables = {"LOCPATH": str(tmp_path), "LC_CTYPE": "xx_XX.ISO-8859-1"}
    asking = [sys.executable, "-c", "import sys; print(sys.getfilesystemencoding())"]
    answer = subprocess.run(asking, env=variables, capture_output=True, text=True, check=True)
    assert answer.stdout == "iso8859-1\n"
    return variables


def test_a_legacy_locale_changes_no_byte_of_the_manifest(host: RunnerHost, latin1: dict[str, str]) -> None:
    host.environment.update(latin1)
    host.file("größe").mkdir()
    host.file("größe/日本.env").write_text("FILE=日本\n")
    job: dict[str, Any] = {"env": {"VALUE": "ß"}, "cwd": "~/größe", "env_file": "größe/日本.env"}
    host.job(**{**as_in_case("legacy-locale"), **job, "args": ["ö", "日"]})
    assert host.run().stdout.decode() == "größe 日本\nö\n日\n"
    host.job('printf \'%s %s\' "$VALUE" "$FILE"; pwd', **job)
    assert host.run().stdout.decode() == f"ß 日本{host.file('größe')}\n"


def test_a_missing_file_is_named_in_any_locale(host: RunnerHost, latin1: dict[str, str]) -> None:
    host.environment.update(latin1)
    host.job("touch ran", cwd="/no/日本")
    assert host.run().returncode == 127
    assert host.waiting("fail")["error"].endswith("No such file or directory: /no/日本")


def test_a_command_that_no_program_can_get_is_reported(host: RunnerHost) -> None:
    host.job("echo \0")
    assert host.run().returncode == 126
    assert "null byte" in host.waiting("fail")["error"]


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
