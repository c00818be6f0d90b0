"""The console's websocket without a browser: the protocol of Reflex 0.10 (Engine.IO 4, Socket.IO 5)."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from simple_websocket import Client, ConnectionClosed

from tests.fixtures.served import Served

PING, PONG = "2", "3"
HYDRATE = "reflex___state____state.hydrate_and_load"


@dataclass
class Socket:
    """An open websocket: the client token in its address, and all messages received."""

    client: Client
    token: str
    page: str
    received: list[str] = field(default_factory=list)

    def send(self, name: str, **payload: Any) -> None:
        self.client.send("42/_event," + json.dumps(["event", self._event(name, payload)]))

    def _event(self, name: str, payload: dict[str, Any]) -> dict[str, Any]:
        return {"name": name, "payload": payload, "router_data": {"pathname": self.page, "asPath": self.page}}

    def wait_for(self, text: str, seconds: float = 30) -> str:
        """The first message that contains ``text``."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            message = self.client.receive(timeout=1)
            if message == PING:
                self.client.send(PONG)
            elif message is not None:
                self.received.append(str(message))
                if text in self.received[-1]:
                    return self.received[-1]
        raise TimeoutError(f"waited {seconds:g} s for {text!r}, received {self.received}")


@contextmanager
def connected(served: Served, page: str, *, cookie: str = "", token: str = "", origin: str = "") -> Iterator[Socket]:
    """A websocket that loads ``page`` after connecting, as a browser does."""
    token = token or str(uuid.uuid4())
    address = f"ws{served.url.removeprefix('http')}/_event/?token={token}&EIO=4&transport=websocket"
    headers = [(b"Origin", (origin or served.url).encode()), *([(b"Cookie", cookie.encode())] if cookie else [])]
    client = Client.connect(address, headers=headers)
    made = Socket(client, token, page)
    try:
        made.wait_for('"sid"')
        client.send("40/_event," + json.dumps({"event": made._event(HYDRATE, {})}))
        yield made
    finally:
        with suppress(ConnectionClosed):
            client.close()
