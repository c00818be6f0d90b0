"""Connections to PostgreSQL that give up on a server which is silent (stopped, frozen, behind a dead network).

A server that is down refuses a connection at once. One that is silent says nothing, its machine even confirms what is
sent to it, so only the time that passes tells. After one wait in vain nobody else waits for some seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.abc import PQGen
from sqlalchemy import Engine, event

from crontopus_app.base.circuit import Circuit

T = TypeVar("T")

REST_S = 3.0
STATEMENT_S = 30
# Longer than the server takes to end a statement by itself.
PATIENCE_S = 35.0
POOL_TIMEOUT_S = 2.0
# For a connection whose other end has gone without a word.
NETWORK = {
    "connect_timeout": 2,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}

silence = Circuit(REST_S)
_patience: ContextVar[float] = ContextVar("patience", default=PATIENCE_S)
_gave_up: ContextVar[bool] = ContextVar("gave_up", default=False)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Within this context each answer of the server is waited for at most so long."""
    before, gave_up = _patience.set(seconds), _gave_up.set(False)
    try:
        yield
    finally:
        _patience.reset(before)
        _gave_up.reset(gave_up)


class _Connection(psycopg.Connection[Any]):
    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            found = super().wait(gen, interval, _patience.get() if timeout is None else timeout)
        except errors._WaitTimeout as error:  # pyright: ignore[reportPrivateUsage] -- has no public name
            self.pgconn.finish()
            _note_silence()
            raise psycopg.OperationalError("the server did not answer in time") from error
        if silence.failed:
            silence.succeed()
        return found


def _note_silence() -> None:
    silence.fail()
    _gave_up.set(True)


def give_up_on_silence(engine: Engine) -> None:
    """Makes the engine's connections ones that are waited for in vain only once."""
    event.listen(engine, "do_connect", _connect)


def _connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> _Connection:
    if _gave_up.get():
        raise psycopg.OperationalError("the server did not answer a moment ago")
    try:
        connection = _Connection.connect(*arguments, **options)
    except errors.ConnectionTimeout:
        _note_silence()
        raise
    connection.execute("SELECT set_config('statement_timeout', %s, false)", [f"{STATEMENT_S}s"])
    connection.commit()
    return connection
