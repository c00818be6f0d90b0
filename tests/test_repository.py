"""The repository holds nothing of the machine that it was written on."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
TEXTS = [ROOT / name for name in FILES.split("\0") if name and (ROOT / name).is_file()]
LOCK = ROOT / "requirements.lock"


def text_of(path: Path) -> str:
    """The file as text; pictures and other bytes are read as far as they are text."""
    return path.read_bytes().decode("utf-8", errors="ignore")


def test_no_file_names_a_folder_of_this_machine() -> None:
    here = f"{ROOT}/"
    assert [str(path.relative_to(ROOT)) for path in TEXTS if here in text_of(path)] == []


def test_the_lock_names_releases_and_nothing_else() -> None:
    pin = re.compile(r"^[a-z0-9][a-z0-9.-]*==[\w.!+]+(?: ; [^#@]+)?$")
    assert [line for line in LOCK.read_text().splitlines() if not pin.match(line)] == []


def test_the_lock_is_what_is_installed() -> None:
    """An environment made by hand would test other releases than a user gets."""
    for name in ("reflex", "sqlalchemy", "granian", "rq", "supervisor", "dulwich"):
        assert f"\n{name}=={version(name)}\n" in LOCK.read_text(), name


def test_every_command_of_the_makefile_has_its_sentence() -> None:
    text = (ROOT / "Makefile").read_text()
    wanted = {"up", "demo", "test", "check", "bench", "docs", "clean"}
    assert wanted <= set(re.findall(r"^(\w+):.*## \w", text, re.MULTILINE))


def test_ci_runs_what_a_developer_runs() -> None:
    script = ROOT / ".ci" / "run"
    assert re.findall(r"^make (\w+)$", script.read_text(), re.MULTILINE) == ["check", "test"]
    assert os.access(script, os.X_OK)
    for each in (script, ROOT / "scripts" / "install-system-parts"):
        subprocess.run(["bash", "-n", str(each)], check=True)


def test_the_migrations_folder_is_no_package() -> None:
    """An ``alembic/__init__.py`` would stand before the library of that name."""
    assert not (ROOT / "alembic" / "__init__.py").exists()


def test_the_agent_and_the_cli_parse_on_the_oldest_python_they_promise() -> None:
    for path in TEXTS:
        room = path.relative_to(ROOT).parts[0]
        if path.suffix == ".py" and room in {"contract", "agent", "cli"}:
            ast.parse(path.read_text(), str(path), feature_version=(3, 9))
    runner = ROOT / "agent" / "runner" / "run_job.py"
    if runner.exists():
        ast.parse(runner.read_text(), str(runner), feature_version=(3, 8))
