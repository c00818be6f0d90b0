"""The agent's errors. The text of each tells the user what is wrong and what to do.

AgentError
├── Refused          the command is not possible
├── Revoked          the server does not accept the endpoint's token any more
├── ServerAway       the server did not answer, or answered with an error
│   └── ServerBusy   the server asks to try again after ``retry_after`` seconds
├── FetchFailed      the repository cannot be read, so nothing may be removed
├── RunnerFailed     cron cannot start the runner, so no line would run
└── SchedulerFailed  the crontab cannot be read or written
    ├── Rejected     crontab(1) does not accept the new crontab
    └── Unproved     the bytes that were read may not be the crontab's, so nothing may be written
"""

from __future__ import annotations


class AgentError(Exception):
    """An error that the agent shows as one sentence, without a traceback."""


class Refused(AgentError):
    pass


class Revoked(AgentError):
    pass


class ServerAway(AgentError):
    pass


class ServerBusy(ServerAway):
    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class FetchFailed(AgentError):
    pass


class RunnerFailed(AgentError):
    pass


class SchedulerFailed(AgentError):
    pass


class Rejected(SchedulerFailed):
    pass


class Unproved(SchedulerFailed):
    pass


class Stop(BaseException):
    """Ends the daemon after SIGTERM, outside of writes. A ``BaseException``, so that no error handler catches it."""
