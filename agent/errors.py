"""What can stop the agent, each with a sentence that a user can act on.

AgentError
├── Refused          a verb cannot do what was asked
├── Revoked          the control plane no longer knows this endpoint's token
├── ServerAway       the control plane did not answer as it should
│   └── Busy         it asks to wait: ``retry_after`` seconds
├── FetchFailed      the repository could not be read: nothing may be removed
└── SchedulerFailed  the host's scheduler could not be read or written
"""

from __future__ import annotations


class AgentError(Exception):
    """Anything the agent tells instead of a traceback."""


class Refused(AgentError):
    pass


class Revoked(AgentError):
    pass


class ServerAway(AgentError):
    pass


class Busy(ServerAway):
    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class FetchFailed(AgentError):
    pass


class SchedulerFailed(AgentError):
    pass


class Stop(BaseException):
    """SIGTERM arrived at a moment where stopping is safe. Not an error: it passes every handler of errors."""
