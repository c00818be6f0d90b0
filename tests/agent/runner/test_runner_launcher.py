"""The installed runner: it starts without compiling, and works without its compiled copy."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.install import install_runner
from agent.runner import launcher
from agent.state import Identity, State
from tests.agent.runner.conftest import RUNNER, RunnerHost, interpreters


@pytest.fixture
def state(host: RunnerHost) -> State:
    """A host with the runner that the agent installs."""
    made = State(host.folder)
    install_runner(made, identity())
    return made


def identity(url: str = "http://127.0.0.1:9") -> Identity:
    return Identity(url, "e1", "ep_secret", "acme", "db01", "m", "http://127.0.0.1:9/r.git", "main", "u", "t")


def runs(host: RunnerHost) -> None:
    host.job("echo here; exit 3")
    done = host.run()
    assert (done.returncode, done.stdout, done.stderr) == (3, b"here\n", b"")
    assert host.waiting("fail")["exit_code"] == 3


def test_it_runs_from_the_compiled_copy(host: RunnerHost, state: State) -> None:
    source = RUNNER.read_bytes().replace(b"usage: run-job", b"the compiled copy's usage")
    cache = launcher.compiled(source, str(state.runner))
    state.runner_cache.write_bytes(cache)
    state.runner.write_bytes(launcher.program(RUNNER.read_bytes(), sys.executable, cache))
    assert b"the compiled copy's usage" in host.run("too", "many").stderr


def forget(state: State) -> None:
    state.runner_cache.unlink()


def cut(state: State) -> None:
    state.runner_cache.write_bytes(state.runner_cache.read_bytes()[:-100])


def flip(state: State) -> None:
    data = bytearray(state.runner_cache.read_bytes())
    data[len(data) // 2] ^= 0x55
    state.runner_cache.write_bytes(data)


def other_version(state: State) -> None:
    state.runner.write_text(state.runner.read_text().replace(repr(sys.version), "'3.99.0'"))


def folder_instead(state: State) -> None:
    state.runner_cache.unlink()
    state.runner_cache.mkdir()


@pytest.mark.parametrize("damage", [lambda _: None, forget, cut, flip, other_version, folder_instead])
def test_whatever_became_of_the_compiled_copy(damage: Callable[[State], None], host: RunnerHost, state: State) -> None:
    damage(state)
    runs(host)


@pytest.mark.parametrize("folder", ["my venv", 'it\'s "$HOME"', "deep/" * 30 + "venv"])
def test_a_python_in_a_folder_that_a_first_line_cannot_name(folder: str, host: RunnerHost, state: State) -> None:
    python = host.folder / folder / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    program = launcher.program(RUNNER.read_bytes(), str(python), state.runner_cache.read_bytes())
    state.runner.write_bytes(program)
    runs(host)
    forget(state)
    runs(host)


@pytest.mark.parametrize("python", interpreters())
def test_another_python_compiles_the_comments(python: str, host: RunnerHost, state: State) -> None:
    _, rest = state.runner.read_text().split("\n", 1)
    state.runner.write_text(f"#!{python} -IS\n{rest}")
    runs(host)


def test_its_comments_are_the_source(state: State) -> None:
    lines = state.runner.read_bytes().split(b"\n")
    assert b"\n".join(line[1:] for line in lines[launcher.HEAD_LINES :]) == RUNNER.read_bytes()
    assert lines[0] == f"#!{sys.executable} -IS".encode()


@pytest.mark.parametrize("damage", [lambda _: None, forget])
def test_a_traceback_names_the_line_of_the_comment(
    damage: Callable[[State], None], host: RunnerHost, state: State
) -> None:
    damage(state)
    calling = (
        "import sys; names = {'__name__': 'runner', '__file__': sys.argv[1]}; exec(open(sys.argv[1]).read(), names); "
        "names['through_gate']({'gate': {'until': 'never'}}, 1)"
    )
    told = subprocess.run([sys.executable, "-IS", "-c", calling, host.runner], capture_output=True, text=True).stderr
    (line,) = [line for line in told.splitlines() if 'slot > gate["until"]' in line]
    assert "in through_gate" in told
    assert line.strip("# ").startswith("if not gate")


def test_modes(state: State) -> None:
    assert stat.S_IMODE(state.runner.stat().st_mode) == 0o755
    assert stat.S_IMODE(state.runner_cache.stat().st_mode) == 0o600


def written(state: State) -> list[tuple[int, int]]:
    files = (state.runner, state.runner_cache, state.folder / "runner.json")
    return [(path.stat().st_ino, path.stat().st_mtime_ns) for path in files]


def test_nothing_is_written_twice(state: State) -> None:
    before = written(state)
    install_runner(state, identity())
    assert written(state) == before


@pytest.mark.parametrize("damage", [forget, cut, flip, other_version])
def test_the_next_start_of_the_agent_heals_it(damage: Callable[[State], None], state: State) -> None:
    damage(state)
    install_runner(state, identity())
    source = RUNNER.read_bytes()
    assert state.runner.read_bytes() == launcher.program(source, sys.executable, state.runner_cache.read_bytes())


def test_leaving_takes_both_away(tmp_path: Path) -> None:
    state = State(tmp_path / "mine")
    state.create()
    install_runner(state, identity())
    assert state.runner_cache.exists()
    state.remove()
    assert not state.folder.exists()


def test_the_runner_takes_the_agents_proxy(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    install_runner(state, identity("https://crontopus.example"))
    assert '"proxy": "http://proxy.example:3128"' in (state.folder / "runner.json").read_text()
