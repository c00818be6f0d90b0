"""Overhead of run-job compared with the bare command, with a control plane that answers, stalls or is gone."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from agent.install import install_runner
from agent.state import Identity, State

JOB = "5b0c7c9e-6c2b-4a55-9b59-0a4b1f1b6f5e"
TIMES = 40
GIGABYTE = 1_000_000_000
NOW = 'exec date +%s.%N # "$@"'
TARGET_MS = 25
STALLED = "run-job, server stalls"


def make_host(folder: Path) -> Path:
    """Creates a state folder like the agent's. Returns its runner."""
    state = State(folder)
    state.create()
    install_runner(state, Identity("http://127.0.0.1:9", "e", "ep_benchmark", "t", "n", "m", "", "main", "", ""))
    return state.runner


def write_job(folder: Path, command: str, url: str) -> None:
    job = {"v": 1, "job_id": JOB, "command": command, "schedule": ["* * * * *"], "checkin": {"enabled": True}}
    (folder / "jobs" / f"{JOB}.json").write_text(json.dumps(job))
    (folder / "runner.json").write_text(json.dumps({"v": 1, "url": url, "token": "ep_benchmark"}))


def once(arguments: list[str]) -> tuple[float, float]:
    """(delay until the command's first output, time until all processes ended), in seconds."""
    for slot in (Path(arguments[0]).parent.parent / "jobs").glob("*.slot"):  # as in another minute
        slot.unlink()
    before = time.time()
    told = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
    return float(told) - before, time.time() - before


def measure(name: str, arguments: list[str]) -> tuple[float, float]:
    """Prints the results. Returns (best, median) of the start delay."""
    delays, totals = zip(*(once(arguments) for _ in range(TIMES)))
    figures = (min(delays), statistics.median(delays), max(delays), statistics.median(totals))
    print(f"{name:34}" + "".join(f"{figure * 1000:12.1f}" for figure in figures))
    return figures[0], figures[1]


def throughput(arguments: list[str]) -> float:
    before = time.monotonic()
    with open(os.devnull, "wb") as null:
        subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=null, check=True)
    return GIGABYTE / (time.monotonic() - before) / 1e6


def far_ends() -> list[tuple[str, str, Callable[[], None]]]:
    """(name, URL, function that stops it) of each control plane."""
    stalled = socket.create_server(("127.0.0.1", 0), backlog=1000)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = closed.getsockname()[1]
    return [
        ("run-job, server is gone", f"http://127.0.0.1:{dead}", lambda: None),
        (STALLED, f"http://127.0.0.1:{stalled.getsockname()[1]}", stalled.close),
        ("run-job, name does not resolve", "http://control-plane.invalid", lambda: None),
    ]


def main() -> None:
    print(f"{'milliseconds':34}{'start best':>12}{'start p50':>12}{'start max':>12}{'whole p50':>12}")
    bare = measure("bare /bin/sh", ["/bin/sh", "-c", NOW])
    measure("the interpreter alone", [sys.executable, "-IS", "-c", "import time; print(time.time())"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runner, taken = str(make_host(folder)), {}
        for title, url, end in far_ends():
            write_job(folder, NOW, url)
            taken[title] = measure(title, [runner, JOB])
            end()
        command = f"head -c {GIGABYTE} /dev/zero"
        write_job(folder, command, "http://127.0.0.1:9")
        piped = throughput([runner, "--manual", JOB])  # its slot has had its run
    best, median = ((late - early) * 1000 for late, early in zip(taken[STALLED], bare))
    print(f"\nstart delay with a stalled server, less a bare /bin/sh: best {best:.1f} ms, median {median:.1f} ms")
    print(f"(target: at most {TARGET_MS} ms)\n1 GB of output through run-job: {piped:.0f} MB/s")


if __name__ == "__main__":
    main()
