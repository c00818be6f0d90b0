"""Check-ins over HTTP on SQLite and PostgreSQL, compared with a bare ASGI answer and, if there is one, a peer.

python benchmarks/ingest.py [sqlite] [postgres] [SECONDS]; the default is both, 5 seconds a measurement. Each answer is
durable and carries 200 bytes of output. Load generator, server and database share this machine's cores.

PEER_URL names a running Healthchecks and PEER_IDS a file of its checks' ids, one a line: it is sent pings with bodies
of 200 bytes, in turn with our check-ins.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from _load import Load, Sender, with_cpu, wrk
from _postgres import database_cpu, postgres
from _product import PATIENCE_S, index_jobs, running, web_processes, worked

CONNECTIONS, OFFERED, JOBS = (1, 16, 64), 1000, 1000
SPIKE, SPIKE_CONNECTIONS = 10_000, 1000
# The limit of an endpoint is 6,000 a minute, so the load uses many endpoints.
ENDPOINTS = 200
WARM_S = 2.0
TIMES_THE_PEER, SHARE_OF_BARE, TARGET_P99_MS, TARGET_SPIKE_S = 15, 0.2, 25.0, 4.0


def main() -> None:
    asked = sys.argv[1:]
    seconds = next((int(word) for word in asked if word.isdigit()), 5)
    kinds = [word for word in asked if not word.isdigit()] or ["sqlite", "postgres"]
    print(f"{'':<34}{'good/s':>8}{'p50 ms':>9}{'p99 ms':>9}{'refused':>9}{'web ms':>9}{'database ms':>13}")
    missed = [miss for kind in kinds for miss in _Bench(kind, seconds).run()]
    if missed:
        raise SystemExit("misses its target: " + "; ".join(missed))


@dataclass
class _Bench:
    """All measurements on one kind of database."""

    kind: str
    seconds: int
    best: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def run(self) -> Iterator[str]:
        """Prints a line for each measurement. Yields those that miss their target."""
        with ExitStack() as stack:
            database = stack.enter_context(postgres()) if self.kind == "postgres" else ""
            product = stack.enter_context(running({"CRONTOPUS_DATABASE_URL": database} if database else None))
            lines = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "checkins"
            jobs, tokens = index_jobs(product, JOBS, ENDPOINTS)
            lines.write_text("".join(f"{tokens[n % ENDPOINTS]} {job}\n" for n, job in enumerate(jobs)))
            self.cpu = partial(worked, web_processes(product)), partial(database_cpu, database)
            self.targets = {"ours": (product.url, "checkin", lines)} | stack.enter_context(_others(lines))
            wrk(*self.targets["ours"], connections=16, seconds=WARM_S)
            for connections in CONNECTIONS:
                for name in self.targets:
                    self._flat_out(name, connections)
            yield from self._offered(Sender(product.url, jobs, tokens))
            yield from self._spike()
        yield from self._ratios()

    def _flat_out(self, name: str, connections: int) -> None:
        load = partial(wrk, *self.targets[name], connections=connections, seconds=self.seconds)
        rate = self._measured(f"{name}, {connections} connections", load).rate
        self.best[name] = max(self.best[name], rate)

    def _measured(self, what: str, work: Callable[[], Load]) -> Load:
        load, (web_ms, database_ms) = with_cpu(work, *self.cpu)
        # Only our own CPU is measured.
        cpu = f"{web_ms:>9.2f}{database_ms:>13.2f}" if what.startswith("ours") else ""
        print(
            f"{self.kind}: {what}".ljust(34)
            + f"{load.rate:>8.0f}{load.p50_ms:>9.1f}{load.p99_ms:>9.1f}{load.refused + load.lost:>9}{cpu}",
            flush=True,
        )
        return load

    def _offered(self, sender: Sender) -> Iterator[str]:
        load = self._measured(f"ours, {OFFERED}/s offered", partial(sender.offered, OFFERED, self.seconds))
        if self.kind == "postgres" and load.p99_ms > TARGET_P99_MS:
            yield f"{self.kind}: p99 {load.p99_ms:.0f} ms at {OFFERED} a second, not {TARGET_P99_MS:.0f}"

    def _spike(self) -> Iterator[str]:
        """Sends the check-ins of the first second of an hour on many connections, until all are durable."""
        spike = partial(wrk, *self.targets["ours"], connections=SPIKE_CONNECTIONS, seconds=60, count=SPIKE)
        load = self._measured(f"ours, {SPIKE} at once", spike)
        print(f"{self.kind}: {SPIKE} were durable after {load.seconds:.2f} s")
        if load.seconds > TARGET_SPIKE_S:
            yield f"{self.kind}: {SPIKE} at once took {load.seconds:.1f} s, not {TARGET_SPIKE_S:g}"
        if load.lost:
            yield f"{self.kind}: {load.lost} of a spike were neither answered nor refused"

    def _ratios(self) -> Iterator[str]:
        """Compares our best result with the best of the others."""
        for name, target in (("bare", SHARE_OF_BARE), ("peer", TIMES_THE_PEER)):
            if name in self.best:
                ratio = self.best["ours"] / self.best[name]
                print(f"{self.kind}: {ratio:.2f} x {name}, {target:g} wanted")
                if ratio < target:
                    yield f"{self.kind}: {ratio:.2f} x {name}, not {target:g}"


@contextmanager
def _others(lines: Path) -> Iterator[dict[str, tuple[str, str, Path]]]:
    """The servers to compare with: URL, kind and lines for wrk."""
    with _bare() as url:
        others = {"bare": (url, "checkin", lines)}
        if os.environ.get("PEER_URL"):
            others["peer"] = (os.environ["PEER_URL"], "ping", Path(os.environ["PEER_IDS"]))
        yield others


@contextmanager
def _bare() -> Iterator[str]:
    """The address of ``_bare.py``, served by the same server as the product."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [sys.executable, "-m", "granian", "--interface", "asgi", "--port", str(port), "--log-level", "warning"]
    child = subprocess.Popen([*argv, "_bare:app"], cwd=Path(__file__).parent)
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait(timeout=30)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    main()
