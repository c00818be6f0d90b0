"""Speed of the console for a tenant with 1,000 jobs, 20 endpoints and 100,000 runs, on SQLite as with ``up``.

python benchmarks/console.py [--server]

Three tables: what the server needs to answer each page (its state's ``load``: who asks, all queries, the rows, and the
delta as text), what a browser with an empty cache sees of it (first paint, first data, the script that is ours: all
that this page loads but Reflex's own), and how much script there is in all.
With ``--server`` only the first. Ends with 1 where a page misses its target.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from _product import Product, percentile, running

JOBS, HOSTS, RUNS = 1000, 20, 100_000
MONITORED = ("tenant_id", "job_id", "source_id", "endpoint_id", "job_name", "namespace")
TURNS = 12
SERVER_MS, PAINT_MS, SCRIPT_KB = 300, 1000, 350
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FILTERED = ("/jobs?q=job-5", "/jobs?state=failing", "/runs?status=failed", "/runs?since=day")
# The scripts of an empty Reflex application. All others come from our pages.
FRAMEWORK = (
    "entry.client",
    "context",
    "components",
    "errorBoundaries",
    "emotion-react",
    "manifest",
    "reflex-env",
    "root",
)
THEIRS = tuple(f"{name}-" for name in FRAMEWORK)
SCRIPTS = """performance.getEntriesByType('resource').filter(e => /\\.js(\\?|$)/.test(e.name))
  .map(e => [e.name.split('/').pop(), e.decodedBodySize])"""
# The time at which the page has replaced its skeleton, by the page's clock.
FIRST_DATA = """window.firstData = new Promise(done => {
  const there = () => document.querySelector('#main') && !document.querySelector('#main .skeleton');
  const look = () => there() && (watch.disconnect(), done(performance.now()));
  const watch = new MutationObserver(look);
  watch.observe(document, {childList: true, subtree: true}); })"""
MANIFEST = """\
apiVersion: v1
kind: Job
metadata:
  id: {id}
  name: {name}
spec:
  schedule: "{minute} * * * *"
  command: /opt/scripts/{name} --all
"""


def main() -> None:
    with running() as product:
        # Runs the states in this process, with the product's database, Redis and forge.
        os.environ["CRONTOPUS_HOME"] = str(product.home)
        os.environ["CRONTOPUS_BIND"] = product.url.removeprefix("http://")
        addresses = _furnish(product)
        slow = asyncio.run(_server(product, addresses))
        if "--server" not in sys.argv:
            slow += _browser(product, addresses)
            _scripts()
    sys.exit(f"misses its target: {', '.join(slow)}" if slow else 0)


def _furnish(product: Product) -> dict[str, str]:
    """Creates jobs with a commit, hosts and runs in the database. Returns the address of each route."""
    from crontopus_app.ui.pages import PAGES

    began = time.monotonic()
    jobs, hosts = _commit_jobs(product), _add_hosts(product)
    run_id = _add_runs(product.tenant, jobs, hosts)
    samples = {"ns": "production", "job_name": "job-7", "run_id": run_id, "endpoint_id": hosts[0]}
    found = {page.route: re.sub(r"\[(\w+)\]", lambda part: samples[part[1]], page.route) for page in PAGES}
    print(f"{JOBS} jobs, {HOSTS} endpoints, {RUNS} runs on SQLite, made in {time.monotonic() - began:.0f} s\n")
    return found


def _commit_jobs(product: Product) -> list[str]:
    """Commits all manifests and indexes them as after a push. Returns the jobs' ids by number."""
    from crontopus_app.base import clock
    from crontopus_app.forge.configured import forge
    from crontopus_app.forge.http import Author, FileOperation
    from crontopus_app.jobs.index import reindex

    org, repository = product.http.get("/api/auth/me").json()["repository"].split("/")
    ids = [str(uuid.uuid4()) for _ in range(JOBS)]
    files = [
        FileOperation(
            "create", f"production/job-{n}.yaml", MANIFEST.format(id=job_id, name=f"job-{n}", minute=n % 60).encode()
        )
        for n, job_id in enumerate(ids)
    ]
    forge().commit_files(org, repository, "main", files, "Add all jobs", Author("bench", "bench@example.org"))
    reindex(product.tenant, forge(), clock.now())
    return ids


