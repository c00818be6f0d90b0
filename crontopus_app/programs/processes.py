"""Functions of child processes: detect the supervisor, and end with the parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def supervised() -> bool:
    """Whether ``crontopus-server up`` started this process."""
    return "SUPERVISOR_ENABLED" in os.environ


def die_with_parent(sign: signal.Signals = signal.SIGTERM) -> None:
    """Makes Linux send ``sign`` to this process when its parent ends, even after ``kill -9``. Survives exec.

    Has no effect on other systems. See prctl(2), PR_SET_PDEATHSIG.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, sign)
