"""The Job page in a real browser: its actions and their Undo, the strip, restoring a version."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.visitors import Visitor, check_in
from tests.fixtures.processes import wait_until

TRIES = 3
# No browser of the tests is there.
ZONE = "Asia/Tokyo"


@pytest.fixture
def job(visitor: Visitor) -> str:
    """Name of a job of the visitor's, in the index and on its host."""
    name = f"job-{os.urandom(3).hex()}"
    body = {
        "name": name,
        "namespace": "production",
        "schedule": "0 2 * * *",
        "command": "echo hello",
        "timezone": ZONE,
    }
    visitor.http.post("/api/jobs", json=body).raise_for_status()
    wait_until(lambda: fetch(visitor, name).status_code == 200, "the job in the index")
    wait_until(lambda: fetch(visitor, name).json()["commit"], "its commit, to which an undo leads back")
    return name


def fetch(visitor: Visitor, name: str) -> httpx.Response:
    return visitor.http.get(f"/api/jobs/production/{name}")


def test_pausing_and_deleting_can_be_undone(opened: Callable[..., Page], visitor: Visitor, job: str) -> None:
    page = opened(visitor, f"/jobs/production/{job}")
    toasts = page.locator("#toasts")

    page.get_by_role("button", name="Pause").click()
    undo = toasts.get_by_role("button", name="Undo")
    # A toast with the focus stays.
    undo.focus()
    expect(toasts).to_contain_text(re.compile(rf"Paused production/{job}, commit ([0-9a-f]{{7}}|pending)\."))
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    undo.click()
    expect(toasts).to_contain_text(f"Resumed production/{job}")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()

    opener = page.get_by_role("button", name="Delete")
    opener.click()
    dialog = page.locator("dialog#delete")
    expect(dialog).to_contain_text("Removes 1 crontab line on host-of-eve at the next sync (seconds).")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    opener.click()
    dialog.get_by_role("button", name="Delete").click()
    undo.focus()
    expect(toasts).to_contain_text(f"Deleted production/{job}")
    page.wait_for_url(re.compile(r"/jobs$"), wait_until="commit")
    expect(page.get_by_role("link", name=job)).to_have_count(0)
    undo.click()
    expect(toasts).to_contain_text(f"Restored production/{job}")
    wait_until(lambda: fetch(visitor, job).status_code == 200, "the job in the index again")
    expect(page.get_by_role("link", name=job, exact=True)).to_be_visible()


def test_squares_and_bars_link_to_their_runs(opened: Callable[..., Page], visitor: Visitor, screenshots: Path) -> None:
    # Both runs must be in today's square.
    wait_until(lambda: datetime.now(UTC).time() < time(23, 59), "the next day", 90)
    check_in(visitor)
    failed = check_in(visitor, "fail")
    page = opened(visitor, "/jobs/production/greet")
    strip, bars = page.locator(".strip"), page.locator(".barlist")
    expect(strip.locator("a.s-failed")).to_have_count(1)
    strip.focus()
    page.keyboard.press("End")
    expect(strip.locator(":focus")).to_have_attribute("aria-label", re.compile(r"\d failed"))
    expect(page.locator("#hint")).to_contain_text(re.compile(r"\d failed"))
    bars.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#hint")).to_contain_text("1.5 s on")
    page.screenshot(path=screenshots / "job-bars.png")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"/runs/{failed}"), wait_until="commit")


