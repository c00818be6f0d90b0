"""Takes the documentation's pictures of the console from the demo tenant, with real runs.

scripts/screenshots.py [--url URL --password-file FILE]

Starts the product with its demo in a temporary folder, waits until jobs of every fate have run, and writes
docs/images/*.png. With --url it takes them of a demo that runs already, and has more to show the longer it does.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from playwright.sync_api import Browser, StorageState, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PATIENCE_S = 900.0
DESK, PHONE = (1320, 860), (390, 844)
# The runs that must exist before the first picture: job, outcome, number.
FATES = (
    ("health-probe", "success", 4),
    ("invoice-export", "failed", 2),
    ("geo-import", "success", 1),
    ("log-digest", "success", 1),
    ("cache-sweep", "success", 4),
)


@dataclass(frozen=True)
class Picture:
    """A page in one theme and size. ``{run}``, ``{output}`` and ``{endpoint}`` in its address are ids of the demo."""

    name: str
    address: str
    theme: str = "dark"
    size: tuple[int, int] = DESK

    @property
    def file(self) -> str:
        return f"{self.name}.png"


PICTURES = (
    Picture("overview", "/"),
    Picture("overview-light", "/", "light"),
    Picture("overview-phone", "/", "dark", PHONE),
    Picture("jobs", "/jobs", "light"),
    Picture("job", "/jobs/production/invoice-export"),
    Picture("edit", "/jobs/production/nightly-backup/edit"),
    Picture("run", "/runs/{run}"),
    Picture("endpoint", "/endpoints/{endpoint}"),
    Picture("repository", "/repository"),
    Picture("settings", "/settings", "light"),
    Picture("operator", "/operator"),
)


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--url", help="a demo that runs already")
    asked.add_argument("--password-file", type=Path, help="its demo/password")
    given = asked.parse_args()
    if given.url and not given.password_file:
        asked.error("--url needs --password-file")
    if given.url:
        _take_all(given.url, given.password_file.read_text().strip())
    else:
        with _demo() as (url, password):
            _take_all(url, password)


@contextmanager
def _demo() -> Iterator[tuple[str, str]]:
    """Runs the product with its demo on a free port. Yields its address and the demo's password."""
    home = Path(tempfile.mkdtemp(prefix="crontopus-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{probe.getsockname()[1]}"
    environment = {**os.environ, "CRONTOPUS_HOME": str(home), "CRONTOPUS_BIND": bind}
    command = [sys.executable, "-m", "crontopus_app.programs.server", "up", "--demo"]
    with (home / "log").open("wb") as log:
        child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        password = home / "demo" / "password"
        _wait(lambda: _ended(child, home / "log") or password.exists(), "the demo's password")
        yield f"http://{bind}", password.read_text().strip()
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=60)
        shutil.rmtree(home, ignore_errors=True)


def _ended(child: subprocess.Popen[bytes], log: Path) -> bool:
    """False while the product runs. Raises with the reason if it has ended."""
    if child.poll() is None:
        return False
    raise SystemExit(f"The product did not start:\n{log.read_text()}")


def _take_all(url: str, password: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    with httpx.Client(base_url=url, timeout=30) as http, sync_playwright() as playwright:
        _wait(lambda: _sign_in(http, password), "the demo tenant")
        _say("waiting until a job of every fate has run; that takes five minutes after the first start")
        _wait(lambda: all(_runs(http, job, status) >= often for job, status, often in FATES), "the demo's runs")
        samples = _samples(http)
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        session = _session(browser, url, password)
        for picture in PICTURES:
            _take(browser, url, session, picture, samples)
        browser.close()


def _sign_in(http: httpx.Client, password: str) -> bool:
    try:
        answer = http.post("/api/auth/login", json={"username": "demo", "password": password})
    except httpx.TransportError:
        return False
    if answer.status_code == 200:
        http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return answer.status_code == 200


def _runs(http: httpx.Client, job: str, status: str) -> int:
    return http.get("/api/runs", params={"job": job, "status": status}).raise_for_status().json()["total"]


def _samples(http: httpx.Client) -> dict[str, str]:
    """Ids for the addresses: a failed run and the demo's host."""
    failed = http.get("/api/runs", params={"job": "invoice-export", "status": "failed"}).json()["runs"][0]
    return {"run": failed["id"], "endpoint": http.get("/api/endpoints").json()["endpoints"][0]["id"]}


def _session(browser: Browser, url: str, password: str) -> StorageState:
    """The cookie of one sign-in for all pictures, because sign-ins are limited."""
    context = browser.new_context(base_url=url)
    signed = context.request.post("/api/auth/session", data={"username": "demo", "password": password})
    assert signed.ok, signed.text()
    return context.storage_state()


def _take(browser: Browser, url: str, session: StorageState, picture: Picture, samples: dict[str, str]) -> None:
    """Takes a picture as soon as the page has its data and is live."""
    width, height = picture.size
    context = browser.new_context(
        base_url=url,
        storage_state=session,
        viewport={"width": width, "height": height},
        color_scheme="light" if picture.theme == "light" else "dark",
        timezone_id="Europe/Berlin",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(picture.address.format(**samples))
    page.wait_for_selector("#main .card")
    page.wait_for_selector("#main .skeleton", state="detached")
    page.wait_for_selector("#live .s-ok", state="attached")
    page.evaluate("document.fonts.ready")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=IMAGES / picture.file, animations="disabled")
    _say(f"docs/images/{picture.file}  {(IMAGES / picture.file).stat().st_size / 1000:.0f} kB")
    context.close()


def _wait(ready: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {PATIENCE_S:.0f} s for {what}")
        time.sleep(0.5)


def _say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    main()
