"""One job's page in a real browser: what one does to the job there, and taking it back."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.visitors import Visitor
from tests.fixtures.processes import wait_until


@pytest.fixture
def job(visitor: Visitor) -> str:
    """A job of the visitor's own, in the index and on its host; gives its name."""
    name = f"job-{os.urandom(3).hex()}"
    body = {"name": name, "namespace": "production", "schedule": "0 2 * * *", "command": "echo hello"}
    visitor.http.post("/api/jobs", json=body).raise_for_status()
    wait_until(lambda: told(visitor, name).status_code == 200, "the job in the index", 30)
    return name


def told(visitor: Visitor, name: str) -> httpx.Response:
    return visitor.http.get(f"/api/jobs/production/{name}")


def test_pausing_and_deleting_are_said_and_can_be_undone(
    opened: Callable[..., Page], visitor: Visitor, job: str
) -> None:
    page = opened(visitor, f"/jobs/production/{job}")
    toasts = page.locator("#toasts")

    page.get_by_role("button", name="Pause").click()
    expect(toasts).to_contain_text(re.compile(rf"Paused production/{job}, commit [0-9a-f]{{7}}\."))
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    toasts.get_by_role("button", name="Undo").click()
    expect(toasts).to_contain_text(f"Resumed production/{job}")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()

    opener = page.get_by_role("button", name="Delete this job")
    opener.click()
    dialog = page.locator("dialog#delete")
    expect(dialog).to_contain_text("Removes 1 line on host-of-eve")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()
    opener.click()
    dialog.get_by_role("button", name="Delete").click()
    page.wait_for_url(re.compile(r"/jobs$"), wait_until="commit")
    expect(page.get_by_role("link", name=job)).to_have_count(0)
    expect(toasts).to_contain_text(f"Deleted production/{job}")
    toasts.get_by_role("button", name="Undo").click()
    expect(toasts).to_contain_text(f"Brought back production/{job}")
    assert told(visitor, job).status_code == 200
    expect(page.get_by_role("link", name=job, exact=True)).to_be_visible()
