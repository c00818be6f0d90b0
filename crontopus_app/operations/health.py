"""Health of the installation's components: readiness for everybody, details with latency and lag for operators."""

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
from datetime import timedelta
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
from crontopus_app.monitoring import evaluator
from crontopus_app.operations import task_admin

log = logging.getLogger(__name__)

STARTED = time.monotonic()
PARTS = ("database", "redis", "forge", "worker", "evaluator", "index", "repositories", "live", "disk", "web")
# Workers send a heartbeat every 45 seconds; a longer wait in a queue means too few workers.
HEARTBEAT_S, QUEUE_LAG_S, INDEX_LAG_S = 90, 30, 300
EVALUATOR_LAG = timedelta(seconds=30)
# Maximum number of damaged repositories in the details.
NAMED = 3
# Timeout of readiness checks; load balancers wait no longer.
READY_S = 2.5
DISK_SHARE, DISK_FREE = 0.05, 1 << 30
UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def check() -> Health:
    """Checks every component, with a timeout of ``READY_S``. Missing workers do not make the installation unready."""
    checks = {"database": _database, "redis": _redis, "forge": _forge, "workers": _workers}
    results = probes.run({f"ready: {name}": partial(_part, name, each) for name, each in checks.items()}, READY_S)
    parts = [_checked(name, results[f"ready: {name}"]) for name in checks]
    return Health(ok=all(part.ok for part in parts if part.name != "workers"), parts=parts)


def _checked(name: str, result: ProbeResult) -> Part:
    return result.value if isinstance(result.value, Part) else Part(name=name, ok=False, detail="does not respond")


def _part(name: str, check: Callable[[], str]) -> Part:
    try:
        return Part(name=name, ok=True, detail=check())
    except CrontopusError as error:
        return Part(name=name, ok=False, detail=error.message)
    except RedisError as error:
        # The readiness check is public, so addresses of components only go to the log.
        log.warning("%s does not respond: %s", name, error)
        return Part(name=name, ok=False, detail="Redis does not respond")


def _database() -> str:
    with patience(READY_S), reading() as session:
        session.connection().execute(text("SELECT 1"))
    return "SQLite" if settings().embedded_database else "ok"


def _redis() -> str:
    redis().ping()
    return "embedded" if settings().embedded_redis else "ok"


def _forge() -> str:
    if not forge().healthy():
        raise CrontopusError("the Git server does not respond")
    return "embedded" if settings().embedded_forge else "ok"


def _workers() -> str:
    count = Worker.count(connection=redis())
    if not count:
        raise CrontopusError("no worker is running; changes wait until one starts")
    return f"{count} running"


@dataclass(frozen=True)
class _Measurement:
    """The state of a component. With ``lag_ms`` None, the duration of the probe is shown; without ``lags``, none."""

    detail: str
    ok: bool = True
    lag_ms: float | None = None
    lags: bool = True


def measure(actor: Actor, timeout_s: float = TIMEOUT_S) -> wire_operator.Measured:
    """Measures every component now, in parallel, within ``timeout_s`` seconds. Unresponsive ones show the problem."""
    actor.require_operator()
    results = probes.run(_MEASURES, timeout_s)
    parts = [_measured(name, results[name]) for name in PARTS]
    return wire_operator.Measured(all(part.ok for part in parts), clock.now(), parts)


def _measured(name: str, result: ProbeResult) -> wire_operator.MeasuredPart:
    measurement = result.value
    if not isinstance(measurement, _Measurement):
        return wire_operator.MeasuredPart(name, False, None, result.problem)
    lag = (result.took_ms if measurement.lag_ms is None else measurement.lag_ms) if measurement.lags else None
    return wire_operator.MeasuredPart(name, measurement.ok, lag, measurement.detail)


def _measure_database() -> _Measurement:
    with reading() as session:
        begin = time.perf_counter()
        session.connection().execute(text("SELECT 1"))
        took = (time.perf_counter() - begin) * 1000
        size = session.connection().execute(text(_SIZE[session.get_bind().dialect.name])).scalar_one()
    return _Measurement(f"{'embedded SQLite' if settings().embedded_database else 'ok'}, {size_of(size)}", lag_ms=took)


_SIZE = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}


def _measure_redis() -> _Measurement:
    client = redis()
    client.ping()  # connects first, so that the next ping is measured alone
    begin = time.perf_counter()
    client.ping()
    took = (time.perf_counter() - begin) * 1000
    kind = "embedded" if settings().embedded_redis else "ok"
    return _Measurement(f"{kind}, {size_of(int(info('memory')['used_memory']))} of memory", lag_ms=took)


def _measure_forge() -> _Measurement:
    begin = time.perf_counter()
    version = forge().version()
    took = (time.perf_counter() - begin) * 1000
    return _Measurement(f"{'embedded' if settings().embedded_forge else 'ok'}, {version}", lag_ms=took)


