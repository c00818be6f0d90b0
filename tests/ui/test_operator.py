"""The operator's pages, and that other users get nothing from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rq import Queue, SimpleWorker
from sqlmodel import select

from contract import wire_operator as wire
from crontopus_app.base import clock, queue
from crontopus_app.base.db import reading, writing
from crontopus_app.base.live import Event
from crontopus_app.models import Audit, Change, Tenant, User
from crontopus_app.operations import operators
from crontopus_app.people import auth
from crontopus_app.ui import session as sessions
from crontopus_app.ui import undo
from crontopus_app.ui.kit.filters import Pages
from crontopus_app.ui.live import Watch, watchers
from crontopus_app.ui.operator import rows
from crontopus_app.ui.operator import state as states
from crontopus_app.ui.operator.state import EffectiveSettingsState, HealthState, TasksState, TenantsState, follow_health
from crontopus_app.ui.overview.state import OverviewState
from crontopus_app.ui.pages import PAGES as ALL
from crontopus_app.ui.runs.state import RunsState
from tests.cast import NOON, Member, join
from tests.ui.states import Background, cookie_of, page_at, run, run_behind, shown, target

PAGES = {
    "/operator": HealthState,
    "/operator/tenants": TenantsState,
    "/operator/tenants?tenant=alice": TenantsState,
    "/operator/tasks": TasksState,
    "/operator/settings": EffectiveSettingsState,
}


@pytest.fixture
def olga(alice: Member) -> str:
    """The operator's cookie."""
    return cookie_of(join("olga", operator=True))


async def opened(address: str, cookie: str, token: str = "browser-1") -> Any:
    page = page_at(address, PAGES[address], cookie, token)
    assert await run(page, "load") is None
    return page


@pytest.mark.parametrize("address", PAGES)
async def test_an_operators_page_loads(address: str, olga: str) -> None:
    page = await opened(address, olga)
    assert (page.ready, page.problem) == (True, "")


@pytest.mark.parametrize("address", PAGES)
async def test_other_users_get_an_error(address: str, cookie: str, olga: str) -> None:
    page = await opened(address, cookie)
    assert page.problem.startswith("Only operators may do this")
    assert "olga" not in shown(page)


@pytest.mark.parametrize("address", PAGES)
async def test_without_a_session_the_page_redirects_to_sign_in(address: str, olga: str) -> None:
    page = page_at(address, PAGES[address], "crontopus_session=forged")
    assert "/login?next=/operator" in target(await run(page, "load"))


async def test_only_operators_have_the_link_in_the_rail(olga: str, cookie: str) -> None:
    for who, expected in ((olga, True), (cookie, False)):
        page = page_at("/", OverviewState, who)
        await run(page, "load")
        frame = await page.get_state(sessions.SessionState)
        assert frame.operator is expected


async def test_other_users_can_use_no_handler(cookie: str, olga: str) -> None:
    tenants, tasks = await opened("/operator/tenants", cookie), await opened("/operator/tasks", cookie)
    acts: list[tuple[Any, str, Any]] = [
        (tenants, "suspend", {"tenant": "olga"}),
        (tenants, "resume", "olga"),
        (tenants, "provision", "olga"),
        (tenants, "grant", {"name": "alice"}),
        (tenants, "revoke", {"name": "olga"}),
        (tasks, "retry", "x"),
        (tasks, "discard", {"task": "x"}),
        (tasks, "ring", "olga"),
        (tasks, "provision", "olga"),
    ]
    for page, name, given in acts:
        assert "Only operators" in str(await run(page, name, given)), name
    assert "Only operators" in str(await run(tasks, "retry_all"))
    with reading() as session:
        assert session.exec(select(Audit)).all() == []
        assert session.exec(select(User.username).where(User.role == "operator")).all() == ["olga"]
    assert Queue(queue.QUEUE, connection=queue.redis()).count == 0


async def test_handlers_reject_invalid_input(olga: str) -> None:
    page = await opened("/operator/tenants", olga)
    for given in ({}, {"tenant": None}, {"tenant": ["alice"]}, {"tenant": "x" * 5000}):
        assert "No tenant" in str(await run(page, "suspend", given))
    tasks = await opened("/operator/tasks", olga)
    assert "This failed task no longer exists" in str(await run(tasks, "discard", {}))


