"""The crontab lines of a job on a host: those its agent read last, and those it will write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlmodel import Session, col, select

from contract import schedule
from contract.schedule import ScheduleError
from crontopus_app.models import Endpoint, JobIndex
from crontopus_app.monitoring.slots import policy_of

# As long as the agent looks ahead when it makes lines of another zone's schedule.
DAYS = 400
RUNNER = "run-job"
UNSEEN = "what its crontab holds now is known when the host reports it"
WAITING = "its lines are known when the host reports its time zone"


def crontabs(session: Session, hosts: Sequence[Endpoint]) -> dict[str, list[dict[str, str]]]:
    """What the agents of these hosts read last, by endpoint: a query, and only for hosts whose lines are shown."""
    query = select(Endpoint.id, Endpoint.crontab).where(col(Endpoint.id).in_([host.id for host in hosts]))
    return {endpoint_id: list(lines) for endpoint_id, lines in session.exec(query)}


def present(crontab: Sequence[Mapping[str, str]], job_id: str) -> list[str]:
    """The job's lines in the host's crontab, as its agent read it last."""
    mine = [line for line in crontab if line.get("standing") == "managed" and line.get("job_id") == job_id]
    return [line["text"] for line in mine]


def coming(row: JobIndex, host: Endpoint, crontab: Sequence[Mapping[str, str]], now: datetime) -> tuple[list[str], str]:
    """The lines that the host's agent will write for the job, or what stands in the way, in words."""
    if not host.timezone:
        return [], WAITING
    try:
        plain = [schedule.resolve(one, schedule.seed(row.job_id, host.id)) for one in row.schedule]
        zone = row.timezone or host.timezone
        times = schedule.cover(plain, zone, host.timezone, policy_of(host.capabilities), now, DAYS)
    except (ScheduleError, KeyError, ValueError, OSError) as error:
        return [], f"this host cannot run it: {error}"
    off, runner = "#" if row.paused else "", _runner(crontab)
    return [f"{off}{one} {runner} {row.job_id}" for one in times], _warning(row, host)


def _warning(row: JobIndex, host: Endpoint) -> str:
    user = (row.manifest or {}).get("user")
    if user and host.capabilities.get("user") is False:
        return f"its agent is not root: the job is installed only if that agent runs as {user}"
    return ""


def _runner(crontab: Sequence[Mapping[str, str]]) -> str:
    """The runner's path as the host's other lines name it."""
    managed = (line for line in crontab if line.get("standing") == "managed" and line.get("job_id"))
    found = (line["text"].split()[-2:-1] for line in managed if line["text"].split()[-1:] == [line["job_id"]])
    return next((words[0] for words in found if words), RUNNER)


def nobody(row: JobIndex, hosts: Sequence[Endpoint]) -> str:
    """Why no host takes the job."""
    target = (row.manifest or {}).get("agent") or {}
    selector, names = target.get("selector") or {}, target.get("endpoints")
    if not row.enabled:
        return "No host takes this job: it is disabled."
    if not hosts:
        return "No host takes this job yet: none is enrolled."
    if names == [] and not selector:
        return "No host takes this job: its list of endpoints is empty, so it only waits for check-ins."
    told = [f"none is named {_listed(names)}"] if names else []
    told += [
        f"none has {key} = {_listed(_tuple(value))}"
        for key, value in selector.items()
        if _is_missing(key, value, hosts)
    ]
    if selector and not any(_is_missing(key, value, hosts) for key, value in selector.items()):
        told.append("none has all of " + ", ".join(selector))
    there = ", ".join(host.name for host in hosts[:5]) + (" …" if len(hosts) > 5 else "")
    return f"No host takes this job: {'; '.join(told)}. There are {there}."


def unknown(row: JobIndex, hosts: Sequence[Endpoint]) -> list[str]:
    """The endpoints that the job names and that are not there."""
    named = ((row.manifest or {}).get("agent") or {}).get("endpoints") or []
    return sorted(set(named) - {host.name for host in hosts})


def _is_missing(key: str, value: str | list[str], hosts: Sequence[Endpoint]) -> bool:
    """Whether not even one host has this label."""
    wanted = _tuple(value)
    if key == "hostname":
        return not {host.hostname.lower() for host in hosts} & {name.lower() for name in wanted}
    return not any(host.labels.get(key) in wanted for host in hosts)


def _tuple(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _listed(names: Sequence[str]) -> str:
    return " or ".join(names[:3]) + (" …" if len(names) > 3 else "")
