"""Installs the runner in the state folder: its program, its connection settings and its job files."""

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

_NEEDS_QUOTES = re.compile(r"[\s%\\'\"$`#;&|<>()*?\[\]~]")
MANY = 20


def check_runner_path(state: State) -> None:
    """Raises ``Refused`` if the runner's path needs quotes, because crontab lines contain it unquoted."""
    if _NEEDS_QUOTES.search(str(state.runner)):
        raise Refused(
            f"The path {state.folder} contains blanks or characters that crontab lines cannot contain. "
            "Choose another state folder with --state."
        )


def install_runner(state: State, identity: Identity) -> None:
    """Writes the runner and its connection settings to the state folder, unless they are current."""
    source = (resources.files("agent") / "runner" / "run_job.py").read_bytes()
    if not _is_current(state, source):
        cache = launcher.compiled(source, str(state.runner))
        write_atomic(state.runner_cache, cache, 0o600)
        write_atomic(state.runner, launcher.program(source, sys.executable, cache), 0o755)
    connection = {"v": 1, "url": identity.url, "token": identity.token, "proxy": proxy_for(identity.url)}
    _replace(state.folder / "runner.json", json.dumps(connection).encode(), 0o600)


def _is_current(state: State, source: bytes) -> bool:
    """Whether the installed runner fits ``source`` and its compiled copy. (Compiling again may give other bytes.)"""
    try:
        cache, installed = state.runner_cache.read_bytes(), state.runner.read_bytes()
    except FileNotFoundError:
        return False
    return installed == launcher.program(source, sys.executable, cache) and os.access(state.runner, os.X_OK)


def _replace(path: Any, data: bytes, mode: int) -> None:
    if not path.exists() or path.read_bytes() != data:
        write_atomic(path, data, mode)


def write_jobs(state: State, jobs: Mapping[str, dict[str, Any]]) -> None:
    """Writes job files. They are on disk when this returns, before a crontab line refers to them."""
    many = len(jobs) > MANY
    for job, content in jobs.items():
        write_atomic(state.jobs / f"{job}.json", json.dumps(content).encode(), sync=not many)
    if many:
        os.sync()


def missing_jobs(state: State, jobs: Iterable[str]) -> set[str]:
    """The ids of ``jobs`` that have no job file."""
    existing = {name[:-5] for name in os.listdir(state.jobs) if name.endswith(".json")}
    return set(jobs) - existing


def drop_jobs(state: State, keep: set[str]) -> None:
    """Removes the files of all other jobs, and the remains of interrupted writes."""
    for name in os.listdir(state.jobs):
        if name.split(".")[0] not in keep:
            (state.jobs / name).unlink(missing_ok=True)
