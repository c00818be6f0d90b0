"""Metrics: their names and labels, values from the tables, and counters that never go down. On both databases."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, delete, event, update
from sqlmodel import col, select

from contract import wire
from crontopus_app.base import meters
from crontopus_app.base.db import engine, reading, writing
from crontopus_app.base.errors import BadInput, Forbidden
from crontopus_app.models import Delivery, Endpoint, Incident, JobIndex, Monitor, Run, Tenant
from crontopus_app.monitoring import evaluator, installed
from crontopus_app.monitoring.installed import InstalledLine
from crontopus_app.operations import retention, server_metrics, tenant_metrics
from tests.cast import JOB_ID, NOON, Member, add_endpoint, add_job, join, told_one

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def alice(db: Engine) -> Member:
    member = join("alice")
    add_job("alice", member.endpoint_id)
    return member


def samples(text: bytes) -> Samples:
    """The values by name and labels; fails on a sample that occurs twice."""
    found: Samples = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def scrape(member: Member, **choice: Any) -> Samples:
    with reading() as session:
        return samples(tenant_metrics.metrics(session, member.actor, **{"now": NOON, **choice}))


def checkin(kind: str, run_id: str = "", **facts: Any) -> wire.Checkin:
    named = {"id": str(uuid.uuid4()), "run_id": run_id or str(uuid.uuid4()), "job_id": JOB_ID}
    return wire.Checkin(**{**named, "kind": kind, "at": NOON, **facts})


def outcomes(found: Samples) -> dict[str, float]:
    """The counts of alice's job that are not zero."""
    runs = {dict(key[1])["outcome"]: value for key, value in found.items() if key[0] == "crontopus_runs_total"}
    return {outcome: value for outcome, value in runs.items() if value}


def of(name: str, found: Samples, **labels: str) -> float | None:
    return found.get((name, tuple(sorted(labels.items()))))


INSTANCE = {"namespace": "production", "job_name": "backup", "endpoint": "alice-host"}
JOB = {"namespace": "production", "job_name": "backup"}


def test_a_job_says_when_it_ran_and_how(alice: Member) -> None:
    slot = NOON - 3 * MINUTE
    told_one(
        alice.endpoint_id,
        checkin("success", at=NOON - MINUTE, started_at=NOON - 2 * MINUTE, duration_s=60.0, exit_code=0, slot=slot),
    )
    found = scrape(alice)
    assert of("crontopus_job_last_run_timestamp_seconds", found, **INSTANCE) == (NOON - 2 * MINUTE).timestamp()
    assert of("crontopus_job_last_success_timestamp_seconds", found, **INSTANCE) == (NOON - MINUTE).timestamp()
    assert of("crontopus_job_next_run_timestamp_seconds", found, **INSTANCE) == NOON.replace(hour=2, day=24).timestamp()
    assert of("crontopus_job_last_duration_seconds", found, **INSTANCE) == 60
    assert of("crontopus_job_last_exit_code", found, **INSTANCE) == 0
    assert of("crontopus_run_start_delay_seconds", found, **INSTANCE) == 60
    assert of("crontopus_monitor_state", found, **INSTANCE, state="ok") == 1
    assert of("crontopus_monitor_state", found, **INSTANCE, state="failing") == 0
    assert of("crontopus_job_info", found, **JOB, schedule="0 2 * * *", timezone="", commit="") == 1
    assert of("crontopus_job_enabled", found, **JOB) == 1


def test_a_failure_keeps_the_time_of_the_last_success(alice: Member) -> None:
    told_one(alice.endpoint_id, checkin("success", at=NOON - DAY))
    told_one(alice.endpoint_id, checkin("fail", exit_code=3))
    found = scrape(alice)
    assert of("crontopus_job_last_success_timestamp_seconds", found, **INSTANCE) == (NOON - DAY).timestamp()
    assert of("crontopus_job_last_exit_code", found, **INSTANCE) == 3
    assert outcomes(found) == {"success": 1, "failed": 1}


