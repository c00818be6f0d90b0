"""Time of the agent's passes over 1,000 jobs, with targets; uses real Git over HTTP and a real file.

Run it with ``python benchmarks/agent_pass.py``.
"""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.control import connect
from agent.enroll import enroll
from agent.host import this_host
from agent.loop import Daemon
from agent.reconcile import Agent
from agent.schedulers import Crontab, CrontabFile
from agent.state import State

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
twins = importlib.import_module("tests.agent.twin")  # the control plane of the tests; no package that is installed


def manifests(count: int) -> dict[str, bytes | str | None]:
    return {
        f"production/job-{number:04d}.yaml": twins.manifest(
            f"job-{number:04d}", schedule=f"{number % 60} {number % 24} * * *"
        )
        for number in range(count)
    }


def measure(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall-clock seconds, and CPU seconds of this thread, without the server's threads."""
    wall, cpu = time.perf_counter(), time.thread_time()
    work()
    return time.perf_counter() - wall, time.thread_time() - cpu


def row(name: str, wall: float, cpu: float | None, target: str) -> None:
    spent = f"{cpu * 1000:8.1f} ms" if cpu is not None else " " * 11
    sys.stdout.write(f"{name:44} {wall * 1000:9.1f} ms {spent}   {target}\n")


@contextmanager
def host(twin: Any, folder: Path) -> Iterator[Agent]:
    state = State(folder / "state")
    enroll(state, twin.url, twins.ENROLLMENT, str(folder / "crontab"), "bench", {}, "bench")
    scheduler = Crontab(CrontabFile(folder / "crontab"), state.runner)
    agent = Agent(state, scheduler, connect(state.identity()), lambda: this_host(scheduler.capabilities()))
    try:
        yield agent
    finally:
        agent.close()


@contextmanager
def served() -> Iterator[Any]:
    with twins.running(twins.Twin()) as twin:
        yield twin


def passes(twin: Any, agent: Agent, count: int) -> None:
    twin.push(manifests(count))
    wall, cpu = measure(agent.once)
    row(f"first sync of {count:,} manifests", wall, cpu, "≤ 3 s")
    for _ in range(3):
        agent.once(always_report=False)
    runs = [measure(lambda: agent.once(always_report=False)) for _ in range(10)]
    wall, cpu = sorted(runs)[5]
    row(f"no-change pass over {count:,}, told by watch", wall, cpu, "≤ 100 ms CPU")
    runs = [measure(lambda: agent.once(fetch=False, always_report=False)) for _ in range(10)]
    wall, cpu = sorted(runs)[5]
    row(f"no-change look at the crontab over {count:,}", wall, cpu, "≤ 100 ms CPU")
    changes = []
    for number in range(5):
        twin.push({"production/job-0007.yaml": twins.manifest("job-0007", schedule=f"{number} 7 * * *")})
        changes.append(measure(agent.once))
    wall, cpu = sorted(changes)[2]
    row(f"one change among {count:,}, fetched and applied", wall, cpu, "≤ 300 ms")


def latency(twin: Any, agent: Agent, pushes: int) -> None:
    watcher = connect(agent.identity)
    daemon = Daemon(agent, watcher)
    thread = threading.Thread(target=daemon.run)
    thread.start()
    times = []
    for number in range(pushes):
        begin = time.perf_counter()
        head = twin.push({"production/job-0009.yaml": twins.manifest("job-0009", schedule=f"{number} 9 * * *")})
        twin.wait_for(lambda head=head: twin.reports and twin.reports[-1]["applied"] == head)
        times.append(time.perf_counter() - begin)
    daemon.end()
    twin.tell(wake=True)
    thread.join()
    daemon.watching.join()
    watcher.close()
    row(f"push to applied and reported, p95 of {pushes}", sorted(times)[int(pushes * 0.95)], None, "≤ 2 s")


def idle(twin: Any, folder: Path, seconds: int) -> None:
    """Memory and CPU of an idle daemon in a separate process."""
    verb = [sys.executable, "-m", "agent.main", "--state", str(folder / "state"), "run"]
    process = subprocess.Popen(verb, cwd=ROOT, stderr=subprocess.DEVNULL)
    told = len(twin.reports)
    twin.wait_for(lambda: len(twin.reports) > told)
    before, begin = cpu_of(process.pid), time.monotonic()
    time.sleep(seconds)
    share = (cpu_of(process.pid) - before) / (time.monotonic() - begin)
    resident = memory_of(process.pid)
    process.terminate()
    process.wait()
    sys.stdout.write(f"{'daemon idle':44} {resident:9.1f} MiB {share * 100:7.2f} %   ≤ 60 MiB, ≤ 0.2 % CPU\n")


def cpu_of(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1000)
    parser.add_argument("--idle", type=int, default=30, help="seconds to watch the idle daemon")
    options = parser.parse_args()
    sys.stdout.write(f"{'agent':44} {'wall':>12} {'CPU':>11}   target\n")
    with tempfile.TemporaryDirectory() as name, served() as twin:
        with host(twin, Path(name)) as agent:
            passes(twin, agent, options.entries)
            latency(twin, agent, 20)
        idle(twin, Path(name), options.idle)


if __name__ == "__main__":
    main()
