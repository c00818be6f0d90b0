"""The console's websocket, used by clients that are not a browser."""

from __future__ import annotations

import base64
import re
import uuid
from dataclasses import dataclass

import httpx
import pytest

from tests.e2e.socket import connected
from tests.e2e.visitors import PASSWORD, Visitor, allow
from tests.fixtures.processes import wait_until
from tests.fixtures.served import Served

# The event, not a field of a page's state that has the same name.
NEW_TOKEN = '["new_token",'


@dataclass(frozen=True)
class Signed:
    """A signed-in session: its token, and the Cookie header with it."""

    token: str

    @property
    def cookie(self) -> str:
        return f"theme=dark; crontopus_session={self.token}"


def sign_in(served: Served, visitor: Visitor) -> Signed:
    allow(served)
    form = {"username": visitor.name, "password": PASSWORD}
    answer = httpx.post(f"{served.url}/api/auth/session", json=form, timeout=30).raise_for_status()
    return Signed(answer.cookies["crontopus_session"])


@pytest.fixture
def mine(served: Served, visitor: Visitor) -> Signed:
    return sign_in(served, visitor)


@pytest.fixture
def theirs(served: Served, stranger: Visitor) -> Signed:
    return sign_in(served, stranger)


@pytest.fixture
def left(served: Served, visitor: Visitor, mine: Signed) -> str:
    """Client token of a browser of the visitor's that showed the jobs and disconnected."""
    with connected(served, "/jobs", cookie=mine.cookie) as socket:
        assert visitor.job_id in socket.wait_for(visitor.job_id)
    return socket.token


def test_a_client_token_without_its_session_gives_nothing(
    served: Served, visitor: Visitor, left: str, theirs: Signed
) -> None:
    for cookie in ("", theirs.cookie, "crontopus_session=nonsense"):
        with connected(served, "/jobs", cookie=cookie, token=left) as socket:
            given = socket.wait_for(NEW_TOKEN)
            socket.wait_for("is_hydrated")
            socket.send("reflex___state____state.hydrate")
            socket.wait_for("is_hydrated")
        assert left not in given
        assert [text for text in socket.received if visitor.job_id in text or visitor.name in text] == []


def test_the_same_session_comes_back_to_its_state(served: Served, visitor: Visitor, mine: Signed, left: str) -> None:
    with connected(served, "/jobs", cookie=mine.cookie, token=left) as socket:
        assert visitor.job_id in socket.wait_for("is_hydrated")
    assert not any(NEW_TOKEN in text for text in socket.received)


def test_no_log_has_a_secret_that_was_used(served: Served, visitor: Visitor, mine: Signed) -> None:
    """Reflex logs unknown events in full, with all headers of the websocket."""
    api = visitor.http.post("/api/tokens", json={"name": "log", "scopes": ["read:runs"]}).json()["token"]
    host = visitor.http.post("/api/enrollment-tokens", json={"name": "log"}).json()["token"]
    password = f"secret-of-{uuid.uuid4().hex}"
    basic = base64.b64encode(f"nobody:{password}".encode()).decode()
    secrets = [mine.token, api, host, visitor.endpoint_token, password, basic]
    name = f"no_such_state.{uuid.uuid4().hex}"
    for header in (f"Bearer {api}", f"Bearer {host}", f"Bearer {visitor.endpoint_token}", f"Basic {basic}"):
        httpx.get(f"{served.url}/api/jobs", headers={"Authorization": header}, timeout=30)
    with connected(served, "/jobs", cookie=f"{mine.cookie}; other={password}") as socket:
        socket.wait_for("is_hydrated")
        socket.send(name, address=f"https://nobody:{password}@git.example/x.git", authorization=f"Basic {basic}")
        socket.send(f"{name}.2", token=api, header=f"Bearer {host}", endpoint=visitor.endpoint_token)
        wait_until(lambda: f"{name}.2" in flat(served), "the events in the log")
    written = flat(served)
    assert name in written
    assert [secret for secret in secrets if secret in written] == []


def flat(served: Served) -> str:
    """All logs of the product, without the line breaks that Reflex inserts."""
    return re.sub(r"\s*\n(?:web +\| ?)?", "", served.log.read_text())
