"""What the documentation points at exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from crontopus_app.base.settings import NAMES, OTHER_PROGRAMS
from crontopus_app.programs.server import main
from crontopus_app.ui.enrol.state import INSTALL
from crontopus_app.ui.enrol.state import commands as enrol_commands
from tests.fixtures import documents

ROOT = Path(__file__).resolve().parents[2]
LISTED = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
PAGES = [ROOT / name for name in LISTED.splitlines() if (ROOT / name).exists()]
named = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and Forgejo make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@named
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert not anchor or file.suffix != ".md" or anchor in anchors(file), target


@named
def test_every_make_command_exists(page: Path) -> None:
    targets = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`|\$ )make ([a-z][\w-]*)", page.read_text(), re.MULTILINE)) <= targets


@named
def test_every_verb_of_the_server_exists(page: Path) -> None:
    assert set(re.findall(r"crontopus-server ([a-z]+)", page.read_text())) <= set(main.commands)


@named
def test_every_setting_exists(page: Path) -> None:
    told = {name.removesuffix("_FILE") for name in re.findall(r"\bCRONTOPUS_([A-Z]+(?:_[A-Z]+)*)\b", page.read_text())}
    assert told <= NAMES | OTHER_PROGRAMS


def test_the_console_and_the_documentation_install_the_agent_alike() -> None:
    assert "\n".join(INSTALL) in (ROOT / "docs" / "agent.md").read_text()
    _, install, enrol = documents.commands("start.md", "Add another machine")
    assert install.splitlines() == [*INSTALL]
    assert enrol.splitlines() == enrol_commands("cet_…", "http://cron.example.org:8000")
