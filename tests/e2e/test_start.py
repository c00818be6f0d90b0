"""From registration to the first run, with the real agent and runner: each step of the Start page completes itself."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from tests.e2e import world
from tests.e2e.conftest import Tenant
from tests.e2e.visitors import PASSWORD, allow
from tests.fixtures.processes import wait_until
from tests.fixtures.served import Served


def test_three_steps_complete_themselves_after_registration(
    opened: Callable[..., Page], served: Served, screenshots: Path, tmp_path: Path
) -> None:
    page, name = opened(), f"new-{os.urandom(4).hex()}"
    register(page, served, name)
    done = page.locator(".steps li.done")
    expect(done).to_have_count(1)
    page.screenshot(path=screenshots / "start-1.png")

    other = page.context.new_page()
    token = make_token(other)
    with httpx.Client(base_url=served.url, timeout=30) as http:
        person = {"username": name, "password": PASSWORD}
        http.headers["Authorization"] = f"Bearer {http.post('/api/auth/login', json=person).json()['access_token']}"
        newcomer = Tenant(name, http, tmp_path, served.url)
        agent = newcomer.enrol("first-host", token)
        expect(other.get_by_text("A host has enrolled.")).to_be_visible(timeout=15_000)
        expect(done).to_have_count(2)
        page.screenshot(path=screenshots / "start-2.png")

        job = {"name": "hello", "namespace": "production", "schedule": "*/5 * * * *", "command": "echo the first"}
        http.post("/api/jobs", json=job).raise_for_status()
        expect(page.get_by_text("Your job is in Git.")).to_be_visible(timeout=15_000)
        wait_until(lambda: http.get("/api/jobs").json()["count"] == 1, "the job in the index")
        world.once(newcomer, agent)
        (line,) = world.lines(newcomer, "first-host")
        assert world.run(line) == 0
        world.arrived(newcomer, agent, 1)
    expect(done).to_have_count(3)
    page.screenshot(path=screenshots / "start-3.png")
    page.get_by_text("Show its output").click()
    expect(page.locator("#output")).to_contain_text("the first")


def register(page: Page, served: Served, name: str) -> None:
    """Registers in the browser, first with an empty form, whose errors come all at once; ends on the Start page."""
    allow(served)
    page.goto("/register")
    page.get_by_role("button", name="Register").click()
    expect(page.locator("[aria-invalid=true]")).to_have_count(3)
    expect(page.get_by_label("User name")).to_be_focused()
    page.get_by_label("User name").fill(name)
    page.get_by_label("E-mail").fill(f"{name}@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Register").click()
    page.wait_for_url(re.compile("/start"), wait_until="commit")


def make_token(page: Page) -> str:
    """Creates an enrolment token in the browser; returns it from the command to copy."""
    page.goto("/enrol")
    page.get_by_role("button", name="Create token").click()
    shown = page.locator(".copyline pre").first
    expect(shown).to_contain_text("CRONTOPUS_ENROLLMENT_TOKEN=")
    expect(page.get_by_text("Waiting for the host")).to_be_visible()
    return (shown.text_content() or "").partition("=")[2].strip()
