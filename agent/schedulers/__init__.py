"""What holds the entries on this host: the user's crontab, or a file in its place."""

from __future__ import annotations

from pathlib import Path

from agent.schedulers.base import Observed, Prepared, Scheduler
from agent.schedulers.crontab import Crontab
from agent.schedulers.crontab_file import CrontabFile
from agent.schedulers.user_crontab import UserCrontab


def scheduler_for(crontab: str | None) -> Scheduler:
    """The file when one was given at enrolment, else the crontab of the user who runs the agent."""
    return Crontab(CrontabFile(Path(crontab)) if crontab else UserCrontab())


__all__ = ["Crontab", "CrontabFile", "Observed", "Prepared", "Scheduler", "UserCrontab", "scheduler_for"]
