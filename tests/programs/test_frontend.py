"""The built console: when it is built again, and what is done to it so that it talks to wherever it came from."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from crontopus_app.base.errors import ConfigurationError
from crontopus_app.programs import frontend


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A folder with something of each kind that the console is made from."""
    for name in ("rxconfig.py", "requirements.lock", "assets/logo.svg", "crontopus_app/ui/kit/button.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "crontopus_app/crontopus_app.py").write_text("app")
    return tmp_path


def built(root: Path) -> None:
    """As ``build`` leaves it."""
    (root / ".web/build/client").mkdir(parents=True)
    (root / ".web/build/client/index.html").write_text("")
    (root / ".web/crontopus-stamp").write_text(frontend.fingerprint(root))


def test_nothing_built_is_not_current(sources: Path) -> None:
    assert not frontend.is_current(sources)
    with pytest.raises(ConfigurationError, match="crontopus-server build"):
        frontend.check(sources)


def test_built_from_these_sources_is_current(sources: Path) -> None:
    built(sources)
    assert frontend.is_current(sources)
    frontend.check(sources)


@pytest.mark.parametrize(
    "name", ["rxconfig.py", "requirements.lock", "assets/logo.svg", "crontopus_app/ui/kit/button.py"]
)
def test_a_changed_source_asks_for_a_build(sources: Path, name: str) -> None:
    built(sources)
    (sources / name).write_text("changed")
    assert not frontend.is_current(sources)


def test_a_build_for_development_serves_but_is_not_what_production_asks_for(sources: Path) -> None:
    built(sources)
    stamp = sources / ".web/crontopus-stamp"
    assert frontend.is_built(sources, development=False)
    assert not frontend.is_built(sources, development=True)
    stamp.write_text(stamp.read_text() + "+kit")
    assert frontend.is_current(sources)
    assert frontend.is_built(sources, development=True)
    assert not frontend.is_built(sources, development=False)


@pytest.mark.parametrize(("told", "development"), [("1", True), ("", False), ("yes", False)])
def test_the_environment_says_whether_the_kit_is_built(
    sources: Path, monkeypatch: pytest.MonkeyPatch, told: str, development: bool
) -> None:
    built(sources)
    monkeypatch.setenv(frontend.DEVELOPMENT, told)
    assert frontend.is_built(sources) is not development


def test_production_has_neither_the_kits_page_nor_its_modules() -> None:
    program = (
        "import sys, crontopus_app.crontopus_app as it; print([name for name in sys.modules if 'gallery' in name])"
    )
    said = {}
    for told in ("", "1"):
        environment = {**os.environ, frontend.DEVELOPMENT: told}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        said[told] = done.stdout.splitlines()[-1]
    assert said[""] == "[]"
    assert "crontopus_app.ui.gallery.page" in said["1"]


def test_a_new_and_a_renamed_source_ask_for_a_build(sources: Path) -> None:
    built(sources)
    before = frontend.fingerprint(sources)
    (sources / "assets/logo.svg").rename(sources / "assets/mark.svg")
    renamed = frontend.fingerprint(sources)
    (sources / "crontopus_app/ui/new.py").write_text("")
    assert len({before, renamed, frontend.fingerprint(sources)}) == 3


def test_what_is_no_source_asks_for_nothing(sources: Path) -> None:
    built(sources)
    (sources / "crontopus_app/server.py").write_text("changed")
    (sources / "crontopus_app/ui/kit/__pycache__").mkdir()
    (sources / "crontopus_app/ui/kit/__pycache__/button.pyc").write_bytes(b"compiled")
    assert frontend.is_current(sources)


def test_half_a_build_is_not_current(sources: Path) -> None:
    built(sources)
    (sources / ".web/build/client/index.html").unlink()
    assert not frontend.is_current(sources)


def test_scripts_talk_to_the_host_that_the_page_came_from(tmp_path: Path) -> None:
    script = tmp_path / "assets" / "state.js"
    script.parent.mkdir()
    script.write_text("""var e={PING:`http://localhost:8000/ping`,EVENT:"ws://localhost:8000/_event",X:'x'};""")
    (tmp_path / "assets" / "state.js.gz").write_bytes(b"old")
    other = tmp_path / "assets" / "other.js"
    other.write_text("var a=1;")
    frontend.use_own_origin(tmp_path)
    assert script.read_text() == (
        'var e={PING:(location.origin+"/ping"),EVENT:(location.origin.replace("http","ws")+"/_event"),X:\'x\'};'
    )
    assert gzip.decompress((tmp_path / "assets" / "state.js.gz").read_bytes()).decode() == script.read_text()
    assert other.read_text() == "var a=1;"


def test_a_release_of_reflex_that_builds_otherwise_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "state.js").write_text("var e={};")
    with pytest.raises(ConfigurationError, match="Reflex is not supported"):
        frontend.use_own_origin(tmp_path)


def test_the_environments_own_node_comes_first() -> None:
    environment = frontend.building_environment()
    assert environment["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    node = subprocess.run(["node", "--version"], env=environment, capture_output=True, text=True, check=True)
    assert int(node.stdout.removeprefix("v").split(".")[0]) >= 22


def test_origins_that_may_open_the_websocket() -> None:
    environment = frontend.serving_environment("https://cron.example.org", 8000)
    assert environment["REFLEX_CORS_ALLOWED_ORIGINS"].split(",") == [
        "https://cron.example.org",
        "http://127.0.0.1:8000",
        "http://localhost:8000",
    ]


def test_reflex_still_reads_the_names_that_we_set() -> None:
    """Two of them are internal to Reflex: a release that renames them must fail here, not in front of a user."""
    code = (
        "import json\nfrom reflex.config import environment as e, get_config\n"
        "from reflex.utils.exec import is_prod_mode\n"
        "print(json.dumps([e.REFLEX_SKIP_COMPILE.get(), e.REFLEX_MOUNT_FRONTEND_COMPILED_APP.get(), is_prod_mode(),"
        " get_config().telemetry_enabled, list(get_config().cors_allowed_origins), e.REFLEX_USE_NPM.get(),"
        " get_config().state_manager_mode]))"
    )
    environment = {**frontend.building_environment(), **frontend.serving_environment("https://a.example", 8000)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=frontend.ROOT, capture_output=True, text=True, check=True
    )
    origins = ["https://a.example", "http://127.0.0.1:8000", "http://localhost:8000"]
    assert json.loads(done.stdout.splitlines()[-1]) == [True, True, True, False, origins, True, "memory"]