def test_durations_are_a_histogram_of_the_attempts_that_ran(alice: Member) -> None:
    for kind, took in (("success", 0.5), ("success", 1.0), ("fail", 1.5), ("success", 90_000.0), ("skipped", 2.0)):
        told_one(alice.endpoint_id, checkin(kind, duration_s=took))
    found = scrape(alice)
    assert of("crontopus_run_duration_seconds_bucket", found, **JOB, le="1") == 2
    assert of("crontopus_run_duration_seconds_bucket", found, **JOB, le="5") == 3
    assert of("crontopus_run_duration_seconds_bucket", found, **JOB, le="43200") == 3
    assert of("crontopus_run_duration_seconds_bucket", found, **JOB, le="+Inf") == 4
    assert of("crontopus_run_duration_seconds_count", found, **JOB) == 4
    assert of("crontopus_run_duration_seconds_sum", found, **JOB) == pytest.approx(90_003.0)


def test_each_end_of_an_attempt_counts_once(alice: Member) -> None:
    """A retry makes the run's status go back to running: its failure stays counted."""
    run_id = str(uuid.uuid4())
    first = checkin("fail", run_id, attempt=1)
    told_one(alice.endpoint_id, first)
    assert outcomes(scrape(alice)) == {"failed": 1}
    told_one(alice.endpoint_id, first)
    told_one(alice.endpoint_id, checkin("start", run_id, attempt=2))
    assert outcomes(scrape(alice)) == {"failed": 1}
    told_one(alice.endpoint_id, checkin("success", run_id, attempt=2, at=NOON + MINUTE))
    assert outcomes(scrape(alice)) == {"failed": 1, "success": 1}


def test_missed_slots_count_and_stay_when_the_run_is_reported_later(alice: Member) -> None:
    slot = NOON - timedelta(hours=10)
    with writing() as session:
        monitor = session.exec(select(Monitor)).one()
        monitor.lines = installed.dump([InstalledLine(NOON - DAY, None, ("0 2 * * *",), "UTC", "debian")])
        monitor.settled_until, monitor.next_deadline = slot - MINUTE, NOON
        session.add(monitor)
        session.execute(update(Endpoint).values(last_seen_at=NOON, drained_at=NOON))
    assert evaluator.evaluate(NOON) == 1
    assert outcomes(scrape(alice)) == {"missed": 1}
    told_one(alice.endpoint_id, checkin("success", slot=slot, started_at=slot, at=slot + MINUTE))
    with reading() as session:
        assert session.exec(select(Run.status)).all() == ["success"]
    assert outcomes(scrape(alice)) == {"missed": 1, "success": 1}


def test_counts_outlive_the_runs(alice: Member) -> None:
    for day in (500, 450, 1):
        told_one(alice.endpoint_id, checkin("success", at=NOON - day * DAY, duration_s=10.0))
    before = scrape(alice)
    retention.remove(NOON, lambda _: False)
    with reading() as session:
        assert len(session.exec(select(Run.id)).all()) == 1
    assert outcomes(scrape(alice)) == outcomes(before) == {"success": 3}
    assert of("crontopus_run_duration_seconds_count", scrape(alice), **JOB) == 3


def test_counts_do_not_go_down_when_a_job_leaves_an_endpoint(alice: Member) -> None:
    told_one(alice.endpoint_id, checkin("success"))
    with writing() as session:
        session.execute(update(Monitor).values(state="retired"))
    found = scrape(alice)
    assert outcomes(found) == {"success": 1}
    assert of("crontopus_monitor_state", found, **INSTANCE, state="ok") is None


def test_a_removed_job_has_no_metrics(alice: Member) -> None:
    told_one(alice.endpoint_id, checkin("success"))
    with writing() as session:
        session.execute(delete(JobIndex))
        session.execute(update(Monitor).values(state="retired"))
    assert not [key for key in scrape(alice) if dict(key[1]).get("job_name")]


def test_another_tenant_is_not_seen(alice: Member) -> None:
    charlie = join("charlie")
    told_one(alice.endpoint_id, checkin("fail"))
    assert "alice" not in str(scrape(charlie))
    assert "backup" not in str(scrape(charlie))


