"""Proves that a crontab line can start the runner: as cron would, with its shell and its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Hashable
from pathlib import Path

from agent.host import user_name

_SECONDS = 30
_HINTS = {
    126: "is its folder on a file system that is mounted noexec? Choose another one with --state",
    127: "the runner or its Python ({python}) is missing: install the agent again",
}


def problem_of(runner: Path) -> str:
    """Why cron cannot start ``runner``, with what to do; empty if it can."""
    try:
        answer = subprocess.run(
            ["/bin/sh", "-c", f"{runner} --selftest"],
            cwd="/",
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return f"cron cannot start {runner}: {problem}"
    if (answer.returncode, answer.stdout) == (0, b"ok\n"):
        return ""
    reason = answer.stderr.decode("utf-8", "replace").strip()[-300:] or "it does not answer"
    hint = _HINTS.get(answer.returncode, "install the agent again").format(python=sys.executable)
    return f"cron cannot start {runner} (exit code {answer.returncode}: {reason}): {hint}"


def _environment() -> dict[str, str]:
    return {
        "HOME": os.path.expanduser("~"),
        "LOGNAME": user_name(os.geteuid()),
        "PATH": "/usr/bin:/bin",
        "SHELL": "/bin/sh",
    }


def facts_of(runner: Path, cache: Path) -> Hashable:
    """What the proof depends on, cheap to get: the runner's files, its Python, and how its folder is mounted."""
    files = [_state(path) for path in (runner, cache, Path(sys.executable))]
    try:
        return (*files, os.statvfs(runner.parent).f_flag)
    except OSError:
        return None


def _state(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode
