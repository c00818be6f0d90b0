"""Metrics of the installation, for its operator.

All are read from the database and Redis, so they do not depend on which process answers.
"""

from __future__ import annotations

import logging
import platform
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version

from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.registry import FailedJobRegistry
from sqlalchemy import select
from sqlmodel import Session, col, func

from crontopus_app.base import meters
from crontopus_app.base.db import reading
from crontopus_app.base.exposition import Exposition, labels
from crontopus_app.base.queue import QUEUES, redis
from crontopus_app.models import Delivery, Tenant
from crontopus_app.monitoring import evaluator
from crontopus_app.monitoring.intake.batch import COMMIT_LIMITS_S

log = logging.getLogger(__name__)


def metrics(now: datetime) -> bytes:
    """The metrics as text. Without Redis, those that it keeps are left out."""
    page = Exposition()
    about = labels(version=version("crontopus"), python=platform.python_version())
    page.gauge("crontopus_build_info", "The version of Crontopus.", {about: 1})
    with reading() as session:
        _add_evaluator(page, session, now)
        _add_deliveries(page, session, now)
        _add_index(page, session, now)
    try:
        _add_queues(page)
        _add_counters(page)
    except RedisError as error:
        log.warning("Metrics are incomplete, Redis is unavailable: %s", error)
        page.gauge("crontopus_redis_up", "1 if Redis responds.", {"": 0})
    else:
        page.gauge("crontopus_redis_up", "1 if Redis responds.", {"": 1})
    return page.render()


def _add_evaluator(page: Exposition, session: Session, now: datetime) -> None:
    late, is_led = evaluator.lag(session, now).total_seconds(), evaluator.is_led(session, now)
    page.gauge("crontopus_evaluator_lag_seconds", "How late the oldest unevaluated deadline is.", {"": late})
    page.gauge("crontopus_evaluator_leader", "1 if a process evaluates the deadlines.", {"": int(is_led)})


def _add_deliveries(page: Exposition, session: Session, now: datetime) -> None:
    """The age of messages that were never tried: those that are repeated wait for their receivers, not for us."""
    waiting = select(func.count(), func.min(col(Delivery.created_at))).where(col(Delivery.state) == "waiting")
    count, _ = session.execute(waiting).one()
    _, oldest = session.execute(waiting.where(col(Delivery.attempts) == 0)).one()
    age = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
    page.gauge("crontopus_deliveries_waiting", "Messages that are to be sent, or to be repeated.", {"": count})
    page.gauge("crontopus_delivery_age_seconds", "Age of the oldest message that was not tried yet.", {"": age})


def _add_index(page: Exposition, session: Session, now: datetime) -> None:
    """Zero for a repository that is indexed at its head."""
    columns = col(Tenant.id), col(Tenant.head), col(Tenant.indexed_head), col(Tenant.indexed_at)
    ages = {
        labels(tenant=tenant_id): (now - indexed_at).total_seconds() if head != indexed and indexed_at else 0.0
        for tenant_id, head, indexed, indexed_at in session.execute(
            select(*columns).where(col(Tenant.provisioning) == "ready").order_by(col(Tenant.id))
        )
    }
    page.gauge("crontopus_index_age_seconds", "How long the repository's index has been behind its head.", ages)


def _add_queues(page: Exposition) -> None:
    """Raises RedisError."""
    queues = [Queue(name, connection=redis()) for name in QUEUES]
    waiting = {labels(queue=queue.name): queue.count for queue in queues}
    failed = {labels(queue=queue.name): FailedJobRegistry(queue=queue).get_job_count(cleanup=False) for queue in queues}
    page.gauge("crontopus_queue_jobs", "Tasks that wait for a worker.", waiting)
    page.gauge("crontopus_queue_failed_jobs", "Tasks that failed and are kept.", failed)
    page.gauge("crontopus_workers", "Workers that are registered.", {"": Worker.count(connection=redis())})


def _add_counters(page: Exposition) -> None:
    """Raises RedisError."""
    meters.flush()
    totals = meters.totals()
    page.counter("crontopus_checkins_total", "Check-ins received.", _labelled(totals["checkins"]))
    page.counter("crontopus_deliveries_total", "Attempts to send a message.", _labelled(totals["deliveries"]))
    commits = defaultdict(float, {values[0]: total for values, total in totals["checkin_commit"].items()})
    buckets = [commits[str(number)] for number in range(len(COMMIT_LIMITS_S) + 1)]
    page.histogram(
        "crontopus_checkin_commit_seconds",
        "How long it took to write a batch of check-ins durably.",
        COMMIT_LIMITS_S,
        {"": (buckets, commits["sum"])},
    )


def _labelled(totals: Mapping[tuple[str, ...], float]) -> dict[str, float]:
    return {labels(kind=kind, result=result): total for (kind, result), total in sorted(totals.items())}