def _add_hosts(product: Product) -> list[str]:
    """Creates endpoints with a crontab of 100 lines each. Returns their ids."""
    from crontopus_app.base.db import writing
    from crontopus_app.base.security import new_token, token_hmac
    from crontopus_app.models import Endpoint

    crontab = [{"text": f"{n % 60} * * * * /usr/bin/thing-{n}", "standing": "foreign"} for n in range(100)]
    hosts = [
        Endpoint(
            tenant_id=product.tenant,
            machine_id=f"machine-{n}",
            name=f"host-{n:02}",
            hostname=f"host-{n:02}.example.org",
            timezone="Europe/Berlin",
            token_hmac=token_hmac(new_token("ep")),
            created_at=datetime.now(UTC),
            last_seen_at=datetime.now(UTC),
            crontab=crontab,
        )
        for n in range(HOSTS)
    ]
    with writing() as session:
        session.add_all(hosts)
        return [host.id for host in hosts]


def _add_runs(tenant: str, jobs: list[str], hosts: list[str]) -> str:
    """Creates runs: each job twice an hour for two days, one in 50 failed. Returns the id of a run."""
    from crontopus_app.base.db import writing
    from crontopus_app.models import Monitor, Run, RunOutput

    rows = list(_runs(tenant, jobs, hosts))
    with writing() as session:
        for at in range(0, RUNS, 5000):
            session.execute(Run.__table__.insert(), rows[at : at + 5000])  # pyright: ignore[reportAttributeAccessIssue]
        for row in rows[-JOBS:]:
            known = {name: row[name] for name in MONITORED}
            state = "ok" if row["status"] == "success" else "failing"
            session.add(
                Monitor(
                    **known,
                    state=state,
                    health=state,
                    last_run_id=row["id"],
                    last_run_status=row["status"],
                    last_run_at=row["sort_at"],
                    updated_at=row["received_at"],
                )
            )
        lines = "".join(f"\x1b[32mok\x1b[0m line {n} of what it printed\n" for n in range(1200))
        session.add(RunOutput(run_id=rows[-1]["id"], head=lines[:16_000], tail=lines[-48_000:], lost_bytes=90_000))
    return rows[-1]["id"]


def _runs(tenant: str, jobs: list[str], hosts: list[str]) -> Iterator[dict[str, Any]]:
    """Rows of ``run``, oldest first, the last run of each job at the end."""
    each = RUNS // JOBS
    for turn in range(each):
        for n, job_id in enumerate(jobs):
            at = datetime.now(UTC) - timedelta(minutes=29 * (each - turn) - n % 29, seconds=n % 60)
            failed = (turn + n) % 50 == 0
            yield {
                "id": str(uuid.uuid4()),
                "tenant_id": tenant,
                "job_id": job_id,
                "job_name": f"job-{n}",
                "namespace": "production",
                "source_id": hosts[n % HOSTS],
                "endpoint_id": hosts[n % HOSTS],
                "endpoint_name": f"host-{n % HOSTS:02}",
                "status": "failed" if failed else "success",
                "flags": [],
                "slot": at,
                "started_at": at,
                "finished_at": at,
                "received_at": at,
                "sort_at": at,
                "duration_s": 1.0 + n % 40,
                "exit_code": int(failed),
                "attempt": 1,
                "commit": "4f1c2ab" + "0" * 33,
                "error": "",
            }


async def _server(product: Product, addresses: dict[str, str]) -> list[str]:
    """Prints the server's time for each page. Returns the pages that miss their target."""
    from crontopus_app.programs.asgi import freeze_startup_objects
    from crontopus_app.ui.pages import PAGES

    freeze_startup_objects()
    cookie = await asyncio.to_thread(_session, product)
    slow = []
    print(f"{'server, ' + str(TURNS) + ' times':<48}{'p50 ms':>8}{'p95 ms':>8}{'delta kB':>10}")
    loads = {addresses[page.route]: _load(page.on_load) for page in PAGES if page.on_load is not None}
    job = addresses["/jobs/[ns]/[job_name]"]
    for address in (*loads, *FILTERED, f"{job}?tab=history", f"{job}?tab=definition"):
        took, size = await _answer(address, loads[address.split("?")[0]], cookie)
        print(f"{_short(address):<48}{percentile(took, 0.5):>8.0f}{percentile(took, 0.95):>8.0f}{size / 1000:>10.1f}")
        slow += [_short(address)] if percentile(took, 0.5) > SERVER_MS else []
    return slow