def test_endpoints_say_what_they_reported(alice: Member) -> None:
    standings = [{"text": "x", "standing": each} for each in ("managed", "drift", "foreign", "foreign")]
    with writing() as session:
        session.execute(update(Endpoint).values(crontab=standings, spool=4, agent_version="1.2"))
    found = scrape(alice)
    assert of("crontopus_endpoint_last_seen_timestamp_seconds", found, endpoint="alice-host") == NOON.timestamp()
    assert of("crontopus_endpoint_drift_lines", found, endpoint="alice-host") == 1
    assert of("crontopus_endpoint_unmonitored_lines", found, endpoint="alice-host") == 2
    assert of("crontopus_endpoint_spool_checkins", found, endpoint="alice-host") == 4
    assert of("crontopus_endpoint_agent_info", found, endpoint="alice-host", version="1.2") == 1


def test_endpoints_with_one_name_are_told_apart(alice: Member) -> None:
    second, _ = add_endpoint("alice", "other")
    with writing() as session:
        session.execute(update(Endpoint).values(name="db01"))
    labels = {dict(key[1])["endpoint"] for key in scrape(alice) if key[0] == "crontopus_endpoint_drift_lines"}
    assert labels == {f"db01 {alice.endpoint_id[:8]}", f"db01 {second[:8]}"}


HOSTILE = 'a"b\\c\nd{e="f"} 1\n# TYPE x counter\r\té\u2028'


def test_no_name_breaks_the_format(alice: Member) -> None:
    with writing() as session:
        session.execute(update(Endpoint).values(name=HOSTILE))
        session.execute(update(Monitor).values(job_name=HOSTILE))
        session.execute(update(JobIndex).values(name=HOSTILE, timezone=HOSTILE))
    found = scrape(alice)
    hostile = {"namespace": "production", "job_name": HOSTILE, "endpoint": HOSTILE}
    assert of("crontopus_monitor_state", found, **hostile, state="waiting") == 1
    assert of("crontopus_job_enabled", found, namespace="production", job_name=HOSTILE) == 1


def test_incidents_are_counted_by_severity(alice: Member) -> None:
    about = {"tenant_id": "alice", "cause": "failing", "title": "t", "what": "w", "since": NOON, "opened_at": NOON}
    with writing() as session:
        session.add(Incident(subject="monitor:1", severity="warning", **about))
        session.add(Incident(subject="monitor:2", **about))
        session.add(Incident(subject="monitor:3", closed_at=NOON, **about))
    found = scrape(alice)
    counts = {each: of("crontopus_incidents_open", found, severity=each) for each in tenant_metrics.SEVERITIES}
    assert counts == {"critical": 0, "error": 1, "warning": 1, "info": 0}


def test_a_token_sees_what_its_scopes_allow(alice: Member) -> None:
    with_scopes = replace(alice, actor=replace(alice.actor, scopes=frozenset({"read:runs"})))
    names = {key[0] for key in scrape(with_scopes)}
    assert "crontopus_monitor_state" in names
    assert not {name for name in names if "endpoint" in name or "incident" in name or name == "crontopus_job_info"}
    with pytest.raises(Forbidden):
        scrape(replace(alice, actor=replace(alice.actor, scopes=frozenset({"read:jobs"}))))


def test_a_namespace_is_scraped_by_itself(alice: Member) -> None:
    add_job("alice", alice.endpoint_id, job_id=str(uuid.uuid4()), name="other")
    with writing() as session:
        session.execute(update(Monitor).where(col(Monitor.job_name) == "other").values(namespace="staging"))
        session.execute(update(JobIndex).where(col(JobIndex.name) == "other").values(namespace="staging"))
    found = scrape(alice, namespace="staging")
    assert {dict(key[1]).get("namespace", "staging") for key in found} == {"staging"}
    assert of("crontopus_job_enabled", found, namespace="staging", job_name="other") == 1
    assert not [key for key in found if key[0].startswith(("crontopus_endpoint", "crontopus_incidents"))]


def test_too_many_monitors_are_refused_with_advice(alice: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_metrics, "MOST", 0)
    with pytest.raises(BadInput, match="namespace"):
        scrape(alice)


