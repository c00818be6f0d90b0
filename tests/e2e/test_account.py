"""The user's own account: in the browser, on the command line, and its deletion as agents see it."""

from __future__ import annotations

import os
import re
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Tenant
from tests.e2e.visitors import PASSWORD, Visitor, allow, check_in, make
from tests.fixtures.processes import wait_until
from tests.fixtures.served import SERVER, Served

NEW = "another horse battery"


@pytest.fixture(scope="module", autouse=True)
def _operators(served: Served) -> None:
    """Registers a first user: that one becomes operator, and the only operator cannot delete the account."""
    allow(served)
    name = f"ops-{os.urandom(4).hex()}"
    form = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    httpx.post(f"{served.url}/api/auth/register", json=form, timeout=30).raise_for_status()
    grant = [*SERVER, "admin", "grant", name]
    subprocess.run(grant, env=served.environment, check=True, capture_output=True, timeout=60)


@pytest.fixture
def leaver(served: Served) -> Iterator[Visitor]:
    """A visitor for one test, which deletes the account."""
    made = make(served)
    yield made
    made.http.close()


def test_the_account_from_a_new_password_to_its_end(
    opened: Callable[..., Page], leaver: Visitor, served: Served, screenshots: Path, tmp_path: Path
) -> None:
    check_in(leaver)
    page, other = opened(leaver, "/settings"), opened(leaver, "/jobs")
    sessions = page.locator("tr", has_text="Chrome on Linux")
    page.set_viewport_size({"width": 390, "height": 800})
    page.reload()
    expect(sessions).to_have_count(2)
    expect(page.locator(".rail a.on")).to_be_in_viewport()
    page.set_viewport_size({"width": 1320, "height": 800})

    # A zone applies to the page at once, and the tooltips name it.
    page.get_by_label("Time zone").fill("Pacific/Auckland")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#toasts")).to_contain_text("Pacific/Auckland")
    expect(page.locator("time").first).to_have_attribute("data-tip", re.compile("Pacific/Auckland.* here", re.DOTALL))
    page.get_by_label("dark", exact=True).check()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"

    # Another password: the other browser says by itself that it is over.
    expect(other.get_by_role("link", name="greet", exact=True)).to_be_visible()
    page.get_by_label("Old password").fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill(NEW)
    page.get_by_label("Repeat new password").fill(NEW)
    page.get_by_role("button", name="Change password").click()
    # First what goes by itself.
    expect(page.locator("#toasts")).to_contain_text("2 other sessions ended")
    expect(other.locator("#problem")).to_contain_text("Your session has ended")
    expect(other.get_by_role("link", name="greet", exact=True)).to_have_count(0)
    expect(sessions).to_have_count(1)
    page.screenshot(path=screenshots / "settings.png", full_page=True)
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url(re.compile(r"/login/?\?next=%2Fjobs$"), wait_until="commit")

    # One more session, ended from the list.
    allow(served)
    person = {"username": leaver.name, "password": NEW}
    made = httpx.post(f"{served.url}/api/auth/login", json=person, timeout=30)
    elsewhere = {"Authorization": f"Bearer {made.json()['access_token']}"}
    page.reload()
    page.get_by_role("button", name="Sign out a Python script").click()
    page.locator("dialog#end-session").get_by_role("button", name="Sign out").click()
    expect(page.locator("td", has_text="a Python script")).to_have_count(0)
    assert httpx.get(f"{served.url}/api/auth/me", headers=elsewhere, timeout=30).status_code == 401

    # The export first, then the end.
    page.get_by_role("button", name="Delete account").click()
    dialog = page.locator("dialog#leave")
    expect(dialog).to_contain_text("Nothing is removed from your hosts (host-of-eve)")
    with page.expect_download() as download:
        dialog.get_by_role("link", name="Download everything first").click()
    download.value.save_as(tmp_path / "export.zip")
    with zipfile.ZipFile(tmp_path / "export.zip") as made_zip:
        assert {"README.txt", "repository.bundle", "manifests/production/greet.yaml"} <= set(made_zip.namelist())
    page.screenshot(path=screenshots / "leave.png")
    dialog.get_by_label("I have downloaded what I want to keep").check()
    dialog.get_by_label("Type your user name").fill("somebody else")
    dialog.get_by_label("Password").fill(NEW)
    dialog.get_by_role("button", name="Delete permanently").click()
    expect(dialog.get_by_role("alert")).to_contain_text("type your user name")
    dialog.get_by_label("I have downloaded what I want to keep").check()
    dialog.get_by_label("Type your user name").fill(leaver.name)
    dialog.get_by_label("Password").fill(NEW)
    dialog.get_by_role("button", name="Delete permanently").click()
    expect(page.locator("#farewell")).to_contain_text("Crontab lines remain on host-of-eve")
    expect(page.locator("#farewell")).to_contain_text("crontopus-agent leave")
    wait_until(lambda: "crontopus_session" not in str(page.context.cookies()), "the cookie to be taken back")
    page.goto("/jobs")
    page.wait_for_url(re.compile("/login"), wait_until="commit")


