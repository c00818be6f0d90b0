"""A control plane in memory for the agent's tests, with real HTTP and real Git.

It answers enroll, watch, report, heartbeat and check-ins, serves one tenant's repository with dulwich, and stores all
requests."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit
from wsgiref.types import StartResponse

from dulwich.object_store import commit_tree_changes
from dulwich.objects import Blob, Commit, Tree
from dulwich.refs import Ref
from dulwich.repo import MemoryRepo
from dulwich.server import DictBackend
from dulwich.web import make_wsgi_chain

ENROLLMENT = "cet_0123456789abcdef"
READER = "git_0123456789abcdef"
MAIN = Ref(b"refs/heads/main")
REPOSITORY = "/forge/crontopus/job-manifests-acme.git"


class Twin:
    """The state of the control plane, and the requests of the agent."""

    def __init__(self) -> None:
        self.repo = MemoryRepo()
        self.repo.refs.set_symbolic_ref(Ref(b"HEAD"), MAIN)
        self.move(REPOSITORY)
        self.reports: list[dict[str, Any]] = []
        self.checkins: list[dict[str, Any]] = []
        self.enrolled: list[dict[str, Any]] = []
        self.heartbeats = 0
        self.authorizations: list[str] = []
        self.paths: list[str] = []
        self.revoked = False
        self.rejected: list[str] = []  # paths that were answered "revoked"
        self.suspended = False
        self.refused: list[str] = []  # paths that were answered "suspended"
        self.busy: list[str] = []
        self.git_down = False
        self.git_stalls = 0.0
        self.prune_confirmed: str | None = None
        self.wake = False
        self.url = ""
        self.changed = threading.Condition()
        self.before: Callable[[str], object] = _nothing  # called with the path before each answer
        self._files: dict[str, bytes] = {}

    def move(self, repository: str) -> None:
        """Serve the repository at this path alone."""
        repositories: dict[str, Any] = {repository: self.repo}
        self.repository, self.git = repository, make_wsgi_chain(DictBackend(repositories))

    # -- what a user does ----------------------------------------------------------------------------

    @property
    def head(self) -> str:
        try:
            return self.repo.refs[MAIN].decode()
        except KeyError:
            return ""

    def push(self, files: dict[str, bytes | str | None], message: str = "A change") -> str:
        """Commits these files to main (None deletes a file). Returns the new head."""
        for path, content in files.items():
            if content is None:
                del self._files[path]
            else:
                self._files[path] = content.encode() if isinstance(content, str) else content
        with self.changed:
            tree = self._tree(files)
            self._commit(tree, message)
            self.changed.notify_all()
        return self.head

    def _commit(self, tree: Any, message: str) -> None:
        commit = Commit()
        commit.tree, commit.message = tree, message.encode()
        commit.parents = [self.repo.refs[MAIN]] if self.head else []
        commit.author = commit.committer = b"Ana <ana@example.org>"
        commit.author_time = commit.commit_time = int(time.time())
        commit.author_timezone = commit.commit_timezone = 0
        self.repo.object_store.add_object(commit)
        self.repo.refs[MAIN] = commit.id

    def _tree(self, files: dict[str, Any]) -> Any:
        base = self.repo[self._commit_at_head().tree] if self.head else Tree()
        self.repo.object_store.add_object(base)
        changes: list[Any] = []
        for path in files:
            if path in self._files:
                blob = Blob.from_string(self._files[path])
                self.repo.object_store.add_object(blob)
                changes.append((path.encode(), 0o100644, blob.id))
            else:
                changes.append((path.encode(), None, None))
        return commit_tree_changes(self.repo.object_store, base.id, changes)

    def _commit_at_head(self) -> Commit:
        commit = self.repo[self.repo.refs[MAIN]]
        assert isinstance(commit, Commit)
        return commit

    def tell(self, **facts: Any) -> None:
        """Changes the answer of watch, and wakes waiting requests."""
        with self.changed:
            for name, value in facts.items():
                setattr(self, name, value)
            self.changed.notify_all()

    def wait_for(self, holds: Callable[[], Any], seconds: float = 20.0) -> Any:
        """Waits until ``holds()`` is true; checks after every request."""
        with self.changed:
            if not self.changed.wait_for(holds, seconds):
                raise AssertionError(f"did not happen within {seconds} s; last report {self.reports[-1:]}")
            return holds()

    # -- what the agent asks -------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, list[str]], token: str, body: bytes) -> tuple[int, Any]:
        self.before(path)
        if path == "/api/endpoints/enroll":
            return self._enroll(token, json.loads(body))
        if self.suspended:
            with self.changed:
                self.refused.append(path)
                self.changed.notify_all()
            return 403, {
                "detail": "This account is suspended. Contact the operator of this server.",
                "code": "suspended",
            }
        if self.revoked or token != "ep_secret":
            with self.changed:
                self.rejected.append(path)
                self.changed.notify_all()
            return 401, {"detail": "This endpoint token is unknown or revoked", "code": "bad_token"}
        if path == "/api/endpoints/me/watch":
            watched = self._watch(query["head"][0], float(query["timeout"][0]))
            return self.answer(method, path, query, token, body) if self.revoked else (200, watched)
        told: Any = json.loads(body) if body else None
        with self.changed:
            if path == "/api/endpoints/me/report":
                self.reports.append(told)
            elif path == "/api/endpoints/me/heartbeat":
                self.heartbeats += 1
            elif path == "/api/checkins":
                self.checkins.append(told)
            elif path == "/api/checkins/batch":
                self.checkins.extend(told)
            else:
                return 404, {"detail": f"{method} {path}", "code": "not_found"}
            self.changed.notify_all()
        return 200, self._taken(path, told)

    def _taken(self, path: str, told: Any) -> Any:
        def one(checkin: dict[str, Any]) -> dict[str, Any]:
            return {"run_id": checkin["run_id"], "state": checkin["kind"], "duplicate": False}

        if path == "/api/checkins":
            return one(told)
        return [one(checkin) for checkin in told] if path.endswith("/batch") else {}

    def _enroll(self, token: str, request: dict[str, Any]) -> tuple[int, Any]:
        if self.busy:
            return 429, {"detail": "Too many attempts from your address.", "code": "rate_limited"}
        if token != ENROLLMENT:
            return 401, {"detail": "This enrollment token is unknown or expired", "code": "bad_token"}
        self.enrolled.append(request)
        git = {**self.access(), "token": READER}
        return 200, {"endpoint_id": "e1", "agent_id": "e1", "token": "ep_secret", "tenant_id": "acme", "git": git}

    def access(self) -> dict[str, str]:
        return {"url": self.url + self.repository, "branch": "main", "username": "agent", "token": ""}

    def _watch(self, head: str, seconds: float) -> dict[str, Any]:
        with self.changed:
            before = (self.prune_confirmed, self.wake)
            self.changed.wait_for(
                lambda: self.head != head or before != (self.prune_confirmed, self.wake) or self.wake or self.revoked,
                min(seconds, 5.0),
            )
            wake, self.wake = self.wake, False
            now = datetime.now(timezone.utc).isoformat()
            return {
                "head": self.head,
                "git": self.access(),
                "server_time": now,
                "wake": wake,
                "prune_confirmed": self.prune_confirmed,
            }


def _nothing(_path: str) -> None:
    """Does nothing before an answer."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    twin: Twin

    def _any(self) -> None:
        at = urlsplit(self.path)
        with self.twin.changed:
            self.twin.paths.append(self.path)
            self.twin.changed.notify_all()
        authorization = self.headers.get("Authorization", "")
        self.twin.authorizations.append(authorization)
        body = self._body()
        if at.path.startswith("/forge/"):
            self._git(at.path, at.query, authorization, body)
            return
        token = authorization.removeprefix("Bearer ")
        status, told = self.twin.answer(self.command, at.path, parse_qs(at.query, keep_blank_values=True), token, body)
        headers = [("Content-Type", "application/json"), ("Crontopus-Api", "1")]
        if status == 429 and (seconds := self.twin.busy.pop(0)):
            headers.append(("Retry-After", seconds))
        self._send(status, headers, json.dumps(told).encode())

    do_GET = do_POST = _any  # noqa: N815, RUF100 -- http.server's names

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline().strip(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _git(self, path: str, query: str, authorization: str, body: bytes) -> None:
        time.sleep(self.twin.git_stalls)
        credentials = base64.b64encode(f"agent:{READER}".encode()).decode()
        if self.twin.git_down:
            self._send(503, [], b"away")
        elif authorization != f"Basic {credentials}":
            self._send(401, [("WWW-Authenticate", "Basic realm=git")], b"")
        else:
            self._wsgi(path, query, body)

    def _wsgi(self, path: str, query: str, body: bytes) -> None:
        seen: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], _exc: Any = None) -> Any:
            seen.extend([int(status.split()[0]), headers])
            return written.write

        written = BytesIO()
        environ = {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "HTTP_GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        answer: Iterable[bytes] = self.twin.git(environ, _starter(start))
        payload = b"".join(answer)
        self._send(seen[0], seen[1], written.getvalue() + payload)

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing."""


def _starter(start: Any) -> StartResponse:
    return start


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignores clients that disconnect, which is part of the tests."""


@contextmanager
def running(twin: Twin, port: int = 0) -> Iterator[Twin]:
    """Serves the twin on a free loopback port."""
    handler = type("TwinHandler", (Handler,), {"twin": twin})
    server = Server(("127.0.0.1", port), handler)
    twin.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield twin
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def manifest(
    name: str,
    *,
    namespace: str = "production",
    command: str = "echo hello",
    schedule: str = "0 2 * * *",
    extra: str = "",
    spec: str = "",
    id: str = "",
) -> str:
    """The text of a manifest. ``spec`` and ``extra``: further lines of the spec and of the metadata."""
    identity = f"  id: {id}\n" if id else ""
    return (
        f"apiVersion: v1\nkind: Job\nmetadata:\n{identity}  name: {name}\n{extra}spec:\n"
        f'  schedule: "{schedule}"\n  command: {command}\n{spec}'
    )
