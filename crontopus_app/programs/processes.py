"""What a child of ours does so that it cannot outlive its parent."""

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
    """Asks Linux to send ``sign`` when the parent dies, even by ``kill -9``; kept over exec, nothing elsewhere.

    See prctl(2), PR_SET_PDEATHSIG.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, sign)
