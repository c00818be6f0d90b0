"""Binds each page's state to the session that opened its websocket, and drops it soon after the websocket closes.

Reflex itself finds a state by the client token in the websocket's address, whoever sends it.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any
from urllib.parse import parse_qs, urlencode

import reflex as rx
from reflex.app import EventNamespace
from reflex.istate.manager.memory import StateManagerMemory

from crontopus_app.people.http_auth import session_cookie
from crontopus_app.ui.live import watchers

# A client that reconnects in time keeps its state: tokens shown once, acts that can be undone.
GRACE_S = 60.0


class Sockets(EventNamespace):
    """Reflex's namespace with an owner for each client token: the session cookie of its websocket."""

    def __init__(self, namespace: str, app: rx.App, grace_s: float = GRACE_S) -> None:
        super().__init__(namespace, app)
        self._grace_s = grace_s
        self._owners: dict[str, str] = {}
        self._dropping: dict[str, asyncio.Task[None]] = {}

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        """Connects the client. One that sends another session's token gets a new token, and so a new state."""
        session = session_cookie(environ.get("HTTP_COOKIE", ""))
        token = parse_qs(environ.get("QUERY_STRING", "")).get("token", [""])[0]
        if token and self._owners.get(token, session) != session:
            token = str(uuid.uuid4())
            environ = {**environ, "QUERY_STRING": urlencode({"token": token})}
            await self.emit("new_token", token, to=sid)
        if token and token not in self.token_to_sid:
            self._keep(token)
            self._owners[token] = session
        await super().on_connect(sid, environ, auth)
        # Reflex gives a duplicated tab a new token.
        self._owners[self.sid_to_token.get(sid, token)] = session

    def on_disconnect(self, sid: str) -> asyncio.Task[Any] | None:
        """Stops live events to the client; drops its state unless it reconnects within ``GRACE_S``."""
        token = self.sid_to_token.get(sid)
        if token:
            watchers.forget(token)
            self._keep(token)
            self._dropping[token] = asyncio.create_task(self._drop_later(token))
        return super().on_disconnect(sid)

    def _keep(self, token: str) -> None:
        dropping = self._dropping.pop(token, None)
        if dropping:
            dropping.cancel()

    async def _drop_later(self, token: str) -> None:
        await asyncio.sleep(self._grace_s)
        watchers.forget(token)
        states, key = self.app.state_manager, rx.BaseStateToken(ident=token, cls=rx.State)
        async with states.modify_state(key):
            if isinstance(states, StateManagerMemory):
                states.states.pop(key.cache_key, None)
        self._owners.pop(token, None)
        self._dropping.pop(token, None)


def bind(app: rx.App) -> None:
    """Replaces Reflex's own namespace by ``Sockets``."""
    own = app.event_namespace
    if own is None or app.sio is None or own.namespace is None:
        raise RuntimeError("This release of Reflex opens its websocket differently: pin the tested release.")
    namespace = Sockets(own.namespace, app)
    app._event_namespace = namespace
    app.sio.register_namespace(namespace)