def test_the_number_of_statements_does_not_grow(
    alice: Member, count_statements: Callable[[Callable[[], object]], int]
) -> None:
    few = count_statements(lambda: scrape(alice))
    for number in range(20):
        add_job("alice", alice.endpoint_id, job_id=str(uuid.uuid4()), name=f"job-{number}")
    assert count_statements(lambda: scrape(alice)) == few <= 5


@pytest.fixture
def count_statements(db: Engine) -> Callable[[Callable[[], object]], int]:
    def count(call: Callable[[], object]) -> int:
        statements: list[str] = []

        def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
            statements.append(statement)

        event.listen(engine(), "before_cursor_execute", note)
        try:
            call()
        finally:
            event.remove(engine(), "before_cursor_execute", note)
        return len(statements)

    return count


def test_the_server_tells_of_its_evaluator_messages_and_indexes(alice: Member, redis_url: str) -> None:
    waits = {"channel_id": "c", "event": "opened", "next_at": NOON, "tenant_id": "alice"}
    with writing() as session:
        session.execute(update(Monitor).values(next_deadline=NOON - MINUTE))
        session.execute(
            update(Tenant).values(provisioning="ready", head="b", indexed_head="a", indexed_at=NOON - 2 * MINUTE)
        )
        session.add(Delivery(created_at=NOON - 7 * MINUTE, attempts=1, **waits))
        session.add(Delivery(created_at=NOON - 5 * MINUTE, **waits))
    found = samples(server_metrics.metrics(NOON))
    assert of("crontopus_evaluator_lag_seconds", found) == 60
    assert of("crontopus_evaluator_leader", found) == 0
    assert of("crontopus_delivery_age_seconds", found) == 300
    assert of("crontopus_deliveries_waiting", found) == 2
    assert of("crontopus_index_age_seconds", found, tenant="alice") == 120
    assert of("crontopus_queue_jobs", found, queue="crontopus") == 0
    assert of("crontopus_redis_up", found) == 1


def test_counters_of_all_processes_are_one(redis_url: str, sqlite_db: Engine) -> None:
    meters.add("checkins", "success", "accepted", amount=3)
    meters.flush()
    meters.add("checkins", "success", "accepted")
    meters.observe("checkin_commit", (0.005, 0.01), 0.007)
    found = samples(server_metrics.metrics(NOON))
    assert of("crontopus_checkins_total", found, kind="success", result="accepted") == 4
    assert of("crontopus_checkin_commit_seconds_bucket", found, le="0.005") == 0
    assert of("crontopus_checkin_commit_seconds_bucket", found, le="0.01") == 1
    assert of("crontopus_checkin_commit_seconds_sum", found) == pytest.approx(0.007)


def test_counters_wait_while_redis_is_away(redis_url: str, sqlite_db: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    from crontopus_app.base import queue
    from crontopus_app.base.settings import settings

    def use(url: str) -> None:
        monkeypatch.setenv("CRONTOPUS_REDIS_URL", url)
        settings.cache_clear()
        queue.redis.cache_clear()

    use("redis://127.0.0.1:1/0")
    meters.add("deliveries", "email", "sent")
    found = samples(server_metrics.metrics(NOON))
    assert of("crontopus_redis_up", found) == 0
    assert of("crontopus_evaluator_leader", found) == 0
    meters.flush()
    use(redis_url)
    assert of("crontopus_deliveries_total", samples(server_metrics.metrics(NOON)), kind="email", result="sent") == 1


def test_promtool_finds_nothing_to_say(alice: Member, redis_url: str) -> None:
    told_one(alice.endpoint_id, checkin("success", duration_s=1.0))
    meters.add("checkins", "success", "accepted")
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: run scripts/install-system-parts"
    with reading() as session:
        own = tenant_metrics.metrics(session, alice.actor, NOON)
    for text in (own, server_metrics.metrics(NOON)):
        checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_no_label_is_a_label_of_targets(alice: Member, redis_url: str) -> None:
    told_one(alice.endpoint_id, checkin("success", duration_s=1.0))
    for name, labels in (*scrape(alice), *samples(server_metrics.metrics(NOON))):
        assert name.startswith("crontopus_")
        assert not {"job", "instance"} & dict(labels).keys()
