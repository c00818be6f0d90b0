"""The facts that belong to every answer to why a job did not run. Pure."""

from __future__ import annotations

from contract.wire import Evidence
from crontopus_app.monitoring.installed import InstalledLine
from crontopus_app.monitoring.why_facts import Facts


def commit_of(facts: Facts, line: InstalledLine) -> str:
    """The commit of the line, known for the one that is installed now."""
    return f" (commit {facts.commit[:10]})" if facts.commit and line.until is None else ""


def context(facts: Facts) -> list[Evidence]:
    """Facts that belong to every answer."""
    has_slot = facts.run is None or facts.run.started_at != facts.at
    found = [Evidence(facts.at, "the slot", "schedule")] if has_slot else []
    line, host = facts.line, facts.host
    if line is not None:
        schedule = f"{'; '.join(line.schedule)} in {line.zone}"
        found.append(Evidence(line.since, f"line installed: {schedule}{commit_of(facts, line)}", "agent"))
        found += [Evidence(line.until, "line replaced or removed", "agent")] if line.until else []
    if facts.run is not None and facts.run.status == "missed":
        found.append(Evidence(facts.run.received_at, "recorded as missed", "evaluator"))
    if host is not None:
        found += [Evidence(host.last_seen_at, f"last contact with {host.name}", "agent")] if host.last_seen_at else []
        found += [Evidence(host.silent_from, f"{host.name} went silent", "agent")] if host.silent_from else []
        back = f"{host.name} was back" + (" after a restart" if host.restarted else "")
        found += [Evidence(host.silent_until, back, "agent")] if host.silent_until else []
    beside = "of the job started; it ran at that time"
    return found + [Evidence(run.started_at, f"run {run.run_id} {beside}", "runner") for run in facts.beside]