def test_a_new_run_moves_nothing_on_the_page(opened: Callable[..., Page], visitor: Visitor) -> None:
    check_in(visitor)
    page = opened(visitor, "/jobs/production/greet")
    table = page.locator(".card.flush tbody")
    expect(table.locator("tr").first).to_be_visible()
    page.evaluate("document.fonts.ready")
    page.evaluate(
        """() => { window.moved = [];
        const name = (node) => node.className || node.parentElement.outerHTML;
        const note = (list) => list.getEntries().forEach(shift => moved.push(shift.sources.map(one => name(one.node))));
        new PerformanceObserver(note).observe({type: "layout-shift"}) }"""
    )
    tries: list[object] = []
    # The end of a minute changes relative times, which may move something too: so a failed round is repeated.
    while not tries or (tries[-1] != [] and len(tries) < TRIES):
        page.evaluate("moved = []")
        run_id = check_in(visitor, "fail")
        expect(table.locator(f'a[href="/runs/{run_id}"]')).to_be_visible()
        # Two frames later the observer has reported the layout.
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))")
        tries.append(page.evaluate("moved"))
    assert tries[-1] == [], tries


def test_an_older_version_is_restored_after_its_diff_was_shown(
    opened: Callable[..., Page], visitor: Visitor, job: str, screenshots: Path
) -> None:
    visitor.http.put(f"/api/jobs/production/{job}", json={"schedule": "30 4 * * *"}).raise_for_status()
    wait_until(lambda: fetch(visitor, job).json()["job"]["schedule"] == ["30 4 * * *"], "the new schedule")
    page = opened(visitor, f"/jobs/production/{job}?tab=history")

    page.get_by_role("link", name=f"Change job production/{job}").click()
    expect(page.locator(".ln.add .word")).to_have_text(["30", "4"])
    page.get_by_role("button", name="Restore").last.click()
    dialog = page.locator("dialog#restore")
    expect(dialog).to_contain_text(f"Create job production/{job}")
    expect(dialog.locator(".ln.add .word")).to_have_text(["0", "2"])
    expect(dialog).to_contain_text("Changes 1 crontab line on host-of-eve at the next sync (seconds).")
    page.screenshot(path=screenshots / "job-restore.png")
    dialog.get_by_role("button", name="Restore").click()
    expect(page.locator("#toasts")).to_contain_text("Restored the content of")
    wait_until(lambda: fetch(visitor, job).json()["job"]["schedule"] == ["0 2 * * *"], "the old schedule")


def test_a_job_moves_to_a_quieter_time_by_one_commit(opened: Callable[..., Page], visitor: Visitor, job: str) -> None:
    page = opened(visitor, f"/jobs/production/{job}")
    note = page.locator(".note", has_text="Same start time")
    expect(note).to_contain_text("greet")
    note.get_by_role("button").click()
    dialog = page.locator("dialog#move")
    expect(dialog).to_contain_text(re.compile(r"Changes the schedule from 0 2 \* \* \* to [1-4] 2 \* \* \*\. Changes"))
    dialog.get_by_role("button", name="Change schedule").click()
    expect(page.locator("#toasts")).to_contain_text(re.compile(rf"Moved to [1-4] 2 .*: production/{job}"))
    wait_until(lambda: fetch(visitor, job).json()["job"]["schedule"] != ["0 2 * * *"], "the new schedule")


def test_a_job_and_its_runs_show_one_clock_and_name_it(opened: Callable[..., Page], visitor: Visitor, job: str) -> None:
    owner = replace(visitor, job_id=fetch(visitor, job).json()["job"]["id"])
    runs = [check_in(owner) for _ in range(3)]
    page = opened(visitor, f"/jobs/production/{job}")
    expect(page.locator(".zone")).to_have_text(f"times in {ZONE}")
    expect(page.locator(".what")).to_contain_text("echo hello")
    row = page.locator(f'td a[href="/runs/{runs[1]}"]')
    clock = row.inner_text()[-5:]
    row.click()
    expect(page.locator(".zone")).to_have_text(f"times in {ZONE}")
    started = page.locator(".facts div", has_text="Started")
    expect(started).to_contain_text(f"{clock}:")
    expect(started).to_contain_text(ZONE)
    expect(page.locator("tr.own a").first).to_have_attribute("href", f"/runs/{runs[1]}")
    page.get_by_role("link", name="Next run").click()
    page.wait_for_url(f"**/runs/{runs[2]}")
    expect(page.get_by_role("link", name="Next run")).to_have_count(0)
