"""Sends the check-ins that the runner could not send and left in the spool."""

from __future__ import annotations

from agent import spool
from agent.control import connect
from agent.state import Identity, State


def replay_spool(state: State, identity: Identity) -> int:
    """Sends the spooled check-ins, oldest first. Returns how many the server accepted.

    Raises ``ServerAway`` or ``Revoked``; the rest stays in the spool.
    """
    if not spool.waiting(state.spool):
        return 0
    control = connect(identity)
    try:
        return spool.replay(state.spool, control.checkins)
    finally:
        control.close()
