"""The schedulers of this host: the user's crontab, or a crontab file."""

from __future__ import annotations

from pathlib import Path

from agent.schedulers.base import Observed, Prepared, Scheduler
from agent.schedulers.crontab import Crontab
from agent.schedulers.crontab_file import CrontabFile
from agent.schedulers.user_crontab import UserCrontab


def scheduler_for(crontab: str | None, runner: Path) -> Scheduler:
    """The crontab file at ``crontab``, or the crontab of the agent's user if that is None."""
    return Crontab(CrontabFile(Path(crontab)) if crontab else UserCrontab(), runner)


__all__ = ["Crontab", "CrontabFile", "Observed", "Prepared", "Scheduler", "UserCrontab", "scheduler_for"]
