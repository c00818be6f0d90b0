"""A client token opens the state of its own session only, and only for a while after the page closed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import reflex as rx
from reflex.istate.manager.memory import StateManagerMemory

from crontopus_app.ui import live
from crontopus_app.ui.sockets import Sockets

LIMIT_S = 30
LONG_S = 3600.0


class Server:
    """Fake of Socket.IO's server: records what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    async def emit(self, event: str, data: Any = None, **_: Any) -> None:
        self.sent.append((event, data))


class Namespace:
    """``Sockets`` over states in memory, with clients that connect and disconnect."""

    def __init__(self, grace_s: float = LONG_S) -> None:
        self.states, self.server = StateManagerMemory(), Server()
        app = SimpleNamespace(state_manager=self.states, _state=None, _event_processor=None)
        self.made = Sockets("/_event", app, grace_s)  # pyright: ignore[reportArgumentType] -- what it uses of an app
        self.made._set_server(self.server)

    async def connect(self, sid: str, token: str, session: str) -> str:
        """Connects a client; returns the token that it has afterwards."""
        cookie = f"theme=dark; crontopus_session={session}" if session else ""
        await self.made.on_connect(sid, {"QUERY_STRING": f"token={token}&EIO=4", "HTTP_COOKIE": cookie})
        return self.made.sid_to_token[sid]

    async def disconnect(self, sid: str) -> None:
        task = self.made.on_disconnect(sid)
        assert task is not None
        await task

    async def state(self, token: str) -> object:
        return await self.states.get_state(rx.BaseStateToken(ident=token, cls=rx.State))

    def has_state(self, token: str) -> bool:
        return rx.BaseStateToken(ident=token, cls=rx.State).cache_key in self.states.states


@pytest.fixture(autouse=True)
def _nobody_watches() -> Iterator[None]:
    yield
    for token, _ in live.watchers.all():
        live.watchers.forget(token)


async def test_the_same_session_gets_its_state_back() -> None:
    clients = Namespace()
    assert await clients.connect("1", "T", "alice") == "T"
    state = await clients.state("T")
    await clients.disconnect("1")
    assert await clients.connect("2", "T", "alice") == "T"
    assert await clients.state("T") is state
    assert clients.server.sent == []


@pytest.mark.parametrize("session", ["", "charlie"])
async def test_another_session_gets_a_new_token(session: str) -> None:
    clients = Namespace()
    await clients.connect("1", "T", "alice")
    await clients.disconnect("1")
    token = await clients.connect("2", "T", session)
    assert token != "T"
    assert clients.server.sent == [("new_token", token)]
    assert "T" not in clients.made.token_to_sid
    assert await clients.connect("3", "T", "alice") == "T"


async def test_a_duplicated_tab_belongs_to_its_session_too() -> None:
    clients = Namespace()
    await clients.connect("1", "T", "alice")
    doubled = await clients.connect("2", "T", "alice")
    assert doubled != "T"
    await clients.disconnect("2")
    assert await clients.connect("3", doubled, "charlie") not in ("T", doubled)


async def test_the_state_is_dropped_after_the_grace_period() -> None:
    clients = Namespace(grace_s=0.0)
    await clients.connect("1", "T", "alice")
    await clients.state("T")
    await clients.disconnect("1")
    async with asyncio.timeout(LIMIT_S):
        while clients.has_state("T"):  # noqa: ASYNC110 -- waits for another task
            await asyncio.sleep(0)
    assert await clients.connect("2", "T", "charlie") == "T"


async def test_reconnecting_in_time_keeps_the_state() -> None:
    clients = Namespace()
    await clients.connect("1", "T", "alice")
    await clients.disconnect("1")
    assert dropping() == 1
    await clients.connect("2", "T", "alice")
    await asyncio.sleep(0)
    assert dropping() == 0


def dropping() -> int:
    """Number of states about to be dropped."""
    return len([task for task in asyncio.all_tasks() if "_drop_later" in repr(task.get_coro())])


async def test_a_closed_page_gets_no_more_events() -> None:
    clients = Namespace()
    await clients.connect("1", "T", "alice")
    live.watchers.add("T", live.Watch("alice", rx.State, frozenset({"run"}), "alice"))
    clients.made.on_disconnect("1")
    assert live.watchers.all() == []
