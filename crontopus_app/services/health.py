"""Whether each part of the installation answers."""

from __future__ import annotations

import logging
from collections.abc import Callable

from redis.exceptions import RedisError
from rq import Worker
from sqlalchemy import text

from contract.wire import Health, Part
from crontopus_app.db import reading
from crontopus_app.errors import CrontopusError
from crontopus_app.git.forge import forge
from crontopus_app.queue import redis
from crontopus_app.settings import settings

log = logging.getLogger(__name__)


def check() -> Health:
    """Asks every part that is configured. ``workers`` is told, and does not make the installation unready."""
    parts = [_part("database", _database), _part("redis", _redis), _part("forge", _forge)]
    ready = all(part.ok for part in parts)
    return Health(ok=ready, parts=[*parts, _part("workers", _workers)])


def _part(name: str, ask: Callable[[], str]) -> Part:
    try:
        return Part(name=name, ok=True, detail=ask())
    except CrontopusError as error:
        return Part(name=name, ok=False, detail=error.message)
    except RedisError as error:
        # Anybody may ask whether we are ready; addresses of our parts are for the log.
        log.warning("%s does not answer: %s", name, error)
        return Part(name=name, ok=False, detail="Redis does not answer")


def _database() -> str:
    with reading() as session:
        session.connection().execute(text("SELECT 1"))
    return "SQLite" if settings().embedded_database else "answers"


def _redis() -> str:
    redis().ping()
    return "embedded" if settings().embedded_redis else "answers"


def _forge() -> str:
    if not forge().healthy():
        raise CrontopusError("the Git server does not answer")
    return "embedded" if settings().embedded_forge else "answers"


def _workers() -> str:
    count = Worker.count(connection=redis())
    if not count:
        raise CrontopusError("no worker is running: changes wait until one starts")
    return f"{count} running"