async def test_suspending_can_be_undone(olga: str, alice: Member) -> None:
    page = await opened("/operator/tenants?tenant=alice", olga)
    assert (page.chosen.row.id, page.chosen.own) == ("alice", False)
    said = await run(page, "suspend", {"tenant": "alice"})
    assert "alice suspended." in str(said)
    assert page.chosen.row.suspended
    assert [one.label for one in page.tenants if one.id == "alice"] == ["suspended"]
    held = await page.get_state(undo.UndoState)
    (key,) = held._offers
    assert "alice resumed." in str(await run(held, "undo", {"key": key}))
    with reading() as session:
        assert session.get_one(Tenant, "alice").suspended is False


async def test_the_own_tenant_cannot_be_suspended(olga: str) -> None:
    page = await opened("/operator/tenants", olga)
    assert "cannot suspend your own account" in str(await run(page, "suspend", {"tenant": "olga"}))
    own = page_at("/operator/tenants?tenant=olga", TenantsState, olga)
    await run(own, "load")
    assert own.chosen.own


async def test_an_open_page_is_closed_by_a_suspension_and_reopened_after_it(
    cookie: str, alice: Member, olga: str
) -> None:
    page = page_at("/", OverviewState, cookie, "tab-1")
    await run(page, "load")
    assert [token for token, _ in watchers.of("alice", {"session"})] == ["tab-1"]
    (watch,) = [watch for _, watch in watchers.of("alice", {"session"})]
    assert "alice-host" in shown(page)
    suspend("alice")
    await sessions.refill(watch.kinds, page, watch)
    assert page.problem == "This account is suspended. Contact the operator of this server."
    assert "alice-host" not in shown(page)
    with writing() as session:
        operators.resume(session, operators.shell_actor(), "alice", NOON)
    await sessions.refill(watch.kinds, page, watch)
    assert (page.problem, "alice-host" in shown(page)) == ("", True)


def suspend(tenant: str) -> None:
    with writing() as session:
        operators.suspend(session, operators.shell_actor(), tenant, NOON)


async def test_a_page_opened_during_a_suspension_is_filled_after_it(cookie: str, olga: str) -> None:
    await run(page_at("/", OverviewState, cookie, "tab-1"), "load")
    suspend("alice")
    runs = page_at("/runs", RunsState, cookie, "tab-1")
    await run(runs, "load")
    ((_, watch),) = watchers.of("alice", {"session"})
    assert watch.page is RunsState
    with writing() as session:
        operators.resume(session, operators.shell_actor(), "alice", NOON)
    await sessions.refill(watch.kinds, runs, watch)
    assert (runs.problem, len(runs.rows)) == ("", 1)


async def test_a_suspended_tenants_page_shows_the_reason(cookie: str, olga: str) -> None:
    suspend("alice")
    page = page_at("/", OverviewState, cookie)
    assert await run(page, "load") is None
    assert (page.ready, page.problem) == (True, "This account is suspended. Contact the operator of this server.")
    assert "alice-host" not in shown(page)


async def test_roles_are_granted_and_revoked(olga: str, cookie: str) -> None:
    page = await opened("/operator/tenants?tenant=alice", olga)
    await run(page, "grant", {"name": "alice"})
    assert [one.operator for one in page.chosen.people] == [True]
    await run(page, "revoke", {"name": "alice"})
    assert [one.operator for one in page.chosen.people] == [False]
    assert "last operator" in str(await run(page, "revoke", {"name": "olga"}))


async def test_the_address_filters_and_pages_tenants(olga: str) -> None:
    others = [f"web-{number:02}" for number in range(states.PAGE + 1)]
    with writing() as session:
        session.add_all(
            Tenant(id=name, repository=f"crontopus/{name}", webhook_secret="whs_tests", created_at=NOON)
            for name in others
        )
    first = page_at("/operator/tenants", TenantsState, olga)
    await run(first, "load")
    assert ([one.id for one in first.tenants], first.pages) == (
        ["alice", "olga", *others[:-3]],
        Pages("", "/operator/tenants?page=2", "23 tenants"),
    )
    second = page_at("/operator/tenants?page=2&q=web", TenantsState, olga)
    await run(second, "load")
    assert [one.id for one in second.tenants] == others[-1:]
    assert (second.pages.before, second.pages.after) == ("/operator/tenants?q=web", "")
    found = page_at("/operator/tenants?q=olg", TenantsState, olga)
    await run(found, "load")
    assert ([one.id for one in found.tenants], found.pages) == (["olga"], Pages(summary="1 tenant"))
    wrong = page_at("/operator/tenants?standing=purple", TenantsState, olga)
    await run(wrong, "load")
    assert wrong.problem.startswith("standing must be one of")


