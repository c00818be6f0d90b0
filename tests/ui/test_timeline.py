"""The 24-hour chart: positions, what is sent to the browser, queries; and the Overview's rows."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from contract import wire, wire_alerts
from contract.schedule import resolve, seed
from crontopus_app.base import clock
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import engine, reading, writing
from crontopus_app.models import Endpoint, JobIndex, Monitor, Run, Tenant
from crontopus_app.monitoring.stats import Bar
from crontopus_app.queries import attention, jobs, overview, timeline
from crontopus_app.queries.timeline import Day, Lane, TimelineRun
from crontopus_app.ui import call
from crontopus_app.ui.jobs import rows as jobs_rows
from crontopus_app.ui.kit import colours, day_chart
from crontopus_app.ui.overview import rows
from crontopus_app.ui.overview.state import OverviewState
from tests.cast import JOB_ID, NOON, Member, add_endpoint, add_job
from tests.ui.conftest import add_run
from tests.ui.states import page_at, run

HOUR = timedelta(hours=1)
RUN_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
MARK = TimelineRun(RUN_ID, "success", late=False, host="db01", begun=NOON - HOUR, seconds=3600.0)
LANE = Lane("j1", "backup", "production", "ok", (MARK,), (NOON + HOUR,))


def test_now_is_the_middle_of_the_day() -> None:
    assert day_chart.place(NOON, NOON) == 720
    assert day_chart.place(NOON - timedelta(hours=12), NOON) == 0


def test_the_axis_names_full_hours() -> None:
    made = day_chart.grid(day_chart.drawn_at(NOON + timedelta(minutes=14)))
    assert made.at == (NOON + timedelta(minutes=10)).isoformat()
    assert made.ticks[0].at == (NOON - timedelta(hours=12) + 3 * HOUR).isoformat()
    assert made.ticks[3].left == "49.31%"
    assert [place for place, tick in enumerate(made.ticks) if tick.mute] == [3, 7, 8]


def test_a_run_is_as_wide_as_it_was_long() -> None:
    assert day_chart.lane_row(LANE, NOON).paths.ok == "M660.0 7h60.0v13h-60.0z"


def test_a_run_that_began_before_the_day_is_cut_at_its_left_edge() -> None:
    made = day_chart.lane_row(replace(LANE, marks=(replace(MARK, begun=NOON - 13 * HOUR, seconds=10800.0),)), NOON)
    assert made.paths.ok == "M-60.0 7h180.0v13h-180.0z"
    assert made.runs.startswith("-60,180,success,")


def test_a_lane_lists_its_runs_for_the_browser() -> None:
    made = day_chart.lane_row(LANE, NOON)
    assert made.runs == "660,60,success,0,3.6e+03,D4-tW9nLRp-hZXCGdyiVDg"
    assert (made.hosts, made.last_at, made.next_at) == ("db01", MARK.begun.isoformat(), (NOON + HOUR).isoformat())


@pytest.mark.parametrize(
    ("status", "late", "colour"),
    [("success", True, "late"), ("running", True, "late"), ("failed", True, "failed"), ("missed", False, "missed")],
)
def test_late_is_shown_unless_the_run_is_worse(status: str, late: bool, colour: str) -> None:
    assert colours.of_run(status, late=late) == colour


def test_a_running_run_is_a_bar_of_its_own() -> None:
    lane = replace(LANE, marks=(replace(MARK, status="running", seconds=None),))
    assert day_chart.lane_row(lane, NOON).runs == ""
    (bar,) = day_chart.going(Day((LANE, lane), 2), NOON)
    assert (bar.left, bar.top, bar.run_id, bar.state) == ("45.833%", "56px", RUN_ID, "running")


def test_hundreds_of_runs_in_one_minute_are_one_bar_and_only_the_newest_are_sent() -> None:
    ids = [str(uuid.UUID(int=number)) for number in range(300)]
    lane = replace(LANE, marks=tuple(replace(MARK, run_id=one) for one in reversed(ids)))
    row = day_chart.lane_row(lane, NOON)
    alone = day_chart.lane_row(replace(LANE, marks=(replace(MARK, run_id=ids[-1]),)), NOON)
    assert row.paths == alone.paths
    told = row.runs.split("\n")
    assert len(told) == day_chart.PER_MINUTE
    assert told[-1] == alone.runs


def test_a_job_with_hundreds_of_hanging_runs_shows_the_newest() -> None:
    stuck = tuple(replace(MARK, run_id=f"run-{number}", status="running", seconds=None) for number in range(500))
    drawn = day_chart.going(Day((replace(LANE, marks=stuck), replace(LANE, marks=stuck[:1])), 2), NOON)
    assert [bar.run_id for bar in drawn] == [f"run-{number}" for number in range(day_chart.GOING)] + ["run-0"]


def test_every_quarter_of_an_hour_is_an_outline_of_its_own() -> None:
    quarters = [720.0 + 15 * each for each in range(48)]
    assert day_chart.outlines(quarters, 8.0).count("M") == 48
    assert day_chart.outlines(quarters, 60.0).startswith("M720.0 7h13.0")


def test_a_slot_each_minute_is_a_band() -> None:
    assert day_chart.outlines([720.0 + each for each in range(60)], 8.0).count("M") == 1
    assert day_chart.outlines([720.0, 721.0, 800.0], 8.0).count("M") == 2
    assert day_chart.outlines([], 8.0) == ""


def test_only_lanes_that_differ_are_sent_again() -> None:
    base = [day_chart.lane_row(replace(LANE, name=name), NOON) for name in "ab"]
    assert day_chart.changed(base, [base[0], replace(base[1], state="failed")]) == {
        "production/b": replace(base[1], state="failed")
    }


# Queries.


def seen(member: Member, now: Any = None) -> Day:
    with reading() as session:
        return timeline.day(session, member.actor, now or clock.now())


def update(model: type, change: Callable[[Any], None], key: str) -> None:
    with writing() as session:
        row = session.get(model, key)
        assert row is not None
        change(row)
        session.add(row)


def job_row(change: Callable[[JobIndex], None]) -> None:
    with reading() as session:
        key = timeline.select(JobIndex.id).where(JobIndex.job_id == JOB_ID)
        found = session.exec(key).one()
    update(JobIndex, change, found)


def schedule(*expressions: str) -> None:
    job_row(lambda job: setattr(job, "schedule", list(expressions)))


def test_a_lane_has_its_runs_and_its_slots(alice: Member) -> None:
    schedule("every 15m")
    (lane,) = seen(alice).lanes
    assert [mark.run_id for mark in lane.marks] == [RUN_ID]
    assert len(lane.slots) == 48


def test_a_run_that_began_days_ago_and_still_runs_is_there(alice: Member) -> None:
    def old(found: Run) -> None:
        found.status, found.started_at = "running", clock.now() - timedelta(days=2)
        found.sort_at = found.started_at

    update(Run, old, RUN_ID)
    (mark,) = seen(alice).lanes[0].marks
    assert mark.seconds is None


def test_a_run_of_yesterday_is_not(alice: Member) -> None:
    update(Run, lambda found: setattr(found, "sort_at", clock.now() - timedelta(hours=13)), RUN_ID)
    assert seen(alice).lanes[0].marks == ()


def minute(host: str) -> str:
    """The minute that ``H`` stands for on a host."""
    return resolve("H * * * *", seed(JOB_ID, host)).split()[0]


def test_h_is_each_hosts_own_minute(alice: Member) -> None:
    schedule("H * * * *")
    alone = seen(alice, NOON).lanes[0].slots
    with writing() as session:
        first = session.get(Endpoint, alice.endpoint_id)
        assert first is not None
        second = next(host for host in "23456789" if minute(host) != minute(first.id))
        facts = first.model_dump() | {"id": second, "machine_id": "m2", "token_hmac": "other"}
        session.add(Endpoint.model_validate(facts))
        session.flush()
        session.add(
            Monitor(
                tenant_id="alice", job_id=JOB_ID, source_id=second, endpoint_id=second, job_name="backup",
                namespace="production",
                updated_at=NOON,
            )
        )  # fmt: skip
    both = seen(alice, NOON).lanes[0].slots
    assert set(alone) < set(both)
    assert (len(alone), len(both)) == (12, 24)


def test_without_a_zone_of_its_own_the_hosts_zone_counts(alice: Member) -> None:
    schedule("0 20 * * *")
    update(Endpoint, lambda host: setattr(host, "timezone", "Asia/Tokyo"), alice.endpoint_id)
    assert seen(alice, NOON.replace(hour=3)).lanes[0].slots == (NOON.replace(hour=11),)


@pytest.mark.parametrize(("field", "value"), [("paused", True), ("enabled", False), ("valid", False)])
def test_what_does_not_run_has_no_slots(alice: Member, field: str, value: bool) -> None:
    schedule("every 15m")
    job_row(lambda job: setattr(job, field, value))
    with writing() as session:
        session.exec(timeline.select(Monitor)).one().state = "paused"
    assert seen(alice).lanes[0].slots == ()


def test_lanes_that_need_attention_come_first_and_are_at_most_thirty(alice: Member) -> None:
    for number in range(40):
        add_job("alice", alice.endpoint_id, job_id=str(uuid.uuid4()), name=f"job-{number:02d}")
    with writing() as session:
        worst = session.exec(timeline.select(Monitor).where(Monitor.job_name == "job-33")).one()
        worst.state = "failing"
    day = seen(alice)
    assert (len(day.lanes), day.jobs, day.lanes[0].name) == (30, 41, "job-33")


def test_a_day_asks_the_database_a_fixed_number_of_times(alice: Member) -> None:
    def asked() -> int:
        counted: list[str] = []
        note = lambda *told: counted.append(told[2])  # noqa: E731 -- SQLAlchemy calls it with six values
        event.listen(engine(), "before_cursor_execute", note)
        seen(alice)
        event.remove(engine(), "before_cursor_execute", note)
        return len(counted)

    few = asked()
    for number in range(10):
        add_job("alice", alice.endpoint_id, job_id=str(uuid.uuid4()), name=f"job-{number}")
    assert asked() == few


def test_a_failing_job_is_shown_with_cause_and_start(alice: Member) -> None:
    for status in ("failed", "success"):
        add_run(alice, str(uuid.uuid4()), status)
    with writing() as session:
        runs = session.exec(timeline.select(Run)).all()
        for age, one in enumerate(sorted(runs, key=lambda each: (each.id != RUN_ID, each.status))):
            one.sort_at = NOON - age * HOUR
        monitor = session.exec(timeline.select(Monitor)).one()
        monitor.state, monitor.last_run_id, monitor.last_run_status = "failing", RUN_ID, "failed"
    with reading() as session:
        (found,) = overview.overview(session, alice.actor, NOON).failing
    assert (found.times, found.since, found.last_good) == (2, NOON - HOUR, NOON - 2 * HOUR)
    told = rows.trouble(found)
    assert (told.summary, told.exit, told.line) == ("failed 2 times", "exit 2 · ", "the end")


@pytest.mark.parametrize("state", ["stuck", "late"])
def test_a_run_that_takes_too_long_needs_attention_and_is_not_just_running(alice: Member, state: str) -> None:
    add_run(alice, str(uuid.uuid4()), "running")
    with writing() as session:
        monitor = session.exec(timeline.select(Monitor)).one()
        monitor.state, monitor.last_run_status = state, "running"
    with reading() as session:
        (found,) = overview.overview(session, alice.actor, NOON).failing
        (job,) = jobs.list_all(session, alice.actor, now=NOON).jobs
        (lane,) = timeline.day(session, alice.actor, NOON).lanes
    told, row = rows.trouble(found), jobs_rows.job_row(job, [Bar("running", None)])
    assert (told.summary, told.state) == (state, "late")
    assert (row.label, row.state, lane.state) == (state, "late", state)


def test_the_share_of_monitored_cron_lines(alice: Member) -> None:
    told = rows.tiles(overview_of(alice))[-1]
    assert (told.value, told.label, told.share) == ("50 %", "of 2 cron lines monitored, on 1 of 1 host", "50%")
    update(Endpoint, lambda host: setattr(host, "crontab", []), alice.endpoint_id)
    assert "cron line" not in rows.tiles(overview_of(alice))[-1].label


def test_figures_name_their_unit_and_link_to_what_they_count(alice: Member) -> None:
    add_job("alice", alice.endpoint_id, job_id=str(uuid.uuid4()), name="other")
    told = {tile.href: f"{tile.value} {tile.label}" for tile in rows.tiles(overview_of(alice))}
    assert told["/jobs?state=ok"] == "0 jobs healthy"
    assert told["/jobs?state=waiting"] == "2 jobs waiting"
    assert told["/endpoints?state=in+sync"] == "0 / 1 host in sync"
    assert "/jobs?state=paused" not in told


def test_a_job_on_many_hosts_is_one_job_with_its_worst_state(alice: Member) -> None:
    other, _ = add_endpoint("alice", "other")
    with writing() as session:
        first = session.exec(timeline.select(Monitor)).one()
        first.state = "ok"
        facts: dict[str, Any] = {"job_id": JOB_ID, "job_name": "backup", "namespace": "production", "state": "failing"}
        session.add(Monitor(tenant_id="alice", source_id=other, endpoint_id=other, updated_at=NOON, **facts))
    data = overview_of(alice)
    assert data.states == {"failing": 1}


def overview_of(alice: Member, now: datetime = NOON) -> overview.Overview:
    with reading() as session:
        return overview.overview(session, alice.actor, now)


def well(alice: Member, now: datetime) -> None:
    """Alice's host has just applied the newest commit."""

    def apply(host: Endpoint) -> None:
        host.last_seen_at = host.reported_at = now
        host.pass_status = "Applied"

    update(Endpoint, apply, alice.endpoint_id)
    update(Tenant, lambda tenant: setattr(tenant, "provisioning", "ready"), "alice")


