"""When to believe that the server has revoked this endpoint, and when to ask it again.

One rejected request may be a mistake, such as a proxy that leads to another installation. Two of them some minutes
apart are believed. Also then the crontab stays as it is, and the server is asked again once an hour.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Callable

from agent.errors import Refused
from agent.state import State


class Rejection:
    """The rejections of this endpoint's token. Times are in seconds of a clock that never jumps."""

    def __init__(self, state: State, confirm_s: float, ask_again_s: float, jitter: Callable[[], float]) -> None:
        self._state, self._jitter = state, jitter
        self._confirm_s, self._ask_again_s = confirm_s, ask_again_s
        self._first: float | None = None
        self.believed = state.identity().revoked
        self.ask_at = 0.0

    def note(self, why: str, now: float) -> bool:
        """Notes one rejection. True if it is the one that makes the revocation believed; this is saved."""
        if self._first is None:
            self._first = now
        confirmed = not self.believed and now - self._first >= self._confirm_s
        if confirmed:
            self.believed = message(why)
            self._save()
        elif not self.believed:
            self.ask_at = self._first + self._confirm_s
            return False
        self.postpone(now)
        return confirmed

    def postpone(self, now: float) -> None:
        """Sets the time of the next request: after an hour, or some minutes before the revocation is believed."""
        seconds = self._ask_again_s if self.believed else self._confirm_s
        self.ask_at = now + seconds * (0.75 + 0.5 * self._jitter())

    def clear(self) -> None:
        """The server accepts the token again."""
        self._first, self.believed = None, ""
        self._save()

    def _save(self) -> None:
        save_revocation(self._state, self.believed)


def message(why: str) -> str:
    """What the user is told about a revoked endpoint."""
    return (
        f"The server has revoked this endpoint ({why}). Its crontab lines stay. "
        "Run 'crontopus-agent enroll' to enrol it again, or 'crontopus-agent leave' to remove the lines."
    )


def save_revocation(state: State, text: str) -> None:
    """Saves the message in the identity, where ``status`` shows it. A full disk does not matter."""
    with suppress(OSError, Refused), state.lock():
        identity = state.identity()
        if identity.revoked != text:
            state.save_identity(replace(identity, revoked=text))
