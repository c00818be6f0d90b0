"""The private Redis: whose binary, where it listens, and that its append-only file is kept."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from crontopus_app import embedded_redis
from crontopus_app.errors import ConfigurationError
from tests.fixtures.processes import running, wait_until


@pytest.fixture
def home() -> Iterator[Path]:
    """A data folder, short enough for a socket, with the folder that ``main`` makes."""
    made = Path(tempfile.mkdtemp(prefix="cr-"))
    (made / "redis").mkdir()
    yield made
    shutil.rmtree(made)


def program(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)
    return folder / name


def test_valkey_comes_before_redis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    redis = program(tmp_path, "redis-server")
    assert embedded_redis.binary() == str(redis)
    valkey = program(tmp_path, "valkey-server")
    assert embedded_redis.binary() == str(valkey)


def test_without_either_the_wheels_own_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said = subprocess.run([embedded_redis.binary(), "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith(("Valkey server", "Server v="))


def test_the_bundled_one_keeps_what_was_written(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    arguments = embedded_redis.arguments(home)
    with Redis(unix_socket_path=str(home / "redis.sock")) as client:
        with running(arguments, home / "log"):
            wait_until(lambda: _answers(client), "the server to answer")
            client.set("kept", "yes")
        assert not _answers(client)
        with running(arguments, home / "log"):
            wait_until(lambda: _answers(client), "the server to answer again")
            assert client.get("kept") == b"yes"


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False


def test_it_listens_on_no_port_and_for_its_owner_alone(home: Path) -> None:
    arguments = embedded_redis.arguments(home)
    assert arguments[arguments.index("--port") + 1] == "0"
    assert arguments[arguments.index("--unixsocketperm") + 1] == "700"


def test_a_path_too_long_for_a_socket_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="make CRONTOPUS_HOME shorter"):
        embedded_redis.socket_path(tmp_path / ("x" * 100))