def _measure_worker() -> _Measurement:
    """The lag is the waiting time of the oldest task."""
    now = clock.now()
    served = [Queue(name, connection=redis()) for name in QUEUES]
    lag = max(task_admin.oldest_waiting_s(queue, now) or 0.0 for queue in served)
    waiting = sum(queue.count for queue in served)
    workers = Worker.all(connection=redis())
    ages = [age for worker in workers if (age := task_admin.heartbeat_s(worker, now)) is not None]
    if not ages:
        return _Measurement(f"no worker is running, {waiting} tasks wait: start one", ok=False, lag_ms=lag * 1000)
    failed = sum(FailedJobRegistry(queue=queue).get_job_count() for queue in served)
    detail = f"{len(ages)} running, heartbeat {min(ages):.0f} s ago, {waiting} tasks waiting, {failed} failed"
    return _Measurement(detail, ok=min(ages) < HEARTBEAT_S and lag < QUEUE_LAG_S, lag_ms=lag * 1000)


def _measure_evaluator() -> _Measurement:
    """The lag is the time since the oldest deadline that has not been evaluated."""
    now = clock.now()
    with reading() as session:
        late, is_led = evaluator.lag(session, now), evaluator.is_led(session, now)
    lag_ms = late.total_seconds() * 1000
    if not is_led:
        return _Measurement("no evaluator is running, so missed runs are not noticed: start one", False, lag_ms)
    return _Measurement("one evaluates the deadlines", late < EVALUATOR_LAG, lag_ms)


def _measure_index() -> _Measurement:
    """The lag is the time since the last indexing of the most outdated repository."""
    ready = Tenant.provisioning == "ready"
    behind = ready, col(Tenant.head) != col(Tenant.indexed_head)
    with reading() as session:
        total = _count(session, ready)
        late, oldest = session.exec(select(func.count(), func.min(Tenant.indexed_at)).where(*behind)).one()
        broken = _count(session, ready, Tenant.index_error != "")
    lag = (clock.now() - oldest).total_seconds() if oldest else 0.0
    detail = f"{total - late} of {total} repositories are indexed at their head"
    detail += f", {broken} cannot be indexed" if broken else ""
    return _Measurement(detail, ok=not broken and lag < INDEX_LAG_S, lag_ms=lag * 1000)


def _measure_repositories() -> _Measurement:
    """Repositories that cannot be read or written, although the Git server responds."""
    with reading() as session:
        troubled = repository.troubled(session)
    if not troubled:
        return _Measurement("all can be read and written", lags=False)
    listed = "; ".join(f"{trouble.tenant_id}: {masked(trouble.problem)[:200]}" for trouble in troubled[:NAMED])
    more = f"; and {len(troubled) - NAMED} more" if len(troubled) > NAMED else ""
    return _Measurement(f"{listed}{more}. To repair one: crontopus-server repair TENANT", ok=False, lags=False)


def _count(session: Session, *conditions: Any) -> int:
    return session.exec(select(func.count()).select_from(Tenant).where(*conditions)).one()


def _measure_live() -> _Measurement:
    """The delay from publishing an event to receiving it, over the channel of the dashboards."""
    probe = live.Event("", "probe", str(uuid.uuid4()))
    with redis().pubsub() as pubsub:
        pubsub.subscribe(live.CHANNEL)
        pubsub.get_message(timeout=TIMEOUT_S)
        begin = time.perf_counter()
        live.publish(probe)
        while (left := begin + TIMEOUT_S - time.perf_counter()) > 0:
            message = pubsub.get_message(ignore_subscribe_messages=True, timeout=left)
            if message and probe.id.encode() in message["data"]:
                return _Measurement("delay from publishing to receiving", lag_ms=(time.perf_counter() - begin) * 1000)
    raise Unavailable("a published test event was not received", part="redis")


def _measure_disk() -> _Measurement:
    usage = shutil.disk_usage(settings().home)
    enough = usage.free > max(DISK_FREE, usage.total * DISK_SHARE)
    detail = f"{size_of(usage.free)} free of {size_of(usage.total)} at {settings().home}"
    return _Measurement(detail if enough else f"{detail}: free some space", ok=enough, lags=False)


def _measure_web() -> _Measurement:
    up = int(time.monotonic() - STARTED)
    return _Measurement(f"this process: up {_age(up)}, {size_of(_memory())} of memory", lags=False)


def _age(seconds: int) -> str:
    minutes, seconds_left = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds_left} s"


def _memory() -> int:
    """The memory of this process in bytes; on systems other than Linux, its peak."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


_MEASURES: dict[str, Callable[[], _Measurement]] = {
    "database": _measure_database,
    "redis": _measure_redis,
    "forge": _measure_forge,
    "worker": _measure_worker,
    "evaluator": _measure_evaluator,
    "index": _measure_index,
    "repositories": _measure_repositories,
    "live": _measure_live,
    "disk": _measure_disk,
    "web": _measure_web,
}


def size_of(count: int) -> str:
    """A number of bytes with a unit, such as ``1.5 GiB``."""
    for factor, unit in UNITS:
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"
