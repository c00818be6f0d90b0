"""Crontab lines of a job on a host: the current ones, and those that its agent will write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from contract import schedule
from contract.schedule import ScheduleError
from crontopus_app.models import Endpoint, JobIndex
from crontopus_app.monitoring.slots import policy_of

# The same number of days that the agent looks ahead for schedules of another zone.
DAYS = 400
RUNNER = "run-job"
UNSEEN = "its current lines are unknown until the host reports its crontab"
WAITING = "its lines are unknown until the host reports its time zone"


def crontabs(session: Session, hosts: Sequence[Endpoint]) -> dict[str, list[dict[str, str]]]:
    """The crontabs at the agents' last report, by endpoint. Only for hosts whose lines are shown, as they are large."""
    query = select(Endpoint.id, Endpoint.crontab).where(col(Endpoint.id).in_([host.id for host in hosts]))
    return {endpoint_id: list(lines) for endpoint_id, lines in session.exec(query)}


def current_lines(crontab: Sequence[Mapping[str, str]], job_id: str) -> list[str]:
    """The job's lines in the host's crontab at its agent's last report."""
    of_job = [line for line in crontab if line.get("standing") == "managed" and line.get("job_id") == job_id]
    return [line["text"] for line in of_job]


def future_lines(
    row: JobIndex, host: Endpoint, crontab: Sequence[Mapping[str, str]], now: datetime
) -> tuple[list[str], str]:
    """The lines that the host's agent will write for the job, and a note or obstacle in words."""
    if not host.timezone:
        return [], WAITING
    try:
        plain = [schedule.resolve(expression, schedule.seed(row.job_id, host.id)) for expression in row.schedule]
        zone = row.timezone or host.timezone
        times = schedule.cover(plain, zone, host.timezone, policy_of(host.capabilities), now, DAYS)
    except (ScheduleError, KeyError, ValueError, OSError) as error:
        return [], f"this host cannot run it: {error}"
    prefix, runner = "#" if row.paused else "", _runner(crontab)
    return [f"{prefix}{line} {runner} {row.job_id}" for line in times], _warning(row, host)


def _warning(row: JobIndex, host: Endpoint) -> str:
    user = (row.manifest or {}).get("user")
    if user and host.capabilities.get("user") is False:
        return f"its agent does not run as root: it installs the job only if it runs as {user}"
    return ""


def _runner(crontab: Sequence[Mapping[str, str]]) -> str:
    """The path of the runner in the host's other lines."""
    managed = (line for line in crontab if line.get("standing") == "managed" and line.get("job_id"))
    candidates = (line["text"].split()[-2:-1] for line in managed if line["text"].split()[-1:] == [line["job_id"]])
    return next((words[0] for words in candidates if words), RUNNER)


def no_host_reason(row: JobIndex, hosts: Sequence[Endpoint]) -> str:
    """Why the job runs on no host."""
    target = (row.manifest or {}).get("agent") or {}
    selector, names = target.get("selector") or {}, target.get("endpoints")
    if not row.enabled:
        return "Runs on no host: the job is disabled."
    if not hosts:
        return "Runs on no host yet: no host is enrolled."
    if names == [] and not selector:
        return "Runs on no host: its list of endpoints is empty. It can still receive check-ins."
    reasons = [f"no host is called {_listed(names)}"] if names else []
    reasons += [
        f"no host has the label {key}={_listed(_tuple(value))}"
        for key, value in selector.items()
        if _is_missing(key, value, hosts)
    ]
    if selector and not any(_is_missing(key, value, hosts) for key, value in selector.items()):
        reasons.append("no host has all of the labels " + ", ".join(selector))
    existing = ", ".join(host.name for host in hosts[:5]) + (" …" if len(hosts) > 5 else "")
    return f"Runs on no host: {'; '.join(reasons)}. Hosts: {existing}."


def unknown_names(row: JobIndex, hosts: Sequence[Endpoint]) -> list[str]:
    """Endpoint names in the manifest that do not exist."""
    named = ((row.manifest or {}).get("agent") or {}).get("endpoints") or []
    return sorted(set(named) - {host.name for host in hosts})


def _is_missing(key: str, value: str | list[str], hosts: Sequence[Endpoint]) -> bool:
    """Whether no host has this label."""
    values = _tuple(value)
    if key == "hostname":
        return not {host.hostname.lower() for host in hosts} & {name.lower() for name in values}
    return not any(host.labels.get(key) in values for host in hosts)


def _tuple(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _listed(names: Sequence[str]) -> str:
    return " or ".join(f'"{name}"' for name in names[:3]) + (" …" if len(names) > 3 else "")
