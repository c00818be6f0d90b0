"""The Jobs page in a real browser: filter, order, many jobs changed by one commit; and what the figures link to."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.e2e.visitors import Visitor, check_in
from tests.fixtures.processes import wait_until

MANY = 6


def add_jobs(visitor: Visitor) -> str:
    """Adds ``MANY`` jobs with a label of their own; returns its value."""
    mark = f"m{os.urandom(3).hex()}"
    for number in range(MANY):
        body = {"name": f"{mark}-{number}", "namespace": "production", "schedule": f"{number} 2 * * *"}
        body |= {"command": "true", "labels": {"mark": mark}, "timezone": "UTC"}
        visitor.http.post("/api/jobs", json=body).raise_for_status()
    wait_until(lambda: len(found(visitor, mark)) == MANY, "the jobs in the index")
    return mark


def found(visitor: Visitor, mark: str) -> list[dict[str, bool]]:
    return visitor.http.get("/api/jobs", params={"text": f"label:mark={mark}"}).json()["jobs"]


def test_filtered_and_sorted_jobs_are_selected_by_keys_and_changed_by_one_commit(
    opened: Callable[..., Page], visitor: Visitor
) -> None:
    mark = add_jobs(visitor)
    page = opened(visitor, "/jobs")
    box = page.get_by_label("filter jobs by")
    box.fill(f"label:mark={mark}")
    box.press("Enter")
    rows = page.locator("[data-selection] tbody tr")
    expect(rows).to_have_count(MANY)
    page.get_by_role("link", name="Job", exact=True).click()
    page.get_by_role("link", name="Job ↑", exact=True).click()
    expect(rows.first).to_contain_text(f"{mark}-{MANY - 1}")
    expect(page.locator("th[aria-sort=descending]")).to_have_text("Job ↓")

    page.locator("[data-select]").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+End")
    expect(page.locator("#selected-count")).to_have_text(f"{MANY} jobs selected")
    page.get_by_role("button", name="Pause", exact=True).click()
    toasts = page.locator("#toasts")
    expect(toasts).to_contain_text(re.compile(rf"Paused {MANY} jobs, commit [0-9a-f]{{7}}\."))
    commits = {visitor.http.get(f"/api/jobs/production/{mark}-{n}").json()["commit"]["sha"] for n in range(MANY)}
    assert len(commits) == 1
    assert all(job["paused"] for job in found(visitor, mark))
    expect(page.locator("#selected")).to_be_hidden()
    toasts.get_by_role("button", name="Undo").click()
    expect(toasts).to_contain_text(f"Resumed {MANY} jobs")

    page.locator("[data-select-all]").check()
    page.locator("#selected").get_by_role("button", name="Delete").click()
    dialog = page.locator("dialog#bulk-delete")
    expect(dialog).to_contain_text(f"Delete {MANY} jobs")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No jobs match")).to_be_visible()
    toasts.get_by_role("button", name="Undo").click()
    expect(rows).to_have_count(MANY)
    assert len(found(visitor, mark)) == MANY


def test_each_figure_leads_to_as_many_rows_as_it_says(opened: Callable[..., Page], visitor: Visitor) -> None:
    check_in(visitor)
    # A job on no host, a paused one and an invalid file, so that states differ.
    for name, more in (("nowhere", {"agent": {"endpoints": ["none"]}}), ("resting", {"paused": True})):
        body = {"name": name, "namespace": "staging", "schedule": "0 3 * * *", "command": "true"} | more
        visitor.http.post("/api/jobs", json=body).raise_for_status()
    page = opened(visitor, "/")
    tiles = page.locator("a.tile")
    expect(tiles.filter(has_text="paused")).to_be_visible()
    figures = [(tile.locator("b").inner_text(), tile.get_attribute("href") or "") for tile in tiles.all()]
    assert len(figures) > 6
    for figure, href in figures:
        page.goto(href)
        page.wait_for_selector("#main .skeleton", state="detached")
        count = int(figure.split(" / ")[0].replace(",", ""))
        expect(page.locator("#main tbody tr, #main .note.top")).to_have_count(count)
