"""One tenant's long work beside another's edits and check-ins.

python benchmarks/neighbours.py [sqlite] [postgres] [SECONDS]; the default is sqlite, and 12 seconds a measurement.
While the busy tenant works, the quiet one edits a job, one edit after the other, and sends check-ins at an even rate.
Clients, server and database share this machine's cores.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from _load import Sender
from _postgres import postgres
from _product import Product, percentile, running, wait

SECONDS, CHECKINS = 12, 50
FILES, JOBS, HOSTS, COMMITS = 3000, 300, 30, 3000
PAUSE_S, PATIENCE_S = 0.2, 300
TARGET_EDIT_P95_S, TARGET_CHECKIN_RATIO = 1.0, 2.0
# Below this a p99 is the machine's noise, and so is its ratio.
NOISE_MS = 25.0
MANIFEST = (
    "apiVersion: v1\nkind: Job\nmetadata:\n  name: {0}\nspec:\n  schedule: '{1} 2 * * *'\n  command: /opt/{0}.sh\n"
)


@dataclass(frozen=True)
class Busy:
    """The tenant whose work takes long, with what it clones and pushes with."""

    http: httpx.Client
    clone: str
    folder: Path

    def git(self, *words: str, data: bytes | None = None) -> str:
        """What Git prints. Its errors go to the terminal."""
        argv = ["git", "-C", str(self.folder), *words]
        return subprocess.run(argv, check=True, stdout=subprocess.PIPE, input=data).stdout.decode().strip()

    def push(self, commits: list[dict[str, str]]) -> None:
        """Pushes files by path, a commit for each of ``commits``, on what is there."""
        self.git("fetch", "-q", self.clone, "main")
        parent, parts = self.git("rev-parse", "FETCH_HEAD"), list[str]()
        for number, files in enumerate(commits):
            parts.append(f"commit refs/heads/work\ncommitter busy <busy@example.org> {1_700_000_000 + number} +0000\n")
            parts.append(f"data 4\nwork\n{'' if number else f'from {parent}'}\n".rstrip("\n") + "\n")
            parts += [f"M 100644 inline {path}\ndata {len(text)}\n{text}\n" for path, text in files.items()]
        self.git("fast-import", "--quiet", "--force", data="".join(parts).encode())
        self.git("push", "-q", self.clone, "work:main")

    def facts(self) -> dict[str, Any]:
        return self.http.get("/api/repository").raise_for_status().json()


def main() -> None:
    asked = sys.argv[1:]
    seconds = next((int(word) for word in asked if word.isdigit()), SECONDS)
    kinds = [word for word in asked if not word.isdigit()] or ["sqlite"]
    print(f"{'':<44}{'edits':>6}{'p50 s':>8}{'p95 s':>8}{'max s':>8}{'check-in p99 ms':>17}{'ratio':>7}")
    missed = [miss for kind in kinds for miss in _bench(kind, seconds)]
    if missed:
        raise SystemExit("misses its target: " + "; ".join(missed))


def _bench(kind: str, seconds: int) -> Iterator[str]:
    """Prints a line for each kind of work; yields what misses its target."""
    with ExitStack() as stack:
        database = stack.enter_context(postgres()) if kind == "postgres" else ""
        product = stack.enter_context(running({"CRONTOPUS_DATABASE_URL": database} if database else None))
        busy = _busy(product, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        quiet = Quiet(product, seconds)
        list(quiet.measured(f"{kind}: nobody else", lambda: None))
        for what, work in _works(product, busy, seconds):
            yield from quiet.measured(f"{kind}: {what}", work)


def _works(product: Product, busy: Busy, seconds: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """The long work, each begun when the one before has ended."""
    yield f"{FILES} manifests pushed", partial(busy.push, [_files(FILES)])
    _settle(busy)
    yield f"{COMMITS} commits pushed", partial(busy.push, [_files(1, number) for number in range(COMMITS)])
    _settle(busy)
    yield "every file and commit read again", partial(busy.http.post, "/api/repository/reindex")
    _settle(busy)
    _enrol(busy)
    yield f"{JOBS} jobs paused on {HOSTS} hosts", partial(busy.push, [_files(JOBS, spec="  paused: true\n")])
    _settle(busy)
    head = product.home / "forge" / "repositories" / busy.facts()["name"]
    branch = head.with_suffix(".git") / "refs" / "heads" / "main"
    branch.parent.mkdir(parents=True, exist_ok=True)  # Git removes it when it packs the branches
    branch.write_text("f" * 40 + "\n")
    yield "edits of a frozen repository", partial(_edit, busy, seconds)


def _files(count: int, minute: int = 0, spec: str = "") -> dict[str, str]:
    names = ((number, f"job-{number}") for number in range(count))
    return {f"production/{name}.yaml": MANIFEST.format(name, (minute + number) % 60) + spec for number, name in names}


def _busy(product: Product, folder: Path) -> Busy:
    http = httpx.Client(base_url=product.url, timeout=60)
    person = {"username": "busy", "password": "another benchmark's password"}
    http.post("/api/auth/register", json={**person, "email": "busy@example.org"}).raise_for_status()
    token = http.post("/api/auth/login", json=person).raise_for_status().json()["access_token"]
    http.headers["Authorization"] = f"Bearer {token}"
    wait(lambda: http.get("/api/auth/me").json()["provisioning"] == "ready", "the repository")
    form = {"name": "bench", "access": "write"}
    made = http.post("/api/repository/credentials", json=form).raise_for_status().json()
    name = http.get("/api/repository").raise_for_status().json()["name"]
    clone = product.url.replace("://", f"://{made['username']}:{made['token']}@") + f"/forge/{name}.git"
    busy = Busy(http, clone, folder)
    busy.git("init", "-q", "-b", "main")
    _settle(busy)
    return busy


def _enrol(busy: Busy) -> None:
    token = busy.http.post("/api/enrollment-tokens", json={"name": "bench"}).raise_for_status().json()["token"]
    for number in range(HOSTS):
        machine = {"machine_id": f"busy-{number}", "hostname": f"busy-{number}"}
        enrolled = busy.http.post("/api/endpoints/enroll", json=machine, headers={"Authorization": f"Bearer {token}"})
        enrolled.raise_for_status()


def _edit(busy: Busy, seconds: float) -> None:
    """Edits from four at once, each waited for as the API does."""

    def some(person: int) -> None:
        end, number = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            number += 1
            form = {"name": f"frozen-{person}-{number}", "namespace": "production"}
            busy.http.post("/api/jobs", json=form | {"schedule": "0 2 * * *", "command": "x"})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(some, range(4)))


def _settle(busy: Busy) -> None:
    """Until the index shows the head and every file's commit is known."""

    def settled() -> bool:
        facts = busy.facts()
        return facts["current"] and facts["described"] == facts["files"] and facts["folders"] != []

    wait(settled, "the busy tenant's index", PATIENCE_S)


