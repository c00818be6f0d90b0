"""What answers instead of the control plane: proxies, login pages, firewalls. A server for each, over real HTTP."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OURS = "Crontopus-Api: 1\r\n"
JSON = "Content-Type: application/json\r\n"
HTML = "Content-Type: text/html\r\n"


def answer(status: str, headers: str = HTML, body: bytes = b"<h1>Not the page you wanted</h1>") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def refusal(code: str) -> bytes:
    return json.dumps({"detail": "No", "code": code}).encode()


NAMES_A_RUN = b'{"run_id": "11111111-2222-4333-8444-555555555555", "state": "success", "duplicate": false}'
ANSWERS = {
    "nginx without a backend": answer("404 Not Found"),
    "nginx with an error page of its own, and our headers": answer("404 Not Found", OURS + HTML),
    "nginx, the server is away": answer("502 Bad Gateway"),
    "a path that the proxy has rewritten": answer("404 Not Found", OURS + JSON, refusal("not_found")),
    "a method that the proxy has changed": answer("405 Method Not Allowed", OURS + JSON, refusal("method_not_allowed")),
    "another product's errors": answer("422 Unprocessable Entity", JSON, refusal("bad_input")),
    "a login page": answer("200 OK"),
    "a login page in JSON": answer("200 OK", JSON, NAMES_A_RUN),
    "a login page without a body": b"HTTP/1.1 204 No Content\r\n\r\n",
    "our header and somebody else's body": answer("200 OK", OURS + JSON, b'{"status": "ok"}'),
    "our header and another run": answer("200 OK", OURS + JSON, NAMES_A_RUN),
    "our header and no JSON": answer("200 OK", OURS + JSON, b"\xff\xfe"),
    "our header and deep JSON": answer("200 OK", OURS + JSON, b"[" * 60_000),
    "a firewall": answer("403 Forbidden"),
    "a firewall that speaks JSON": answer("403 Forbidden", JSON, refusal("forbidden")),
    "a proxy that wants a password": answer("401 Unauthorized", HTML + "WWW-Authenticate: Basic\r\n"),
    "a revocation by somebody else": answer("401 Unauthorized", JSON, refusal("bad_token")),
    "a proxy that drops the token": answer("401 Unauthorized", OURS + JSON, refusal("not_authenticated")),
    "a suspended tenant": answer("403 Forbidden", OURS + JSON, refusal("suspended")),
    "our server without its database": answer("503 Service Unavailable", OURS + JSON, refusal("unavailable")),
    "a redirect": answer("302 Found", HTML + "Location: /login\r\n"),
    "a permanent redirect with our header": answer("308 Permanent Redirect", OURS + "Location: /login\r\n", b""),
    "half an answer": answer("200 OK", OURS + JSON, NAMES_A_RUN)[:-20],
    "half a header": b"HTTP/1.1 200 OK\r\nCrontopus-A",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing": b"",
    "a gzip bomb": answer("200 OK", OURS + JSON + "Content-Encoding: gzip\r\n", gzip.compress(bytes(30_000_000))),
}
CLOSED = ("half", "another protocol", "nothing")
ENDLESS = b"HTTP/1.1 200 OK\r\n" + (OURS + JSON).encode() + b"\r\n["


class Foreign:
    """A server that gives one answer to every request. ``talks`` counts the connections that the client has ended."""

    def __init__(self, text: bytes, then: Callable[[BaseHTTPRequestHandler], None] | None = None) -> None:
        self.text, self.then = text, then
        self.url = ""
        self.bodies: list[bytes] = []
        self.talks = 0


def _handler(foreign: Foreign, closes: bool) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            foreign.bodies.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            self.wfile.write(foreign.text)
            self.close_connection = closes
            if foreign.then is not None:
                foreign.then(self)

        do_GET = do_POST = _any  # noqa: N815, RUF100 -- http.server's names

        def finish(self) -> None:
            super().finish()
            foreign.talks += 1

        def log_message(self, format: str, *args: object) -> None:
            """Logs nothing."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignores clients that give up, which is part of the tests."""


@contextmanager
def serving(foreign: Foreign, closes: bool = False) -> Iterator[Foreign]:
    """Serves on a free loopback port; ``closes`` ends the connection after each answer."""
    with _Server(("127.0.0.1", 0), _handler(foreign, closes)) as server:
        foreign.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield foreign
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def foreign(name: str) -> Iterator[Foreign]:
    """Serves the answer ``name`` of ANSWERS."""
    with serving(Foreign(ANSWERS[name]), closes=name.startswith(CLOSED)) as served:
        yield served


def drips(handler: BaseHTTPRequestHandler) -> None:
    """Goes on with a byte every few milliseconds, until the client gives up."""
    handler.close_connection = True
    pause = threading.Event()
    while not pause.wait(0.01):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def floods(handler: BaseHTTPRequestHandler) -> None:
    """Goes on as fast as possible, until the client gives up."""
    handler.close_connection = True
    while True:
        handler.wfile.write(b" " * 65536)
