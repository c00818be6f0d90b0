"""The spool, replayed by the daemon: check-ins that could not be sent when they happened, in order, true times."""

from __future__ import annotations

from agent import spool
from agent.control import connect
from agent.state import Identity, State


def replay_spool(state: State, identity: Identity) -> int:
    """Send what waits, oldest first; how many the server took. Raises ServerAway or Revoked: the rest waits."""
    if not spool.waiting(state.spool):
        return 0
    control = connect(identity)
    try:
        return spool.replay(state.spool, control.checkins)
    finally:
        control.close()
