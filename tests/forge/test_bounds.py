"""What a stranger, or somebody slow, can take from the embedded forge: next to nothing."""

from __future__ import annotations

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message

from crontopus_app.forge.embedded import forge_app
from crontopus_app.forge.embedded.access import Gate
from crontopus_app.forge.embedded.bodies import Bounds
from crontopus_app.forge.embedded.http_error import HttpError
from crontopus_app.forge.embedded.store import Store, hash_password

LOGIN = ("root-of-forge", "p" * 8)
REST, PUSH = "/forge/api/v1/orgs", "/forge/o/r.git/git-receive-pack"


def app_of(home: Path, bounds: Bounds | None = None) -> ASGIApp:
    return forge_app(
        home, admin_user=LOGIN[0], admin_password=LOGIN[1], url="http://x/forge", bounds=bounds or Bounds()
    )


class Caller:
    """One request to an app; its body comes when ``pieces`` are put, and is counted when it is asked for."""

    def __init__(self, app: ASGIApp, path: str, *, known: bool) -> None:
        self.app, self.path, self.known = app, path, known
        self.pieces: asyncio.Queue[Message] = asyncio.Queue()
        self.asked = asyncio.Event()
        self.status = 0

    async def receive(self) -> Message:
        self.asked.set()
        return await self.pieces.get()

    async def send(self, message: Message) -> None:
        self.status = message.get("status", self.status)

    async def call(self) -> int:
        login = base64.b64encode(":".join(LOGIN).encode())
        headers = [(b"content-type", b"application/json"), (b"authorization", b"Basic " + login)]
        scope: dict[str, Any] = {"type": "http", "method": "POST", "path": self.path, "query_string": b""}
        scope |= {"headers": headers if self.known else headers[:1], "http_version": "1.1", "root_path": ""}
        await self.app(scope, self.receive, self.send)
        return self.status


@pytest.mark.parametrize("path", [REST, PUSH])
async def test_a_strangers_body_is_never_asked_for(tmp_path: Path, path: str) -> None:
    caller = Caller(app_of(tmp_path), path, known=False)
    assert await caller.call() == 401
    assert not caller.asked.is_set()


async def test_a_body_that_does_not_come_ends_with_408(tmp_path: Path) -> None:
    caller = Caller(app_of(tmp_path, Bounds(chunk_s=0.01)), REST, known=True)
    assert await caller.call() == 408


async def test_a_body_that_trickles_ends_with_408(tmp_path: Path) -> None:
    caller = Caller(app_of(tmp_path, Bounds(chunk_s=60, body_s=0.01)), REST, known=True)
    caller.pieces.put_nowait({"type": "http.request", "body": b"{", "more_body": True})
    assert await caller.call() == 408


async def test_of_too_many_bodies_at_once_the_last_is_503(tmp_path: Path) -> None:
    app = app_of(tmp_path, Bounds(at_once=1))
    first = Caller(app, REST, known=True)
    waiting = asyncio.create_task(first.call())
    await first.asked.wait()
    assert await Caller(app, REST, known=True).call() == 503
    first.pieces.put_nowait({"type": "http.request", "body": b"{}", "more_body": False})
    assert await waiting == 422
    again = Caller(app, REST, known=True)
    again.pieces.put_nowait({"type": "http.request", "body": b"{}", "more_body": False})
    assert await again.call() == 422


def test_guessed_passwords_are_tried_few_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "forge.db")
    with store.writing() as db:
        db.execute("INSERT INTO account (login, password) VALUES ('ann', ?)", (hash_password("Correct horse"),))
    gate = Gate(store, *LOGIN)
    guess = "Basic " + base64.b64encode(b"ann:wrong horse").decode()

    def status(_: int) -> int:
        try:
            gate.identify(guess)
        except HttpError as error:
            return error.status
        return 200

    with ThreadPoolExecutor(16) as threads:
        assert set(threads.map(status, range(64))) == {401, 429}
    assert gate.identify("Basic " + base64.b64encode(b"ann:Correct horse").decode()).login == "ann"