def test_all_clear_only_when_everything_is_known_and_well(alice: Member) -> None:
    now = clock.now()
    well(alice, now)
    data = overview_of(alice, now)
    assert (rows.notices(data), data.failing, data.incidents) == ((), [], [])
    assert rows.all_clear(data).startswith("All clear: every job's last run went well")
    assert "1 job waits for the first run" in rows.all_clear(
        replace(data, attention=replace(data.attention, waiting=1))
    )
    assert rows.all_clear(replace(data, last=[])) == "Nothing yet: no job has run."
    silent = attention.HostProblem("silent", 1, ("db01",), now, "id")
    for wrong in ({"hosts": (silent,)}, {"invalid_files": 1}, {"jobs_without_host": 1}, {"repository_problem": "x"}):
        assert rows.all_clear(replace(data, attention=replace(data.attention, **wrong))) == ""
    assert rows.all_clear(replace(data, incidents=[INCIDENT])) == ""


def test_what_is_not_known_needs_attention(alice: Member) -> None:
    well(alice, clock.now())
    job_row(lambda job: setattr(job, "valid", False))
    (silent, invalid) = rows.notices(overview_of(alice, clock.now() + timedelta(days=2)))
    assert (silent.text, silent.href) == ("1 host silent", f"/endpoints/{alice.endpoint_id}")
    assert silent.detail == "alice-host · nothing is known of their jobs since"
    assert (invalid.text, invalid.href) == ("1 invalid manifest", "/jobs?state=invalid")


