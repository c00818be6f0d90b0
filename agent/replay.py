"""The spool, replayed by the daemon: check-ins that could not be sent when they happened, in order."""

from __future__ import annotations

from agent.state import Identity, State


def replay_spool(state: State, identity: Identity) -> int:
    """Send what waits; how many check-ins the server took."""
    return 0
