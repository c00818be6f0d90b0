"""Deliveries, as Forgejo makes them: for pushes and for commits through REST, signed, told once."""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from crontopus_app.forge.client import FileOperation, Forgejo
from crontopus_app.forge.embedded.webhooks import headers
from tests.forge.conftest import ALICE, Repo
from tests.forge.test_contract import blob_sha
from tests.forge.test_git_client import clone, commit, run, with_login

SECRET = "a shared secret"
WAIT_SECONDS = 20


@dataclass
class Delivery:
    headers: dict[str, str]
    body: bytes

    @property
    def payload(self) -> dict:
        return json.loads(self.body)


@dataclass
class Subscriber:
    """A web server that keeps what is delivered to it."""

    url: str
    deliveries: queue.Queue[Delivery]

    def next(self) -> Delivery:
        return self.deliveries.get(timeout=WAIT_SECONDS)


@contextmanager
def listening() -> Iterator[Subscriber]:
    deliveries: queue.Queue[Delivery] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            deliveries.put(Delivery({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing into the tests' output."""

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield Subscriber(f"http://127.0.0.1:{web.server_port}/hook", deliveries)
    web.shutdown()
    web.server_close()
    thread.join()


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    with listening() as found:
        yield found


@pytest.fixture
def witness(repo: Repo) -> Iterator[Subscriber]:
    """A second subscriber: once it was told of a push, all others were thought of too."""
    with listening() as found:
        repo.forge.ensure_webhook(repo.org, repo.name, found.url, SECRET)
        yield found


@pytest.fixture
def hooked(repo: Repo, subscriber: Subscriber) -> Subscriber:
    repo.forge.ensure_webhook(repo.org, repo.name, subscriber.url, SECRET)
    return subscriber


def test_a_commit_through_rest_is_told_with_what_changed(repo: Repo, hooked: Subscriber) -> None:
    first = repo.commit({"a.yaml": b"a", "b.yaml": b"b"}, "Begin")
    told = hooked.next().payload
    assert (told["ref"], told["before"], told["after"]) == ("refs/heads/main", "0" * 40, first)
    operations = [
        FileOperation("update", "a.yaml", b"new", blob_sha(b"a")),
        FileOperation("delete", "b.yaml", sha=blob_sha(b"b")),
        FileOperation("create", "c.yaml", b"c"),
    ]
    second = repo.forge.commit_files(repo.org, repo.name, "main", operations, "Change", ALICE).sha
    told = hooked.next().payload
    assert (told["before"], told["after"], told["total_commits"]) == (first, second, 1)
    (change,) = told["commits"]
    assert (change["added"], change["modified"], change["removed"]) == (["c.yaml"], ["a.yaml"], ["b.yaml"])
    assert (change["id"], change["author"]["name"], change["author"]["email"]) == (second, ALICE.name, ALICE.email)
    assert told["head_commit"]["id"] == second
    assert told["repository"]["full_name"] == f"{repo.org}/{repo.name}"
    assert told["pusher"]["login"] == repo.server.user


def test_a_push_from_a_laptop_is_told_newest_commit_first(repo: Repo, hooked: Subscriber, tmp_path: Path) -> None:
    before = repo.commit({"a.yaml": b"a"})
    hooked.next()
    folder = clone(with_login(repo.clone_url, repo.server.user, repo.server.password), tmp_path / "work")
    shas = [commit(folder, {f"{number}.yaml": "x"}) for number in range(3)]
    run("push", "-q", "origin", "main", cwd=folder)
    told = hooked.next().payload
    assert (told["before"], told["after"]) == (before, shas[-1])
    assert [change["id"] for change in told["commits"]] == shas[::-1]


def test_a_long_push_lists_at_most_fifteen_commits_and_counts_all(
    repo: Repo, hooked: Subscriber, tmp_path: Path
) -> None:
    repo.commit({"a.yaml": b"a"})
    hooked.next()
    folder = clone(with_login(repo.clone_url, repo.server.user, repo.server.password), tmp_path / "work")
    for number in range(17):
        commit(folder, {f"{number}.yaml": "x"})
    run("push", "-q", "origin", "main", cwd=folder)
    told = hooked.next().payload
    assert told["total_commits"] == 17
    assert len(told["commits"]) == 15 or repo.server.home is None, "Forgejo 7 lists five"


def test_a_delivery_is_signed_over_its_raw_bytes(repo: Repo, hooked: Subscriber) -> None:
    repo.commit({"ü.yaml": b"a"}, "Grüße")
    told = hooked.next()
    right = hmac.new(SECRET.encode(), told.body, hashlib.sha256).hexdigest()
    assert told.headers["x-hub-signature-256"] == f"sha256={right}"
    assert told.headers["x-gitea-signature"] == right
    assert told.headers["x-gitea-event"] == "push"


def test_after_a_repair_only_the_new_secret_signs(repo: Repo, hooked: Subscriber) -> None:
    repo.forge.ensure_webhook(repo.org, repo.name, hooked.url, "rotated")
    repo.commit({"a": b"a"})
    told = hooked.next()
    right = hmac.new(b"rotated", told.body, hashlib.sha256).hexdigest()
    assert told.headers["x-hub-signature-256"] == f"sha256={right}"


def test_only_main_is_told_of(repo: Repo, hooked: Subscriber, tmp_path: Path) -> None:
    repo.commit({"a.yaml": b"a"})
    hooked.next()
    folder = clone(with_login(repo.clone_url, repo.server.user, repo.server.password), tmp_path / "work")
    commit(folder, {"b.yaml": "b"})
    run("push", "-q", "origin", "HEAD:refs/heads/side", cwd=folder)
    run("push", "-q", "origin", "main", cwd=folder)
    assert hooked.next().payload["ref"] == "refs/heads/main"
    assert hooked.deliveries.empty()


def test_an_inactive_hook_is_silent_until_it_is_repaired(repo: Repo, hooked: Subscriber, witness: Subscriber) -> None:
    hooks = f"/api/v1/repos/{repo.org}/{repo.name}/hooks"
    (hook,) = (hook for hook in repo.forge.send("GET", hooks).json() if hook["config"]["url"] == hooked.url)
    repo.forge.send("PATCH", f"{hooks}/{hook['id']}", json={"active": False})
    first = repo.commit({"a": b"a"})
    assert witness.next().payload["after"] == first
    repo.forge.ensure_webhook(repo.org, repo.name, hooked.url, SECRET)
    second = repo.commit({"b": b"b"})
    assert hooked.next().payload["after"] == second
    assert hooked.deliveries.empty()


def test_a_test_delivery_can_be_asked_for(repo: Repo, hooked: Subscriber) -> None:
    head = repo.commit({"a": b"a"})
    hooked.next()
    hooks = f"/api/v1/repos/{repo.org}/{repo.name}/hooks"
    (hook,) = repo.forge.send("GET", hooks).json()
    repo.forge.send("POST", f"{hooks}/{hook['id']}/tests")
    assert hooked.next().payload["after"] == head


def test_a_subscriber_that_is_away_holds_nobody_up(repo: Repo) -> None:
    repo.forge.ensure_webhook(repo.org, repo.name, "http://127.0.0.1:9/nobody", SECRET)
    first = repo.commit({"a": b"a"})
    assert repo.forge.head(repo.org, repo.name, "main") == first


@pytest.mark.parametrize(
    "change",
    [{"type": "carrier-pigeon"}, {"config": {"content_type": "json"}}, {"config": {"url": "file:///etc/passwd"}}],
)
def test_an_impossible_hook_is_422(forge: Forgejo, repo: Repo, change: dict) -> None:
    body = {"type": "gitea", "active": True, "config": {"url": "http://127.0.0.1:9/", "content_type": "json"}}
    path = f"/api/v1/repos/{repo.org}/{repo.name}/hooks"
    answer = httpx.post(forge.url + path, json=body | change, auth=(repo.server.user, repo.server.password))
    assert answer.status_code == 422


def test_without_a_secret_the_signatures_are_there_and_empty() -> None:
    made = headers("", b"body")
    assert [made[f"X-{brand}-Signature"] for brand in ("Forgejo", "Gitea", "Gogs")] == ["", "", ""]


def test_every_brand_carries_the_same_signature() -> None:
    made = headers("key", b"body")
    right = hmac.new(b"key", b"body", hashlib.sha256).hexdigest()
    assert {made[f"X-{brand}-Signature"] for brand in ("Forgejo", "Gitea", "Gogs")} == {right}
    assert made["X-Hub-Signature-256"] == f"sha256={right}"
    assert made["X-Hub-Signature"] == "sha1=" + hmac.new(b"key", b"body", hashlib.sha1).hexdigest()
