"""The operator's pages in a real browser: suspending a tenant, retrying a task, and rejecting other users."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect
from redis import Redis
from rq import Queue

from crontopus_app.base.queue import QUEUE
from crontopus_app.operations.health import PARTS
from tests.e2e.visitors import PASSWORD, Visitor, allow, make
from tests.fixtures.processes import wait_until
from tests.fixtures.served import SERVER, Served

SUSPENDED = "This account is suspended. Contact the operator of this server."


@pytest.fixture(scope="module")
def operator(served: Served, visitor: Visitor) -> Visitor:
    """A visitor with the operator role, granted on the server's command line."""
    subprocess.run(
        [*SERVER, "admin", "grant", visitor.name], env=served.environment, check=True, capture_output=True, timeout=60
    )
    return visitor


@pytest.fixture(scope="module")
def tenant(served: Served, operator: Visitor) -> Iterator[Visitor]:
    """The tenant to suspend: not used by other tests, and not the first to register, who is operator."""
    made = make(served)
    yield made
    made.http.close()


def test_a_suspended_tenant_is_told_live_and_comes_back(
    opened: Callable[..., Page], served: Served, operator: Visitor, tenant: Visitor, screenshots: Path
) -> None:
    theirs, page = opened(tenant), opened(operator, f"/operator/tenants?tenant={tenant.name}")
    card = page.locator(".chosen")
    expect(card).to_contain_text(f"{tenant.name}@example.org")
    card.get_by_role("button", name="Suspend").click()
    dialog = page.locator("dialog#suspend")
    expect(dialog).to_contain_text(tenant.name)
    expect(dialog).to_contain_text("keep running their jobs")
    page.screenshot(path=screenshots / "operator-suspend.png")
    dialog.get_by_role("button", name="Suspend").click()
    expect(theirs.locator("#problem")).to_contain_text(SUSPENDED)
    expect(theirs.get_by_text("host-of-eve")).to_have_count(0)
    refused = tenant.http.get("/api/jobs")
    assert (refused.status_code, refused.json()) == (403, {"detail": SUSPENDED, "code": "suspended"})
    allow(served)
    person = {"username": tenant.name, "password": PASSWORD}
    door = httpx.post(f"{served.url}/api/auth/session", json=person, timeout=30)
    assert (door.status_code, door.json()["detail"]) == (403, SUSPENDED)
    card.get_by_role("button", name="Resume").click()
    expect(theirs.locator("#problem")).to_have_count(0)
    expect(theirs.get_by_role("link", name="greet").first).to_be_visible()
    assert tenant.http.get("/api/jobs").status_code == 200


def test_a_failed_task_is_read_retried_and_discarded(
    opened: Callable[..., Page], served: Served, operator: Visitor, screenshots: Path
) -> None:
    with Redis(unix_socket_path=str(served.home / "redis.sock")) as redis:
        task = Queue(QUEUE, connection=redis).enqueue("worker.tasks.provision_tenant", "nobody-at-all", failure_ttl=600)

    def failures() -> list[str]:
        told = operator.http.get("/api/operator/tasks").raise_for_status().json()
        return [one["failed_at"] for one in told["failed"] if one["id"] == task.id]

    wait_until(failures, "the task to fail")
    before = failures()
    page = opened(operator, "/operator/tasks")
    row = page.get_by_role("article").filter(has_text="nobody-at-all")
    row.locator("summary").click()
    expect(row.get_by_label("traceback")).to_contain_text("Traceback (most recent call last)")
    page.screenshot(path=screenshots / "operator-tasks.png", full_page=True)
    row.get_by_role("button", name="Retry").click()
    expect(page.locator("#toasts")).to_contain_text("queued again")
    wait_until(lambda: (now := failures()) and now != before, "the task to fail again")
    page.get_by_role("button", name="Refresh").click()
    row.get_by_role("button", name="Discard").click()
    page.locator("dialog#discard").get_by_role("button", name="Discard").click()
    expect(row).to_have_count(0)
    assert failures() == []
    page.get_by_role("link", name="RQ dashboard").click()
    expect(page).to_have_title("RQ dashboard")


def test_health_is_measured_while_somebody_looks(
    opened: Callable[..., Page], operator: Visitor, screenshots: Path
) -> None:
    page = opened(operator, "/operator")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(len(PARTS))
    # Those that no other test and no load of the machine can trouble.
    for part in ("Database", "Redis", "Git server", "Live events"):
        expect(rows.filter(has_text=part).locator(".tag")).to_have_text("ok")
    expect(rows.locator(".tag.s-running")).to_have_count(0)
    page.screenshot(path=screenshots / "operator.png", full_page=True)
    first = page.locator("time").first.get_attribute("datetime")
    assert first
    # The next round comes by itself.
    expect(page.locator(f'time[datetime="{first}"]')).to_have_count(0)


def test_other_users_are_rejected(opened: Callable[..., Page], tenant: Visitor) -> None:
    page = opened(tenant, "/operator")
    expect(page.locator("#problem")).to_contain_text("Only operators may do this")
    expect(page.locator("aside.rail").get_by_role("link", name="Operator")).to_have_count(0)
    refused = tenant.http.get("/api/operator/tenants")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