class Quiet:
    """The tenant that wants its edits committed and its check-ins answered."""

    def __init__(self, product: Product, seconds: float) -> None:
        self._http, self._seconds = product.http, seconds
        form = {"name": "quiet", "namespace": "production", "schedule": "0 3 * * *", "command": "/opt/quiet.sh"}
        made = self._http.post("/api/jobs", json=form).raise_for_status().json()
        self._sender = Sender(product.url, [made["job"]["id"]], [product.endpoint_token])
        self._calm_ms = 0.0
        self._edits = 0

    def measured(self, what: str, work: Callable[[], object]) -> Iterator[str]:
        """Edits and check-ins while somebody else works; what misses its target."""
        with ThreadPoolExecutor(2) as pool:
            sending = pool.submit(self._sender.offered, CHECKINS, self._seconds)
            working = pool.submit(work)
            took = self._edit()
            p99_ms = sending.result().p99_ms
            working.result()
        self._calm_ms = self._calm_ms or p99_ms
        ratio = max(p99_ms, NOISE_MS) / max(self._calm_ms, NOISE_MS)
        p95 = percentile(took, 0.95)
        print(
            f"{what:<44}{len(took):>6}{percentile(took, 0.5):>8.2f}{p95:>8.2f}{max(took):>8.2f}"
            f"{p99_ms:>17.1f}{ratio:>7.1f}",
            flush=True,
        )
        if p95 > TARGET_EDIT_P95_S:
            yield f"{what}: p95 of an edit {p95:.1f} s, not {TARGET_EDIT_P95_S:g}"
        if ratio > TARGET_CHECKIN_RATIO:
            yield f"{what}: p99 of check-ins {ratio:.1f} x, not {TARGET_CHECKIN_RATIO:g}"

    def _edit(self) -> list[float]:
        """Seconds from each edit to the answer that it is committed, one edit after the other."""
        end, took = time.monotonic() + self._seconds, []
        while time.monotonic() < end:
            self._edits += 1
            begun = time.monotonic()
            form = {"schedule": f"{self._edits % 60} 4 * * *"}
            answer = self._http.put("/api/jobs/production/quiet", json=form).raise_for_status()
            took.append(time.monotonic() - begun)
            if answer.status_code == 202:
                print(f"an edit was not committed within {took[-1]:.1f} s", flush=True)
            time.sleep(PAUSE_S)
        return took


if __name__ == "__main__":
    main()