def test_many_hosts_are_counted_and_some_named() -> None:
    data = overview.Overview(0, 0, 0, 0, 0, 0, {}, 0, [], [], 0, NOTHING, [], [])
    problem = attention.HostProblem("behind", 5, ("a", "b", "c"), None, "id")
    (notice,) = rows.notices(replace(data, attention=replace(NOTHING, hosts=(problem,))))
    assert (notice.text, notice.href) == ("5 hosts are behind Git", "/endpoints?state=behind")
    assert notice.detail == "a, b, c and 2 more · the newest commit is not applied"


NOTHING = attention.Attention((), 0, 0, 0, "", ())
INCIDENT = wire_alerts.Incident(
    "i1", "channel broken", "acknowledged", "error", "channel mail", "refused", "", "", "", "", "", "", NOON, NOON,
    None, NOON, "bob", None, "delivered", "",
)  # fmt: skip


def test_open_incidents_are_listed_unless_a_notice_or_another_incident_covers_them() -> None:
    silent = replace(INCIDENT, id="i2", cause="host silent")
    explained = replace(INCIDENT, id="i3", parent_id="i2")
    data = overview.Overview(0, 0, 0, 0, 0, 0, {}, 0, [], [], 0, NOTHING, [INCIDENT, silent, explained], [])
    assert [row.incident for row in rows.others(data)] == ["i1", "i2"]
    problem = attention.HostProblem("silent", 1, ("db01",), NOON, "id")
    (row,) = rows.others(replace(data, attention=replace(NOTHING, hosts=(problem,))))
    assert (row.job, row.href, row.summary, row.by) == (
        "channel mail",
        "/incidents/i1",
        "channel broken: refused",
        "bob",
    )


