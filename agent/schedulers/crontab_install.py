"""Runs crontab(1) to install a crontab, unless the crontab has changed meanwhile.

crontab(1) has no lock: what another program installs between our last look and our installation is lost. So crontab(1)
gets the whole new crontab through a pipe that stays open; it waits for the end of the pipe, ready to install. Only then
the agent looks for the last time. If the agent dies, the pipe ends, and crontab(1) installs the whole new crontab.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path

from agent.errors import SchedulerFailed
from agent.schedulers.base import CHANGED_MEANWHILE

_SECONDS = 20.0
_ELF = b"\x7fELF"


def is_compiled(program: str) -> bool:
    """Whether the program is a compiled one: these replace the file in one step, at the end. A script may not."""
    try:
        with Path(program).open("rb") as file:
            return file.read(4) == _ELF
    except OSError:
        return False


def install(
    program: str, data: bytes, environment: Mapping[str, str], unchanged: Callable[[], bool]
) -> subprocess.CompletedProcess[bytes] | None:
    """The result of ``crontab -`` with ``data``; None if a pipe cannot hold that much.

    ``unchanged`` is called when crontab(1) is ready. If it returns False, crontab(1) is ended before it installs
    anything, and this raises ``SchedulerFailed``.
    """
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb", 0) as reader, os.fdopen(write_end, "wb", 0) as writer:
        if not _fill(writer, data):
            return None
        with subprocess.Popen(
            [program, "-"], stdin=reader, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        ) as child:
            return _finish(child, reader, writer, unchanged)


def _fill(writer: FileIO, data: bytes) -> bool:
    """Writes all of ``data`` into the pipe, which nobody reads yet. Returns False if it does not fit."""
    with suppress(OSError):
        fcntl.fcntl(writer, getattr(fcntl, "F_SETPIPE_SZ", 1031), max(len(data), 65536))
    os.set_blocking(writer.fileno(), False)
    return not data or writer.write(data) == len(data)


def _finish(
    child: subprocess.Popen[bytes], reader: FileIO, writer: FileIO, unchanged: Callable[[], bool]
) -> subprocess.CompletedProcess[bytes]:
    try:
        _wait_until_read(child, reader)
        if not unchanged():
            raise SchedulerFailed(CHANGED_MEANWHILE)
        writer.close()
        out, err = child.communicate(timeout=_SECONDS)
    except BaseException:
        _end(child)
        raise
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)


def _wait_until_read(child: subprocess.Popen[bytes], reader: FileIO) -> None:
    """Waits until crontab(1) has read all, or has ended. It is no error if this takes too long."""
    deadline = time.monotonic() + _SECONDS / 10
    while child.poll() is None and time.monotonic() < deadline:
        (left,) = struct.unpack("i", fcntl.ioctl(reader, termios.FIONREAD, b"\0" * 4))
        if not left:
            return
        time.sleep(0.0005)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ends crontab(1) before it installs: by INT, at which it removes its temporary file, else by KILL."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with suppress(OSError):
            child.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=2)
            return
