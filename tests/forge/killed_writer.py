"""A writer killed before its nth change of the repository's files, for every n: run as a program, see ``main``.

An audit hook sees each file that is opened for writing, renamed or removed. The writer is a fork of this program, which
has no threads; it ends as by ``kill -9``: nothing is cleaned up, and what was written so far stays.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from crontopus_app.forge.embedded import forge_app

LOGIN = ("root-of-forge", "p" * 8)
WRITES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.utime", "os.truncate")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def kill_before(count: int, below: str) -> None:
    """Kills this process before its ``count``-th write (from 1) below a folder."""
    left = count

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        writes = event in WRITES or (event == "open" and arguments[2] is not None and arguments[2] & WRITING)
        if not writes or not _is_below(arguments[0], below):
            return
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def _is_below(path: Any, below: str) -> bool:
    return isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(below + os.sep)


def send(home: Path, request: dict[str, Any]) -> tuple[int, str]:
    """One request to the forge in this process; the answer's status and text."""

    async def ask() -> httpx.Response:
        app = forge_app(home, admin_user=LOGIN[0], admin_password=LOGIN[1], url="http://x/forge")
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x", auth=LOGIN) as client:
            return await client.request(
                request["method"],
                request["path"],
                content=bytes.fromhex(request["body"]),
                headers={"Content-Type": request["type"]},
            )

    answer = asyncio.run(ask())
    return answer.status_code, answer.text


def in_a_fork(act: Callable[[], None]) -> int:
    """The signal that ended the fork, 0 when it came to its end."""
    child = os.fork()
    if not child:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise ChildProcessError(f"the writer ended with status {os.WEXITSTATUS(status)}")
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def main(template: Path, work: Path, repository: str, request: dict[str, Any]) -> None:
    """Prints a line of JSON for each n: the signal, and the home in which the writer was killed."""
    for count in range(1, 1000):
        home = work / str(count)
        shutil.copytree(template, home)

        def write(home: Path = home, count: int = count) -> None:
            kill_before(count, str(home / repository))
            status, text = send(home, request)
            assert status < 300, text

        ended = in_a_fork(write)
        print(json.dumps({"home": str(home), "killed": bool(ended)}), flush=True)  # noqa: T201 -- what the test reads
        if not ended:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], json.load(sys.stdin))
