"""The runner on this host: its program, its connection and its job files in the state folder."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

from agent.errors import Refused
from agent.proxy import proxy_for
from agent.runner import launcher
from agent.state import Identity, State, write_atomic

_AWKWARD = re.compile(r"[\s%\\'\"$`#;&|<>()*?\[\]~]")
MANY = 20


def check_runner_path(state: State) -> None:
    """A crontab line names the runner without quotes, so its path must need none."""
    if _AWKWARD.search(str(state.runner)):
        raise Refused(
            f"The state folder {state.folder} cannot stand in a crontab line unquoted: choose another with --state"
        )


def install_runner(state: State, identity: Identity) -> None:
    """Put the runner and its connection where cron will find them. Nothing is written when both are current."""
    source = (resources.files("agent") / "runner" / "run_job.py").read_bytes()
    if not _is_current(state, source):
        cache = launcher.compiled(source, str(state.runner))
        write_atomic(state.runner_cache, cache, 0o600)
        write_atomic(state.runner, launcher.program(source, sys.executable, cache), 0o755)
    connection = {"v": 1, "url": identity.url, "token": identity.token, "proxy": proxy_for(identity.url)}
    _replace(state.folder / "runner.json", json.dumps(connection).encode(), 0o600)


def _is_current(state: State, source: bytes) -> bool:
    """The program is what we would write for the compiled copy that is there (compiling twice may differ in bytes)."""
    try:
        cache, there = state.runner_cache.read_bytes(), state.runner.read_bytes()
    except FileNotFoundError:
        return False
    return there == launcher.program(source, sys.executable, cache) and os.access(state.runner, os.X_OK)


def _replace(path: Any, data: bytes, mode: int) -> None:
    if not path.exists() or path.read_bytes() != data:
        write_atomic(path, data, mode)


def write_jobs(state: State, jobs: Mapping[str, dict[str, Any]]) -> None:
    """Write job files, durable before the crontab names them."""
    many = len(jobs) > MANY
    for job, content in jobs.items():
        write_atomic(state.jobs / f"{job}.json", json.dumps(content).encode(), sync=not many)
    if many:
        os.sync()


def missing_jobs(state: State, jobs: Iterable[str]) -> set[str]:
    """Ids whose file somebody took away."""
    there = {name[:-5] for name in os.listdir(state.jobs) if name.endswith(".json")}
    return set(jobs) - there


def drop_jobs(state: State, keep: set[str]) -> None:
    """Remove the files of jobs that no line names any more, and what an interrupted write left."""
    for name in os.listdir(state.jobs):
        if name.split(".")[0] not in keep:
            (state.jobs / name).unlink(missing_ok=True)
