"""Tenants of the running product, with its programs and browsers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.visitors import NARROW, PASSWORD, WIDE, Visitor, allow, is_error, make, sign_in
from tests.fixtures.processes import wait_until
from tests.fixtures.served import Served

PROGRAMS = Path(sys.executable).parent
# Generous for busy machines: tests of latency set their own limit.
expect.set_options(timeout=30_000)


@dataclass(frozen=True)
class Tenant:
    """A registered tenant whose repository is ready, its API client, and a folder of its own."""

    name: str
    http: httpx.Client
    folder: Path
    url: str

    def program(self, *words: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs one of our programs with the tenant's profile."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CRONTOPUS_")}
        environment = {**clean, "CRONTOPUS_PROFILE": str(self.folder / "profile.json"), **variables}
        command = [str(PROGRAMS / words[0]), *words[1:]]
        return subprocess.run(
            command, env=environment, input=stdin, capture_output=True, text=True, timeout=120, check=False
        )

    def enrol(self, host: str, token: str = "") -> list[str]:
        """Enrols an agent over a crontab file; returns the start of its command lines."""
        token = token or self.http.post("/api/enrollment-tokens", json={"name": host}).json()["token"]
        state, crontab = self.folder / f"state-{host}", self.folder / f"crontab-{host}"
        crontab.write_bytes(b"# mine\n0 1 * * * echo  mine\n")
        agent = ["crontopus-agent", "--state", str(state)]
        enrolled = self.program(
            *agent,
            "--crontab",
            str(crontab),
            "enroll",
            "--url",
            self.url,
            "--name",
            host,
            "--machine-id",
            f"machine-{host}",
            CRONTOPUS_ENROLLMENT_TOKEN=token,
        )
        assert enrolled.returncode == 0, enrolled.stderr
        return agent


@contextmanager
def tenant(served: Served, folder: Path, name: str) -> Iterator[Tenant]:
    """Registers ``name`` and waits for the repository."""
    allow(served)
    with httpx.Client(base_url=served.url, timeout=30) as http:
        form = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        http.post("/api/auth/register", json=form).raise_for_status()
        token = http.post("/api/auth/login", json={"username": name, "password": PASSWORD}).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        wait_until(lambda: http.get("/api/auth/me").json()["provisioning"] == "ready", "the repository", 60)
        yield Tenant(name, http, folder, served.url)


@pytest.fixture
def pia(served: Served, tmp_path: Path) -> Iterator[Tenant]:
    with tenant(served, tmp_path, f"pia-{os.urandom(4).hex()}") as made:
        yield made


@pytest.fixture(scope="module")
def visitor(served: Served) -> Iterator[Visitor]:
    made = make(served)
    yield made
    made.http.close()


@pytest.fixture(scope="module")
def stranger(served: Served) -> Iterator[Visitor]:
    made = make(served)
    yield made
    made.http.close()


@pytest.fixture
def opened(browser: Browser, served: Served) -> Iterator[Callable[..., Page]]:
    """Opens pages. An error in a browser's console fails the test, unless the page is ``troubled``."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_page(
        visitor: Visitor | None = None,
        path: str = "/",
        *,
        narrow: bool = False,
        theme: str = "dark",
        troubled: bool = False,
    ) -> Page:
        context = browser.new_context(
            base_url=served.url,
            viewport=NARROW if narrow else WIDE,  # pyright: ignore[reportArgumentType] -- a ViewportSize
            color_scheme="light" if theme == "light" else "dark",
        )
        contexts.append(context)
        page = context.new_page()
        if not troubled:
            page.on("console", lambda message: errors.append(message.text) if is_error(message) else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        if visitor:
            allow(served)
            sign_in(page, visitor.name, path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
