"""Whether each part of the installation answers, and, for operators, how fast or how far behind it is."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.registry import FailedJobRegistry
from sqlalchemy import text
from sqlmodel import Session, col, func, select

from contract import wire_operator
from contract.wire import Health, Part
from crontopus_app.base import clock, live, probes
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading
from crontopus_app.base.errors import CrontopusError, Unavailable
from crontopus_app.base.masking import masked
from crontopus_app.base.postgres import patience
from crontopus_app.base.probes import TIMEOUT_S, ProbeResult
from crontopus_app.base.queue import QUEUES, info, redis
from crontopus_app.base.settings import settings
from crontopus_app.forge.configured import forge
from crontopus_app.jobs import repository
from crontopus_app.models import Tenant
from crontopus_app.operations import queues

log = logging.getLogger(__name__)

STARTED = time.monotonic()
PARTS = ("database", "redis", "forge", "worker", "index", "repositories", "live", "disk", "web")
# A worker says that it lives every 45 seconds; a queue that waits this long has too few of them.
HEARTBEAT_S, QUEUE_LAG_S, INDEX_LAG_S = 90, 30, 300
# So many repositories in trouble are told by name.
NAMED = 3
# Whoever asks whether to send us requests does not wait longer.
READY_S = 2.5
DISK_SHARE, DISK_FREE = 0.05, 1 << 30
UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def check() -> Health:
    """Asks every part that is configured, none longer than ``READY_S``.

    ``workers`` is told, and does not make the installation unready.
    """
    questions = {"database": _database, "redis": _redis, "forge": _forge, "workers": _workers}
    answers = probes.run({f"ready: {name}": partial(_part, name, each) for name, each in questions.items()}, READY_S)
    parts = [_answered(name, answers[f"ready: {name}"]) for name in questions]
    return Health(ok=all(part.ok for part in parts if part.name != "workers"), parts=parts)


def _answered(name: str, answer: ProbeResult) -> Part:
    return answer.value if isinstance(answer.value, Part) else Part(name=name, ok=False, detail="does not answer")


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
    with patience(READY_S), reading() as session:
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


@dataclass(frozen=True)
class _Told:
    """What a part says of itself; ``lag_ms`` None: the time that asking took."""

    detail: str
    ok: bool = True
    lag_ms: float | None = None
    lags: bool = True


def measure(actor: Actor, timeout_s: float = TIMEOUT_S) -> wire_operator.Measured:
    """Every part, asked now and side by side; one that does not answer says so. Takes ``timeout_s`` at most."""
    actor.require_operator()
    answers = probes.run(_MEASURES, timeout_s)
    parts = [_measured(name, answers[name]) for name in PARTS]
    return wire_operator.Measured(all(part.ok for part in parts), clock.now(), parts)


def _measured(name: str, answer: ProbeResult) -> wire_operator.MeasuredPart:
    told = answer.value
    if not isinstance(told, _Told):
        return wire_operator.MeasuredPart(name, False, None, answer.problem)
    lag = (answer.took_ms if told.lag_ms is None else told.lag_ms) if told.lags else None
    return wire_operator.MeasuredPart(name, told.ok, lag, told.detail)


def _measure_database() -> _Told:
    with reading() as session:
        begin = time.perf_counter()
        session.connection().execute(text("SELECT 1"))
        took = (time.perf_counter() - begin) * 1000
        size = session.connection().execute(text(_SIZE[session.get_bind().dialect.name])).scalar_one()
    return _Told(f"{'embedded SQLite' if settings().embedded_database else 'answers'}, {size_of(size)}", lag_ms=took)


_SIZE = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}


def _measure_redis() -> _Told:
    client = redis()
    client.ping()  # the connection may have to be made
    begin = time.perf_counter()
    client.ping()
    took = (time.perf_counter() - begin) * 1000
    where = "embedded" if settings().embedded_redis else "answers"
    return _Told(f"{where}, {size_of(int(info('memory')['used_memory']))} of memory", lag_ms=took)


def _measure_forge() -> _Told:
    begin = time.perf_counter()
    version = forge().version()
    took = (time.perf_counter() - begin) * 1000
    return _Told(f"{'embedded' if settings().embedded_forge else 'answers'}, {version}", lag_ms=took)


def _measure_worker() -> _Told:
    """The lag is the age of the task that has waited longest."""
    now = clock.now()
    served = [Queue(name, connection=redis()) for name in QUEUES]
    lag = max(queues.oldest_waiting_s(queue, now) or 0.0 for queue in served)
    waiting = sum(queue.count for queue in served)
    ages = [age for one in Worker.all(connection=redis()) if (age := queues.heartbeat_s(one, now)) is not None]
    if not ages:
        return _Told(f"no worker is running: start one; {waiting} tasks wait", ok=False, lag_ms=lag * 1000)
    failed = sum(FailedJobRegistry(queue=queue).get_job_count() for queue in served)
    alive = f"{len(ages)} running, heartbeat {min(ages):.0f} s ago, {waiting} tasks waiting, {failed} failed"
    return _Told(alive, ok=min(ages) < HEARTBEAT_S and lag < QUEUE_LAG_S, lag_ms=lag * 1000)


def _measure_index() -> _Told:
    """The lag is the time since the last index of the repository that is furthest behind its head."""
    ready = Tenant.provisioning == "ready"
    behind = ready, col(Tenant.head) != col(Tenant.indexed_head)
    with reading() as session:
        total = _count(session, ready)
        late, oldest = session.exec(select(func.count(), func.min(Tenant.indexed_at)).where(*behind)).one()
        broken = _count(session, ready, Tenant.index_error != "")
    lag = (clock.now() - oldest).total_seconds() if oldest else 0.0
    said = f"{total - late} of {total} repositories are indexed at their head"
    said += f", {broken} cannot be indexed" if broken else ""
    return _Told(said, ok=not broken and lag < INDEX_LAG_S, lag_ms=lag * 1000)


def _measure_repositories() -> _Told:
    """Tenants whose repository cannot be read or written, though the Git server answers."""
    with reading() as session:
        troubled = repository.troubled(session)
    if not troubled:
        return _Told("all can be read and written", lags=False)
    some = "; ".join(f"{one.tenant_id}: {masked(one.problem)[:200]}" for one in troubled[:NAMED])
    more = f"; and {len(troubled) - NAMED} more" if len(troubled) > NAMED else ""
    return _Told(f"{some}{more}. crontopus-server repair TENANT mends one", ok=False, lags=False)


def _count(session: Session, *conditions: Any) -> int:
    return session.exec(select(func.count()).select_from(Tenant).where(*conditions)).one()


def _measure_live() -> _Told:
    """From publishing to a subscriber of our own, by the way that dashboards are told."""
    probe = live.Event("", "probe", str(uuid.uuid4()))
    with redis().pubsub() as pubsub:
        pubsub.subscribe(live.CHANNEL)
        pubsub.get_message(timeout=TIMEOUT_S)
        begin = time.perf_counter()
        live.publish(probe)
        while (left := begin + TIMEOUT_S - time.perf_counter()) > 0:
            message = pubsub.get_message(ignore_subscribe_messages=True, timeout=left)
            if message and probe.id.encode() in message["data"]:
                return _Told("from publishing to our own subscriber", lag_ms=(time.perf_counter() - begin) * 1000)
    raise Unavailable("our own event did not come back", part="redis")


def _measure_disk() -> _Told:
    usage = shutil.disk_usage(settings().home)
    enough = usage.free > max(DISK_FREE, usage.total * DISK_SHARE)
    said = f"{size_of(usage.free)} free of {size_of(usage.total)} at {settings().home}"
    return _Told(said if enough else f"{said}: make room", ok=enough, lags=False)


def _measure_web() -> _Told:
    up = int(time.monotonic() - STARTED)
    return _Told(f"this process: up {_age(up)}, {size_of(_memory())} of memory", lags=False)


def _age(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _memory() -> int:
    """Bytes of this process in memory; elsewhere than on Linux the most there ever were."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


_MEASURES: dict[str, Callable[[], _Told]] = {
    "database": _measure_database,
    "redis": _measure_redis,
    "forge": _measure_forge,
    "worker": _measure_worker,
    "index": _measure_index,
    "repositories": _measure_repositories,
    "live": _measure_live,
    "disk": _measure_disk,
    "web": _measure_web,
}


def size_of(count: int) -> str:
    """Bytes as people read them."""
    for factor, unit in UNITS:
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"
