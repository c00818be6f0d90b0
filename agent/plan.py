"""What a pass would do, from what is wanted and what is there. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.state import Entry

CREATE, UPDATE, DELETE, KEEP, BLOCKED = "create", "update", "delete", "keep", "blocked"
PRUNE_TRAILER = "crontopus-prune: yes"
SMALLEST_SHARED = 5


@dataclass(frozen=True)
class Action:
    """One step: what happens to the entry of one job, and why."""

    kind: str
    entry: Entry
    reason: str = ""


@dataclass(frozen=True)
class Plan:
    actions: tuple[Action, ...]

    def of(self, kind: str) -> list[Action]:
        return [action for action in self.actions if action.kind == kind]

    @property
    def changes(self) -> bool:
        return any(action.kind in (CREATE, UPDATE, DELETE) for action in self.actions)


def make_plan(wanted: Mapping[str, Entry], before: Mapping[str, Entry], found: Mapping[str, list[bytes]]) -> Plan:
    """Compare by job id what is wanted with what was installed and what really stands in the block.

    A broken manifest is wanted with its last good lines, so it is never a deletion.
    """
    had = {entry.job_id: entry for entry in before.values() if entry.lines}
    actions = [_action(entry, had, found) for entry in wanted.values() if entry.standing != "elsewhere"]
    stays = {entry.job_id for entry in wanted.values() if entry.lines}
    gone = [Action(DELETE, had[job], _gone_reason(job, wanted)) for job in had if job not in stays]
    return Plan(
        tuple(sorted(actions + gone, key=lambda action: (action.entry.title, action.entry.job_id, action.kind)))
    )


def _action(entry: Entry, had: Mapping[str, Entry], found: Mapping[str, list[bytes]]) -> Action:
    if not entry.lines:
        return Action(BLOCKED, entry, entry.problem)
    lines = [line.encode() for line in entry.lines if _is_entry(line)]
    there = found.get(entry.job_id, [])
    last = had.get(entry.job_id)
    if last is None or (lines and not there):
        return Action(CREATE, entry, entry.problem)
    if there != lines or (last.commit, last.line_hash) != (entry.commit, entry.line_hash):
        return Action(UPDATE, entry, entry.problem)
    return Action(KEEP, entry, entry.problem)


def _is_entry(line: str) -> bool:
    return "/bin/run-job " in line


def _gone_reason(job: str, wanted: Mapping[str, Entry]) -> str:
    for entry in wanted.values():
        if entry.job_id == job:
            return entry.problem or "its selector no longer means this host"
    return "its manifest was removed"


def brake(plan: Plan, managed: int, max_share: float) -> str:
    """The reason why this many deletions must be confirmed first, or nothing."""
    gone = len(plan.of(DELETE))
    if not gone:
        return ""
    if gone < managed and (managed < SMALLEST_SHARED or gone <= managed * max_share):
        return ""
    return (
        f"this would delete {gone} of {managed} managed entries: confirm it in the console, "
        f"or push a commit with the trailer 'Crontopus-Prune: yes'"
    )


def confirms_prune(messages: Iterable[str]) -> bool:
    """A commit message carries the trailer."""
    return any(line.strip().lower() == PRUNE_TRAILER for message in messages for line in message.splitlines())


def body(wanted: Iterable[Entry], migrated: Mapping[str, str]) -> list[bytes]:
    """The lines of the block, in a stable order; migrated lines that no manifest took over come last, untouched."""
    entries = sorted((entry for entry in wanted if entry.lines), key=lambda entry: (entry.title, entry.job_id))
    lines = [line.encode() for entry in entries for line in entry.lines]
    ids = {entry.job_id for entry in entries}
    for job in sorted(set(migrated) - ids):
        lines.append(b"# from the first Crontopus; no manifest has this id\n")
        lines.append(migrated[job].encode("utf-8", "surrogateescape"))
    return lines


def show_diff(before: bytes, after: bytes, name: str) -> str:
    """A unified diff for people."""
    old = before.decode("utf-8", "backslashreplace").splitlines(keepends=True)
    new = after.decode("utf-8", "backslashreplace").splitlines(keepends=True)
    return "".join(
        line if line.endswith("\n") else f"{line}\n"
        for line in difflib.unified_diff(old, new, name, f"{name} (planned)")
    )