async def test_a_failed_repository_is_provisioned_again(olga: str) -> None:
    with writing() as session:
        tenant = session.get_one(Tenant, "alice")
        tenant.provisioning, tenant.provisioning_error = "failed", "webhook: refused"
    page = await opened("/operator/tasks", olga)
    assert [(one.id, one.error) for one in page.stuck] == [("alice", "webhook: refused")]
    await run(page, "provision", "alice")
    assert page.stuck == []
    (task,) = Queue(queue.LONG_QUEUE, connection=queue.redis()).jobs
    assert (task.func_name, task.args) == ("worker.tasks.provision_tenant", ("alice",))


async def test_a_worker_is_notified_of_a_pending_change(olga: str) -> None:
    change = Change(
        tenant_id="alice",
        user_id="x",
        author_name="alice",
        author_email="a@example.org",
        operation="create",
        path="production/a.yaml",
        message="a",
        created_at=clock.now(),
        error="waiting: the Git server does not respond",
    )
    with writing() as session:
        session.add(change)
    page = await opened("/operator/tasks", olga)
    assert [(one.tenant, one.label, one.what, one.pending) for one in page.changes] == [
        ("alice", "pending", "create production/a.yaml", True)
    ]
    await run(page, "ring", "alice")
    (task,) = Queue(queue.QUEUE, connection=queue.redis()).jobs
    assert task.func_name == "worker.tasks.commit_changes"
    assert "No tenant" in str(await run(page, "ring", "nobody"))
    health = await opened("/operator", olga)
    assert [(one.value, one.state) for one in health.tiles][-1] == ("1", "late")


