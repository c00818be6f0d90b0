"""How long after a check-in is answered is the run on every open page? Real Chromium tabs on the Runs page.

python benchmarks/live.py [TABS] [CHECK-INS]; the default is 50 tabs and 20 check-ins, one each half second.
"""

from __future__ import annotations

import shutil
import sys
import time
import uuid
from datetime import UTC, datetime

from _product import Product, percentile, running
from playwright.sync_api import BrowserContext, Page, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
NOTE = """() => { window.seen = {};
const look = () => document.querySelectorAll('a[href^="/runs/"]').forEach(a => { seen[a.pathname] ??= Date.now(); });
new MutationObserver(look).observe(document.body, {childList: true, subtree: true, attributes: true}); look(); }"""


def main() -> None:
    asked = [int(word) for word in sys.argv[1:3]]
    tabs, count = [*asked, *(50, 20)[len(asked) :]]
    with running() as product, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        context, job_id = _signed_in(browser.new_context(), product), _job(product)
        pages = [_tab(context, product.url) for _ in range(tabs)]
        took = [delay for _ in range(count) for delay in _one(product, pages, job_id)]
        browser.close()
    print(f"check-in answered → on the page, {tabs} tabs, {count} check-ins")
    print(f"p50 {percentile(took, 0.5):6.0f} ms\np99 {percentile(took, 0.99):6.0f} ms\nmax {max(took):6.0f} ms")


def _signed_in(context: BrowserContext, product: Product) -> BrowserContext:
    form = {"username": product.tenant, "password": "a benchmark's password"}
    context.set_default_timeout(60_000)
    assert context.request.post(f"{product.url}/api/auth/session", data=form).ok
    return context


def _tab(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(f"{url}/runs")
    page.wait_for_selector("#main .card")
    page.evaluate(NOTE)
    return page


def _job(product: Product) -> str:
    form = {"name": "live", "namespace": "production", "schedule": "0 2 * * *", "command": "true"}
    return product.http.post("/api/jobs", json=form).raise_for_status().json()["job"]["id"]


def _one(product: Product, pages: list[Page], job_id: str) -> list[float]:
    run_id, now = str(uuid.uuid4()), datetime.now(UTC).isoformat()
    body = {"id": str(uuid.uuid4()), "job_id": job_id, "run_id": run_id, "kind": "start", "at": now}
    bearer = {"Authorization": f"Bearer {product.endpoint_token}"}
    product.http.post("/api/checkins", json=body, headers=bearer).raise_for_status()
    answered = time.time() * 1000
    seen = []
    for page in pages:
        page.wait_for_function(f"window.seen['/runs/{run_id}']")
        seen.append(page.evaluate(f"window.seen['/runs/{run_id}']") - answered)
    time.sleep(0.5)
    return seen


if __name__ == "__main__":
    main()
