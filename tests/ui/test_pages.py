"""Every page renders without a database, and shows only data of its own tenant."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from crontopus_app.base import clock
from crontopus_app.base.db import writing
from crontopus_app.forge.configured import forge
from crontopus_app.hosts import endpoints
from crontopus_app.models import Tenant
from crontopus_app.ui import call, session, theme
from crontopus_app.ui.edit.state import EditState
from crontopus_app.ui.endpoints.state import EndpointsState, EndpointState
from crontopus_app.ui.enrol.state import EnrolState
from crontopus_app.ui.job.state import JobState
from crontopus_app.ui.jobs.state import JobsState
from crontopus_app.ui.live import watchers
from crontopus_app.ui.overview.state import OverviewState
from crontopus_app.ui.pages import PAGES, Page
from crontopus_app.ui.runs.state import RunsState, RunState
from crontopus_app.ui.session import SessionState
from crontopus_app.ui.settings.state import SettingsState
from crontopus_app.ui.start.state import StartState
from crontopus_app.ui.tokens.state import TokensState
from tests.cast import Member
from tests.ui.conftest import RUN_ID, SECRET
from tests.ui.states import page_at, run, shown, target

STATES = {
    "/": OverviewState,
    "/start": StartState,
    "/jobs": JobsState,
    "/jobs/production/backup": JobState,
    "/jobs/new": EditState,
    "/jobs/production/backup/edit": EditState,
    "/runs": RunsState,
    f"/runs/{RUN_ID}": RunState,
    "/endpoints": EndpointsState,
    "/endpoints/HOST": EndpointState,
    "/enrol": EnrolState,
    "/tokens": TokensState,
    "/settings": SettingsState,
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.route)
def test_a_page_renders_without_a_database(page: Page) -> None:
    rendered = str(page.component().render())
    assert "main" in rendered
    assert "Crontopus" in page.title


def test_every_page_has_an_address_of_its_own() -> None:
    assert len({page.route for page in PAGES}) == len(PAGES)


@pytest.mark.parametrize(
    ("route", "onward"),
    [("/jobs/[ns]/[job_name]", "Open Jobs"), ("/start", "Open the Overview"), ("/operator/tenants", "Open Operator")],
)
def test_an_error_page_links_to_a_page_that_works(route: str, onward: str) -> None:
    (page,) = (page for page in PAGES if page.route == route)
    rendered = str(page.component().render())
    assert "This page cannot be shown" in rendered
    assert onward in rendered


@pytest.mark.parametrize("address", STATES)
async def test_a_page_loads(address: str, cookie: str, alice: Member) -> None:
    page = page_at(address.replace("HOST", alice.endpoint_id), STATES[address], cookie)
    assert await run(page, "load") is None
    assert (page.ready, page.problem) == (True, "")


@pytest.mark.parametrize("address", STATES)
async def test_without_a_session_a_page_redirects_to_sign_in(address: str, alice: Member) -> None:
    page = page_at(address, STATES[address], "crontopus_session=forged")
    assert "/login" in target(await run(page, "load"))
    assert page.ready is False
    assert SECRET not in shown(page)


@pytest.mark.parametrize("address", [address for address in STATES if address.count("/") > 1 and "new" not in address])
async def test_another_tenants_items_are_not_found(address: str, charlies: str, alice: Member) -> None:
    page = page_at(address.replace("HOST", alice.endpoint_id), STATES[address], charlies)
    await run(page, "load")
    assert page.problem.startswith("No ")
    assert SECRET not in shown(page)
    assert "alice-host" not in shown(page)


@pytest.mark.parametrize("address", ["/", "/jobs", "/runs", "/endpoints"])
async def test_lists_hold_items_of_the_own_tenant_only(address: str, charlies: str, cookie: str) -> None:
    theirs, own = page_at(address, STATES[address], charlies), page_at(address, STATES[address], cookie)
    await run(theirs, "load")
    await run(own, "load")
    assert "alice-host" in shown(own)
    assert "alice-host" not in shown(theirs)


async def test_the_redirect_to_sign_in_keeps_the_address(alice: Member) -> None:
    redirect = target(await run(page_at("/runs?status=failed", RunsState), "load"))
    assert "/login?next=/runs%3Fstatus%3Dfailed" in redirect


async def test_a_page_follows_events_of_its_own_tenant(cookie: str) -> None:
    await run(page_at("/jobs", JobsState, cookie, "tab-7"), "load")
    assert [token for token, _ in watchers.of("alice", {"run"})] == ["tab-7"]
    assert watchers.of("charlie", {"run"}) == []
    assert watchers.of("alice", {"probe"}) == []


async def test_the_rail_counts_jobs_and_endpoints(cookie: str, charlies: str) -> None:
    for session_of, counted in ((cookie, (1, 1)), (charlies, (0, 1))):
        page = page_at("/runs", RunsState, session_of)
        await run(page, "load")
        frame = await page.get_state(SessionState)
        assert (frame.jobs, frame.endpoints) == counted


async def test_tenant_events_refill_the_frame_of_every_page(cookie: str, alice: Member) -> None:
    page = page_at("/runs", RunsState, cookie, "tab-7")
    await run(page, "load")
    frame, page.rows = await page.get_state(SessionState), []
    assert frame.provisioning == "pending"
    with writing() as db:
        tenant = db.get_one(Tenant, "alice")
        tenant.provisioning = "ready"
        db.add(tenant)
        endpoints.revoke(db, alice.actor, alice.endpoint_id, forge(), clock.now())
    ((_, watch),) = watchers.of("alice", {"tenant"})
    await session.refill({"tenant"}, page, watch)
    assert (frame.endpoints, frame.provisioning, list(page.rows)) == (0, "ready", [])


async def test_news_of_another_tenant_renew_nothing(cookie: str) -> None:
    """A page that is followed for a tenant which is not its session's stays as it is."""
    page = page_at("/runs", RunsState, cookie, "tab-7")
    await run(page, "load")
    ((_, watch),) = watchers.of("alice", {"run"})
    frame, page.rows = await page.get_state(SessionState), []
    frame.jobs = 99
    await session.refill({"run", "session"}, page, replace(watch, tenant_id="charlie"))
    assert (list(page.rows), frame.jobs) == ([], 99)
    await session.refill({"run", "session"}, page, watch)
    assert (len(page.rows), frame.jobs) == (1, 1)