CHANGE = wire.ChangeStatus("c", "done", "update", "production/backup.yaml", "4f1c2ab" * 5, None, "alice", NOON, 1, 3)


def test_a_change_says_what_was_and_what_is_and_breaks_no_expression() -> None:
    told = rows.change_row(replace(CHANGE, said="schedule 0 2 * * * → 15 3 * * 1, nice 5"))
    assert told.summary == "schedule 0\u00a02\u00a0*\u00a0*\u00a0* → 15\u00a03\u00a0*\u00a0*\u00a01, nice 5"
    assert (told.state, told.arrived, told.commit, told.pushed) == ("late", "on 1 of 3", "4f1c2ab", False)


def test_a_change_without_a_summary_shows_its_operation() -> None:
    assert rows.change_row(replace(CHANGE, operation="delete")).summary == "deleted"


def test_a_change_of_the_policy_leads_to_the_repository() -> None:
    told = rows.change_row(replace(CHANGE, path="crontopus.yaml"))
    assert (told.job, told.href) == ("crontopus.yaml", "/repository")


@pytest.mark.parametrize(
    ("state", "expected", "text"),
    [("pending", 0, "committing"), ("failed", 0, "failed"), ("done", 0, "no host affected"), ("done", 3, "on 1 of 3")],
)
def test_how_far_a_change_is(state: str, expected: int, text: str) -> None:
    assert rows.change_row(replace(CHANGE, state=state, expected=expected)).arrived == text


