"""What monitoring costs a job: run-job beside the bare command, with control planes that answer, stall or are gone."""

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

ROOT = Path(__file__).resolve().parents[1]
JOB = "5b0c7c9e-6c2b-4a55-9b59-0a4b1f1b6f5e"
TIMES = 40
GIGABYTE = 1_000_000_000
NOW = 'exec date +%s.%N # "$@"'


def make_host(folder: Path) -> Path:
    """A state folder as the agent leaves it; the runner in it."""
    for part in ("bin", "jobs", "spool"):
        (folder / part).mkdir()
    runner = folder / "bin" / "run-job"
    rest = (ROOT / "agent" / "runner" / "run_job.py").read_bytes().split(b"\n", 1)[1]
    runner.write_bytes(b"#!%s -IS\n%s" % (os.fsencode(sys.executable), rest))
    runner.chmod(0o755)
    return runner


def write_job(folder: Path, command: str, url: str) -> None:
    job = {"v": 1, "job_id": JOB, "command": command, "schedule": ["* * * * *"], "checkin": {"enabled": True}}
    (folder / "jobs" / f"{JOB}.json").write_text(json.dumps(job))
    (folder / "runner.json").write_text(json.dumps({"v": 1, "url": url, "token": "ep_benchmark"}))


def once(arguments: list[str]) -> tuple[float, float]:
    """(delay until the command spoke, time until all had ended), seconds."""
    before = time.time()
    told = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
    return float(told) - before, time.time() - before


def measure(name: str, arguments: list[str]) -> None:
    delays, totals = zip(*(once(arguments) for _ in range(TIMES)))
    figures = (statistics.median(delays), max(delays), statistics.median(totals))
    print(f"{name:34}" + "".join(f"{figure * 1000:12.1f}" for figure in figures))


def throughput(arguments: list[str]) -> float:
    before = time.monotonic()
    with open(os.devnull, "wb") as null:
        subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=null, check=True)
    return GIGABYTE / (time.monotonic() - before) / 1e6


def far_ends() -> list[tuple[str, str, Callable[[], None]]]:
    """(name, URL, how to end it)"""
    stalled = socket.create_server(("127.0.0.1", 0), backlog=1000)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = closed.getsockname()[1]
    return [
        ("run-job, server is gone", f"http://127.0.0.1:{dead}", lambda: None),
        ("run-job, server stalls", f"http://127.0.0.1:{stalled.getsockname()[1]}", stalled.close),
        ("run-job, name does not resolve", "http://control-plane.invalid", lambda: None),
    ]


def main() -> None:
    print(f"{'milliseconds':34}{'start p50':>12}{'start max':>12}{'whole p50':>12}")
    measure("bare command", ["/bin/sh", "-c", NOW])
    measure("the interpreter alone", [sys.executable, "-IS", "-c", "import time; print(time.time())"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runner = str(make_host(folder))
        for title, url, end in far_ends():
            write_job(folder, NOW, url)
            measure(title, [runner, JOB])
            end()
        command = f"head -c {GIGABYTE} /dev/zero"
        write_job(folder, command, "http://127.0.0.1:9")
        piped = throughput([runner, JOB])
    print(
        f"\n1 GB of output through run-job: {piped:.0f} MB/s (target start delay: at most 25 ms above the bare command)"
    )


if __name__ == "__main__":
    main()
