"""What holds the entries on this host: the user's crontab, or a file in its place."""

from __future__ import annotations

from pathlib import Path

from agent.schedulers.base import Scheduler
from agent.schedulers.crontab_file import CrontabFile
from agent.schedulers.user_crontab import UserCrontab


def scheduler_for(crontab: str | None) -> Scheduler:
    """The file when one was given at enrolment, else the crontab of the user who runs the agent."""
    return CrontabFile(Path(crontab)) if crontab else UserCrontab()


__all__ = ["CrontabFile", "Scheduler", "UserCrontab", "scheduler_for"]
