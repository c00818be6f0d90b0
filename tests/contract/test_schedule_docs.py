"""docs/schedules.md matches the code: its tables and console examples are executed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.commands.manifest import manifest_group
from contract.schedule import ScheduleError, words

_PAGE = (Path(__file__).parents[2] / "docs" / "schedules.md").read_text(encoding="utf-8")


def _table(head: str) -> list[tuple[str, str]]:
    body = _PAGE.split(f"| expression | {head} |\n|---|---|\n")[1].split("\n\n")[0]
    return re.findall(r"^\| `(.+?)` \| (.+) \|$", body, re.MULTILINE)


_EXAMPLES = re.findall(r"```console\n\$ crontopus manifest (.+)\n((?:.*\n)+?)```", _PAGE)


@pytest.mark.parametrize(("expression", "text"), _table("in words"))
def test_the_words_of_the_page(expression: str, text: str) -> None:
    assert words(expression) == text


@pytest.mark.parametrize(("expression", "reason"), _table("why"))
def test_the_refusals_of_the_page(expression: str, reason: str) -> None:
    with pytest.raises(ScheduleError) as refused:
        words(expression)
    assert reason in str(refused.value)


@pytest.mark.parametrize(("command", "output"), _EXAMPLES)
def test_the_console_examples_of_the_page(command: str, output: str) -> None:
    result = CliRunner().invoke(manifest_group, shlex.split(command))
    assert result.output == output


def test_the_page_holds_what_is_tested_here() -> None:
    assert (len(_table("in words")), len(_table("why")), len(_EXAMPLES)) == (19, 6, 3)