@pytest.mark.parametrize(
    "address", ["/", "/jobs", "/jobs/production/backup", "/runs", f"/runs/{RUN_ID}", "/endpoints/HOST"]
)
async def test_pages_refilled_together_make_each_query_once(
    address: str, cookie: str, alice: Member, sqlite_db: Engine
) -> None:
    path = address.replace("HOST", alice.endpoint_id)
    pages = [page_at(path, STATES[address], cookie, tab) for tab in ("tab-1", "tab-2")]
    for page in pages:
        await run(page, "load")
    queries: list[str] = []
    event.listen(sqlite_db, "before_cursor_execute", lambda _1, _2, sql, *_: queries.append(sql))
    for several in (pages[:1], pages):
        with call.tick():
            for page in several:
                await page._fill(alice.actor)
        queries.append("end")
    alone, together = queries[: queries.index("end")], queries[queries.index("end") + 1 : -1]
    assert alone
    assert sorted(together) == sorted(alone)


async def test_the_browser_is_sent_no_secret_of_the_session(cookie: str) -> None:
    page = page_at("/", OverviewState, cookie)
    await run(page, "load")
    frame = await page.get_state(SessionState)
    assert (frame.username, frame.operator) == ("alice", False)
    assert "password" not in shown(frame)


def test_both_themes_have_the_same_tokens() -> None:
    assert theme.DARK.keys() == theme.LIGHT.keys()
    assert all(re.fullmatch(r"#[0-9a-f]{6}", value) for value in (*theme.DARK.values(), *theme.LIGHT.values()))


@pytest.mark.parametrize("tokens", [theme.DARK, theme.LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize("ground", ["card", "bg", "side", "hover"])
@pytest.mark.parametrize("ink", ["text", "muted", "accent"])
def test_text_has_enough_contrast(tokens: dict[str, str], ground: str, ink: str) -> None:
    """WCAG 2.2 AA: 4.5 : 1."""
    assert contrast(tokens[ink], tokens[ground]) >= 4.5


@pytest.mark.parametrize("tokens", [theme.DARK, theme.LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize("ground", ["card", "bg", "side", "hover"])
@pytest.mark.parametrize("state", ["ok", "running", "late", "failed", "missed", "unknown", "accent"])
def test_a_tags_text_has_enough_contrast_on_its_tint(tokens: dict[str, str], ground: str, state: str) -> None:
    """With the shares that console.css mixes for tags; WCAG 2.2 AA."""
    sheet = (Path(__file__).parents[2] / "assets" / "console.css").read_text()
    found = re.search(r"\.tag{.*?var\(--c\) (\d+)%,var\(--text\).*?var\(--c\) (\d+)%,transparent", sheet)
    assert found
    ink = mixed(tokens[state], tokens["text"], int(found[1]) / 100)
    assert contrast(ink, mixed(tokens[state], tokens[ground], int(found[2]) / 100)) >= 4.5
    assert set(re.findall(r"(\d+)%,var\(--text\)", sheet)) == {found[1]}


def mixed(one: str, other: str, share: float) -> str:
    """``color-mix(in srgb, one share, other)``."""
    pairs = [(int(one[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(mine * share + yours * (1 - share)):02x}" for mine, yours in pairs)


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
