"""Agent and runner use the same proxy."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agent.control import Control
from agent.proxy import is_loopback, proxy_for

PROXY = "http://proxy.example:3128"
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost:8000", True),
        ("http://127.0.0.1", True),
        ("http://127.8.8.8", True),
        ("https://[::1]:8443", True),
        ("http://c.localhost", True),
        ("http://localhost.example.org", False),
        ("http://10.0.0.1", False),
        ("not an address", False),
    ],
)
def test_loopback_addresses(url: str, loopback: bool) -> None:
    assert is_loopback(url) is loopback


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, "http://c.example", None),
        ({"http_proxy": PROXY}, "http://c.example", PROXY),
        ({"http_proxy": PROXY}, "https://c.example", None),
        ({"https_proxy": PROXY}, "https://c.example", PROXY),
        ({"HTTPS_PROXY": PROXY}, "https://c.example", PROXY),
        ({"all_proxy": PROXY}, "https://c.example", PROXY),
        ({"all_proxy": "proxy.example:3128"}, "https://c.example", PROXY),
        ({"all_proxy": "socks5://proxy.example"}, "https://c.example", None),
        ({"all_proxy": PROXY, "no_proxy": ".example"}, "https://c.example:8443", None),
        ({"all_proxy": PROXY, "no_proxy": "*"}, "https://c.example", None),
        ({"all_proxy": PROXY}, "http://127.0.0.1:8000", None),
        ({"all_proxy": PROXY}, "http://localhost:8000", None),
    ],
)
def test_the_proxy_of_the_environment(
    variables: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url) == proxy


class Answering(BaseHTTPRequestHandler):
    """Accepts every check-in and answers with the requested address."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = json.dumps(self.path).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def ask(url: str) -> str:
    control = Control(url, "ep_secret")
    try:
        return control.checkins(b"[]").json()
    finally:
        control.close()


def test_a_socks_proxy_does_not_matter_to_its_own_machine(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    assert ask(f"http://127.0.0.1:{port}") == "/api/checkins/batch"


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy"])
def test_the_agent_asks_its_own_machine_directly(name: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    monkeypatch.setenv(name, f"http://127.0.0.1:{nobody}")
    assert ask(f"http://127.0.0.1:{port}") == "/api/checkins/batch"


def test_the_agent_asks_others_through_the_proxy(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    assert ask("http://control-plane.invalid") == "http://control-plane.invalid/api/checkins/batch"
