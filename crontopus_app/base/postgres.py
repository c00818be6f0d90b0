"""PostgreSQL connections with timeouts for a server that stops responding (stopped, frozen, network down).

A server that is down refuses a connection at once. A frozen one does not respond, while its kernel still acknowledges
what is sent, so only a timeout detects it. After one timeout, a circuit breaker fails further calls for some seconds.
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
# Longer than the server's own statement timeout.
PATIENCE_S = 35.0
POOL_TIMEOUT_S = 2.0
# Detect a connection whose other end has disappeared.
NETWORK = {
    "connect_timeout": 2,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}

circuit = Circuit(REST_S)
_patience: ContextVar[float] = ContextVar("patience", default=PATIENCE_S)
_gave_up: ContextVar[bool] = ContextVar("gave_up", default=False)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Within this context, each response of the server may take at most ``seconds``."""
    before, gave_up = _patience.set(seconds), _gave_up.set(False)
    try:
        yield
    finally:
        _patience.reset(before)
        _gave_up.reset(gave_up)


class _Connection(psycopg.Connection[Any]):
    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            result = super().wait(gen, interval, _patience.get() if timeout is None else timeout)
        except errors._WaitTimeout as error:  # pyright: ignore[reportPrivateUsage] -- has no public name
            self.pgconn.finish()
            _note_timeout()
            raise psycopg.OperationalError("the server did not respond in time") from error
        if circuit.failed:
            circuit.succeed()
        return result


def _note_timeout() -> None:
    circuit.fail()
    _gave_up.set(True)


def limit_waits(engine: Engine) -> None:
    """Gives the engine's connections a timeout and the circuit breaker."""
    event.listen(engine, "do_connect", _connect)


def _connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> _Connection:
    if _gave_up.get():
        raise psycopg.OperationalError("the server timed out a moment ago")
    try:
        connection = _Connection.connect(*arguments, **options)
    except errors.ConnectionTimeout:
        _note_timeout()
        raise
    connection.execute("SELECT set_config('statement_timeout', %s, false)", [f"{STATEMENT_S}s"])
    connection.commit()
    return connection
