"""The forge that the contract suite runs against: a real Forgejo when the environment names one, else ours."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from crontopus_app.forge.client import Author, FileOperation, Forgejo
from tests.fixtures.forge_server import answers
from tests.fixtures.processes import free_port, wait_until

ALICE = Author("Alice Archer", "alice@example.org")


@dataclass(frozen=True)
class Server:
    """A running forge and its administrator."""

    url: str
    user: str
    password: str
    home: Path | None

    def client(self, **options: bool | float) -> Forgejo:
        return Forgejo(self.url, self.user, self.password, **options)  # type: ignore[arg-type] -- options of the client


@dataclass(frozen=True)
class Repo:
    """An empty private repository of this test alone."""

    forge: Forgejo
    server: Server
    org: str
    name: str

    @property
    def clone_url(self) -> str:
        return f"{self.server.url}/{self.org}/{self.name}.git"

    @property
    def rest(self) -> str:
        return f"{self.server.url}/api/v1/repos/{self.org}/{self.name}"

    def commit(self, files: dict[str, bytes], message: str = "Add files") -> str:
        operations = [FileOperation("create", path, content) for path, content in files.items()]
        return self.forge.commit_files(self.org, self.name, "main", operations, message, ALICE).sha

    def sha_of(self, path: str) -> str:
        """The blob sha of a file on main."""
        return next(entry.sha for entry in self.forge.tree(self.org, self.name, "main") if entry.path == path)


def serve(home: Path, port: int, workers: int = 1) -> subprocess.Popen[bytes]:
    """The embedded forge in processes of its own, under the server that production uses."""
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--factory", "--no-ws", "--log-level", "warning"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CRONTOPUS_", "FORGEJO_"))}
    environment |= {
        "CRONTOPUS_HOME": str(home),
        "CRONTOPUS_BIND": f"127.0.0.1:{port}",
        "CRONTOPUS_FORGEJO_ADMIN_USER": "svc-root",
        "CRONTOPUS_FORGEJO_ADMIN_PASSWORD": "a-long-password",
    }
    return subprocess.Popen([*command, "crontopus_app.forge.embedded.serve:factory"], env=environment)


def wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    def healthy() -> bool:
        assert process.poll() is None, f"the forge ended with status {process.returncode}"
        return answers(url)

    wait_until(healthy, "the forge to start")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if "FORGEJO_URL" in os.environ:
        user, password = os.environ["FORGEJO_ADMIN_USER"], os.environ["FORGEJO_ADMIN_PASSWORD"]
        yield Server(os.environ["FORGEJO_URL"].rstrip("/"), user, password, None)
        return
    home, port = tmp_path_factory.mktemp("forge"), free_port()
    process = serve(home, port, workers=2)
    url = f"http://127.0.0.1:{port}/forge"
    try:
        wait_until_healthy(url, process)
        yield Server(url, "svc-root", "a-long-password", home)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def forge(server: Server) -> Iterator[Forgejo]:
    with server.client() as client:
        yield client


@pytest.fixture
def repo(server: Server, forge: Forgejo) -> Repo:
    name = f"r-{secrets.token_hex(6)}"
    forge.ensure_org("contract-suite")
    forge.ensure_repository("contract-suite", name, "made by the contract suite")
    return Repo(forge, server, "contract-suite", name)