def _load(handlers: Any) -> Any:
    """The event handler that loads the page. Later events only refresh it."""
    return handlers[0] if isinstance(handlers, list) else handlers


def _session(product: Product) -> str:
    """The Cookie header of an operator's session, who may open all pages."""
    from crontopus_app.base.db import writing
    from crontopus_app.people import auth

    with writing() as session:
        auth.grant_operator(session, product.tenant)
    product.http.post("/api/auth/session", data=_person(product)).raise_for_status()
    return f"crontopus_session={product.http.cookies['crontopus_session']}"


def _person(product: Product) -> dict[str, str]:
    return {"username": product.tenant, "password": "a benchmark's password"}


async def _answer(address: str, load: Any, cookie: str) -> tuple[list[float], int]:
    """Milliseconds of each turn, and the size of the answer in bytes."""
    from tests.ui.states import page_at, run

    took, size = [], 0
    for _ in range(TURNS):
        page = page_at(address, load.state, cookie)
        began = time.perf_counter()
        told = await run(page, load.fn.__name__)
        assert (told, page.problem) == (None, ""), f"{address}: {told or page.problem}"
        size = len(json.dumps(_delta(page), default=str))
        took.append((time.perf_counter() - began) * 1000)
    return took, size


def _delta(page: Any) -> Any:
    """The changes as the server sends them to the browser."""
    while page.parent_state is not None:
        page = page.parent_state
    return page.get_delta()


def _short(address: str) -> str:
    return re.sub(r"[0-9a-f]{8}-[-0-9a-f]{27}", "…", address)


def _browser(product: Product, addresses: dict[str, str]) -> list[str]:
    """Prints the times of first paint and of first data of each page, with an empty cache."""
    from playwright.sync_api import sync_playwright

    slow = []
    print(f"\n{'browser, empty cache, median of 3':<48}{'paint ms':>9}{'data ms':>9}{'our kB':>9}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        # One sign-in for all visits: sign-ins are limited.
        signed = browser.new_context(base_url=product.url)
        assert signed.request.post("/api/auth/session", data=_person(product)).ok
        session = signed.storage_state()
        for address in addresses.values():
            seen = sorted(_visit(browser, product.url, session, address) for _ in range(3))
            paint, data, script = seen[1]
            print(f"{_short(address):<48}{paint:>9.0f}{data:>9.0f}{script / 1000:>9.0f}")
            slow += [f"first paint of {_short(address)}"] if paint > PAINT_MS else []
            slow += [f"script of {_short(address)}"] if script / 1000 > SCRIPT_KB else []
        browser.close()
    return slow


def _visit(browser: Any, url: str, session: Any, address: str) -> tuple[float, float, int]:
    """First paint and first data in ms after the start of the navigation; bytes of our scripts."""
    context = browser.new_context(base_url=url, storage_state=session, viewport={"width": 1320, "height": 800})
    context.add_init_script(FIRST_DATA)
    page = context.new_page()
    page.goto(address)
    data = page.evaluate("window.firstData")
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    script = sum(size for name, size in page.evaluate(SCRIPTS) if not name.startswith(THEIRS))
    context.close()
    return paint, data, script


def _scripts() -> None:
    """Prints the size of all scripts of the built console. A page loads a part of them."""
    client = Path(__file__).resolve().parents[1] / ".web" / "build" / "client"
    found = [*(client / "assets").glob("*.js"), *(client / "js").glob("*.js")]
    theirs = [path for path in found if path.name.startswith(THEIRS)]
    ours = [path for path in found if path not in theirs]
    print(f"\n{'script':<48}{'files':>6}{'kB':>8}{'gzip kB':>9}")
    for name, paths in (
        ("Reflex: " + ", ".join(FRAMEWORK[:3]) + ", …", theirs),
        ("ours: every page and assets/js/*.js", ours),
    ):
        print(f"{name:<48}{len(paths):>6}{_kb(paths):>8.0f}{_kb(paths, gzip.compress):>9.0f}")


def _kb(paths: list[Path], packed: Any = bytes) -> float:
    return sum(len(packed(path.read_bytes())) for path in paths) / 1000


if __name__ == "__main__":
    main()
