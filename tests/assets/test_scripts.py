"""The console's scripts (``assets/js``): their own tests run on the virtual environment's Node, and each is loaded."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from crontopus_app.ui.theme import SCRIPTS

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / "assets" / "js"
NODE = Path(sys.executable).with_name("node")


def test_the_scripts_pass_their_tests() -> None:
    assert (HERE / "node_modules").is_dir(), "Node's packages are missing: run `make install-dev`."
    files = sorted(path.name for path in HERE.glob("*.test.js"))
    command = [NODE, "--test", "--test-isolation=none", "--test-reporter=spec", *files]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^\S+ pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed, done.stdout
    assert int(passed[1]) > len(files)


def test_every_script_is_loaded() -> None:
    loaded: set[str] = set()
    waiting = [f"{name}.js" for name in SCRIPTS]
    while waiting:
        name = waiting.pop()
        if name not in loaded:
            loaded.add(name)
            waiting += re.findall(r'from "\./([\w-]+\.js)"', (FOLDER / name).read_text())
    assert loaded == {path.name for path in FOLDER.iterdir()}