# What is sent to a page.


async def test_a_page_gets_all_lanes_once_and_then_what_changed(alice: Member, cookie: str) -> None:
    page = page_at("/", OverviewState, cookie)
    await run(page, "load")
    assert [lane.key for lane in page.lanes] == ["production/backup"]
    page._clean()
    add_run(alice, str(uuid.uuid4()))
    page._sent += 60  # however long this machine takes
    await page._fill(alice.actor)
    assert page.dirty_vars >= {"fresh", "newest"}
    assert "lanes" not in page.dirty_vars
    page._sent -= 120
    await page._fill(alice.actor)
    assert page.fresh == {}
    assert page.lanes[0].runs.count("\n") == 1


async def test_without_changes_nothing_is_sent(alice: Member, cookie: str) -> None:
    page = page_at("/", OverviewState, cookie)
    await run(page, "load")
    page._clean()
    with call.tick():
        await page._fill(alice.actor)
    assert page.dirty_vars <= {"_sent", "grid", "lanes", "fresh"}


async def test_a_tick_shares_results_within_a_tenant_and_never_across_tenants() -> None:
    asked: list[str] = []

    def service(_session: object, actor: Actor, _word: str) -> str:
        asked.append(actor.tenant_id)
        return actor.tenant_id

    def who(tenant: str, user: str) -> Actor:
        return Actor(user, tenant, user, f"{user}@example.org", "user", credential=user)

    with call.tick():
        told = [await call.shared(service, who(*pair), "day") for pair in (("a", "u1"), ("a", "u2"), ("b", "u3"))]
    assert (told, asked) == (["a", "a", "b"], ["a", "b"])
    await call.shared(service, who("a", "u1"), "day")
    assert asked == ["a", "b", "a"]
    limited = replace(who("a", "u1"), scopes=frozenset({"read:jobs"}))
    with call.tick():
        await call.shared(service, who("a", "u1"), "day")
        await call.shared(service, limited, "day")
    assert len(asked) == 5
