"""Incidents and channels in a real browser: a failure appears live, is taken and commented, and is over."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.alerts.receiver import receiving
from tests.e2e.visitors import Visitor, check_in
from tests.fixtures.processes import wait_until


def test_a_failure_appears_live_is_taken_and_is_over(opened: Callable[..., Page], visitor: Visitor) -> None:
    check_in(visitor)
    page = opened(visitor, "/incidents")
    expect(page.get_by_role("link", name="closed", exact=True)).to_be_visible()
    check_in(visitor, "fail")
    # The host may be silent by now, which is an incident too.
    page.locator("td a").filter(has_text=" on ").click()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text(f"{visitor.name} takes care of it.")).to_be_visible()
    page.get_by_label("Comment").fill("The disk is full.")
    page.get_by_role("button", name="Add comment").click()
    expect(page.locator(".inc").filter(has_text="The disk is full.")).to_be_visible()
    expect(page.locator(".rail a").filter(has_text="Incidents").locator("small")).not_to_be_empty()
    check_in(visitor)
    expect(page.get_by_text("It is over.")).to_be_visible()


def test_a_channel_is_added_tried_and_deleted(opened: Callable[..., Page], visitor: Visitor) -> None:
    page = opened(visitor, "/channels?kind=webhook")
    with receiving() as receiver:
        page.get_by_label("Name").fill("No Name")
        page.get_by_label("URL").fill(f"{receiver.url}/T0P-SECRET")
        page.get_by_role("button", name="Add channel").click()
        expect(page.get_by_text("is not a valid name")).to_be_visible()
        page.get_by_label("Name").fill("hook")
        page.get_by_role("button", name="Add channel").click()
        page.get_by_role("button", name="Send a test").click()
        # This machine's addresses are private, and this server's operator allows none.
        expect(page.get_by_text("127.0.0.1 is private or reserved.").first).to_be_visible()
        assert receiver.received == []
    assert "T0P-SECRET" not in page.content()
    page.get_by_role("button", name="delete", exact=True).click()
    page.get_by_role("button", name="Delete channel").click()
    expect(page.get_by_text("No channel yet")).to_be_visible()


def test_a_test_mail_is_in_the_outbox(opened: Callable[..., Page], visitor: Visitor) -> None:
    form = {"name": "mail", "kind": "email", "settings": {"to": "oncall@example.org"}}
    channel = visitor.http.post("/api/channels", json=form).raise_for_status().json()["id"]
    visitor.http.post(f"/api/channels/{channel}/test").raise_for_status()
    wait_until(lambda: visitor.http.get("/api/outbox").json(), "the mail")
    page = opened(visitor, "/channels")
    page.locator("summary").filter(has_text="TEST: this channel receives the alerts").click()
    expect(page.get_by_text("Auto-Submitted: auto-generated")).to_be_visible()
    visitor.http.delete(f"/api/channels/{channel}").raise_for_status()


def test_a_silence_is_committed_and_ended(opened: Callable[..., Page], visitor: Visitor) -> None:
    page = opened(visitor, "/silences?host=db*")
    page.get_by_label("Which hosts").fill("")
    page.get_by_role("button", name="Commit").click()
    expect(page.get_by_text("Say what it covers")).to_be_visible()
    page.get_by_label("Which jobs").fill("production/db-*")
    page.get_by_label("Reason").fill("new disks")
    page.get_by_role("button", name="Commit").click()
    row = page.locator("tr").filter(has_text="production/db-*")
    expect(row.filter(has_text="new disks")).to_contain_text("active")
    assert [each["reason"] for each in visitor.http.get("/api/silences").json()] == ["new disks"]
    row.get_by_role("button", name="end").click()
    page.get_by_role("button", name="End it now").click()
    expect(page.get_by_text("None. Every problem is told.")).to_be_visible()
    assert visitor.http.get("/api/silences").json() == []


def test_a_job_says_who_is_told_of_its_problems(opened: Callable[..., Page], visitor: Visitor) -> None:
    check_in(visitor, "fail")
    job = visitor.http.get("/api/jobs").json()["jobs"][0]
    place = f"{job['namespace']}/{job['name']}"
    page = opened(visitor, f"/jobs/{place}?tab=alerts")
    expect(page.get_by_text("There is no channel. Add one on the page Channels.")).to_be_visible()
    expect(page.get_by_role("link", name="failing").first).to_be_visible()
    page.get_by_role("link", name="Silence this job").click()
    expect(page.get_by_label("Which jobs")).to_have_value(place)
    check_in(visitor)