@pytest.mark.logs_errors
async def test_a_failed_task_is_shown_retried_and_discarded(olga: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL", logger="rq.worker")
    tasks = Queue(queue.QUEUE, connection=queue.redis())
    tasks.enqueue("tests.fixtures.failing.fail", "alice")
    SimpleWorker([tasks], connection=queue.redis()).work(burst=True, logging_level="CRITICAL")
    page = await opened("/operator/tasks", olga)
    (one,) = page.failed
    assert (one.function, one.arguments, one.tenant) == ("tests.fixtures.failing.fail", "alice", "alice")
    assert one.error == "RuntimeError: it went wrong with alice"
    assert "Traceback" in one.traceback
    assert "queued again" in str(await run(page, "retry", one.id))
    assert (page.failed, page.work.queues[0].waiting) == ([], 1)
    SimpleWorker([tasks], connection=queue.redis()).work(burst=True, logging_level="CRITICAL")
    assert "Tasks queued again: 1." in str(await run(page, "retry_all"))
    SimpleWorker([tasks], connection=queue.redis()).work(burst=True, logging_level="CRITICAL")
    await run(page, "refresh")
    await run(page, "discard", {"task": page.failed[0].id})
    assert (page.failed, page.work.queues[0].waiting) == ([], 0)


async def test_components_are_checked_until_the_page_is_left(olga: str) -> None:
    rounds, page = [], await opened("/operator", olga, "tab-1")
    assert {one.state for one in page.parts} == {"running"}

    def measure(_actor: Any) -> wire.Measured:
        rounds.append(1)
        if len(rounds) == 3:
            watchers.add("tab-1", Watch("olga", OverviewState, frozenset(), ""))
        return wire.Measured(False, NOON, [wire.MeasuredPart("disk", False, None, f"round {len(rounds)}")])

    await follow_health(Background(page), every_s=0, measure=measure)
    assert len(rounds) == 3
    # A check that ends after the page was left is not shown.
    assert [(one.title, one.label, one.detail) for one in page.parts] == [("Disk", "failing", "round 2")]
    assert (page.measured_at, page.paused) == (NOON.isoformat(), False)


async def test_checks_pause_after_a_while(olga: str) -> None:
    page, rounds = await opened("/operator", olga), []

    def measure(_actor: Any) -> wire.Measured:
        rounds.append(page.paused)
        return wire.Measured(True, NOON, [])

    await follow_health(Background(page), every_s=0, rounds=2, measure=measure)
    assert rounds == [False, False]
    assert page.paused


async def test_only_the_newest_follower_continues(olga: str) -> None:
    page, rounds = await opened("/operator", olga), []

    def measure(_actor: Any) -> wire.Measured:
        rounds.append(1)
        page._follower += 1  # as a second click on the button does
        return wire.Measured(True, NOON, [])

    await follow_health(Background(page), measure=measure)
    assert (len(rounds), page.measured_at) == (1, "")


async def test_checks_end_with_the_role(olga: str, cookie: str) -> None:
    page = await opened("/operator", olga)
    with writing() as session:
        auth.grant_operator(session, "alice")
        operators.revoke(session, operators.shell_actor(), "olga", NOON)
    await run_behind(page, "follow")
    assert page.problem.startswith("Only operators")


async def test_real_components_are_checked(olga: str) -> None:
    page = await opened("/operator", olga)
    await follow_health(Background(page), every_s=0, rounds=1)
    found = {one.title: one for one in page.parts}
    assert list(found) == list(rows.TITLES.values())
    assert found["Redis"].label == found["Live events"].label == "ok"
    assert found["Workers"].detail.startswith("no worker is running")


async def test_settings_and_versions_are_shown_without_secrets(olga: str, monkeypatch: pytest.MonkeyPatch) -> None:
    page = await opened("/operator/settings", olga)
    found = {one.name: one for one in page.settings}
    assert found["CRONTOPUS_SECRET_KEY"].value == "••••••"
    assert found["CRONTOPUS_DATABASE_URL"].source == "environment"
    assert {one.name for one in page.versions} >= {"Crontopus", "Python", "Reflex", "Database", "Redis", "Git server"}
    assert [(one.name, one.value) for one in page.agents] == [("not reported yet", "2 endpoints")]


async def test_suspending_publishes_an_event_for_the_tenants_pages(
    olga: str, published: Callable[[], list[Event]]
) -> None:
    page = await opened("/operator/tenants", olga)
    await run(page, "suspend", {"tenant": "alice"})
    assert Event("alice", "session", "alice") in published()


@pytest.mark.parametrize(
    ("seconds", "said"), [(None, "–"), (0, "0 s"), (119, "119 s"), (180, "3 min"), (7200, "2 h"), (432_000, "5 d")]
)
def test_ages_in_words(seconds: float | None, said: str) -> None:
    assert rows.age(seconds) == said


@pytest.mark.parametrize(
    ("lag", "said"), [(None, ""), (0.0, "none"), (0.84, "0.8 ms"), (42.0, "42 ms"), (90_000.0, "90 s")]
)
def test_lags_in_words(lag: float | None, said: str) -> None:
    assert rows.lag(lag) == said


def test_a_capped_count_has_a_plus() -> None:
    usage = wire.Usage(runs=20_000, runs_counted_to=20_000, output_bytes=3 << 30)
    made = rows.tenant(wire.OperatedTenant("a", False, "ready", "", "", "", NOON, usage), {})
    assert (made.runs, made.output) == ("20,000+", "≈ 3.0 GiB")


def test_another_releases_schema_is_a_warning() -> None:
    assert rows.schema(wire.Versions([], [], "0004", "0004")) == ""
    assert rows.schema(wire.Versions([], [], "", "0004")) == "The database is at no revision; this release needs 0004."


@pytest.mark.parametrize(
    ("change", "state"), [({}, "ok"), ({"heartbeat_s": 500.0}, "failed"), ({"task": "f('x')"}, "running")]
)
def test_a_silent_worker_is_failed(change: dict[str, Any], state: str) -> None:
    values: dict[str, Any] = {"name": "w", "state": "idle", "task": "", "heartbeat_s": 5.0, "born_at": None}
    (made,) = rows.work(wire.Tasks(workers=[wire.TaskWorker(**{**values, "done": 1, "failed": 0, **change})])).workers
    assert made.state == state


def test_every_operators_page_is_tested_here() -> None:
    assert {page.route for page in ALL if page.route.startswith("/operator")} == {
        address.split("?")[0] for address in PAGES
    }