def test_a_deleted_account_leaves_its_hosts_alone(pia: Tenant, tmp_path: Path) -> None:
    agent, crontab = pia.enrol("web-1"), pia.folder / "crontab-web-1"
    job = {"name": "greet", "namespace": "production", "schedule": "*/5 * * * *", "command": "echo hello"}
    pia.http.post("/api/jobs", json=job).raise_for_status()
    wait_until(lambda: pia.http.get("/api/jobs").json()["count"] == 1, "the job in the index")
    assert pia.program(*agent, "once").returncode == 0
    before = crontab.read_bytes()
    assert b"run-job" in before

    login = pia.program("crontopus", "auth", "login", "--url", pia.url, "--username", pia.name, stdin=f"{PASSWORD}\n")
    assert login.returncode == 0, login.stderr
    saved = pia.program("crontopus", "export", str(tmp_path / "all.zip"))
    assert saved.returncode == 0, saved.stderr
    with zipfile.ZipFile(tmp_path / "all.zip") as made:
        made.extract("repository.bundle", tmp_path)
    clone = ["git", "clone", "-q", str(tmp_path / "repository.bundle"), str(tmp_path / "jobs")]
    subprocess.run(clone, check=True, capture_output=True)
    assert (tmp_path / "jobs/production/greet.yaml").exists()

    form = {"username": pia.name, "password": PASSWORD}
    pia.http.post("/api/auth/delete", json=form).raise_for_status()
    for _ in range(2):
        refused = pia.program(*agent, "once")
        assert refused.returncode == 77, refused.stderr
        assert "lines stay" in refused.stderr
        assert crontab.read_bytes() == before
    left = pia.program(*agent, "leave")
    assert left.returncode == 0, left.stderr
    assert crontab.read_bytes() == b"# mine\n0 1 * * * echo  mine\n"


def test_password_and_sessions_from_the_command_line(pia: Tenant) -> None:
    login = ["crontopus", "auth", "login", "--url", pia.url, "--username", pia.name]
    assert pia.program(*login, stdin=f"{PASSWORD}\n").returncode == 0
    listed = pia.program("crontopus", "auth", "sessions")
    assert listed.stdout.count("this session") == 1
    assert "crontopus command line on Linux" in listed.stdout
    other = next(line.split()[0] for line in listed.stdout.splitlines() if "a Python script" in line)
    assert pia.program("crontopus", "auth", "sessions", "revoke", other).stdout == "Session ended.\n"
    assert pia.http.get("/api/auth/me").status_code == 401
    assert pia.program("crontopus", "auth", "sessions", "revoke", other).returncode == 1
    assert pia.program("crontopus", "auth", "sessions", "revoke").returncode == 2
    assert "Sessions ended: 0." in pia.program("crontopus", "auth", "sessions", "revoke", "--others").stdout
    wrong = pia.program("crontopus", "auth", "password", stdin=f"wrong-pass\n{NEW}\n{NEW}\n")
    assert (wrong.returncode, "password is wrong" in wrong.stderr) == (1, True)
    changed = pia.program("crontopus", "auth", "password", stdin=f"{PASSWORD}\n{NEW}\n{NEW}\n")
    assert changed.returncode == 0, changed.stderr
    assert pia.program(*login, stdin=f"{PASSWORD}\n").returncode == 3
    assert pia.program("crontopus", "auth", "whoami").returncode == 0
