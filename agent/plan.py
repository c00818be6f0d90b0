"""Compares the desired entries with the installed ones and plans the steps. Pure."""

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
    """One step for the entry of one job, and its reason."""

    kind: str
    entry: Entry
    reason: str = ""


@dataclass(frozen=True)
class PassPlan:
    actions: tuple[Action, ...]

    def of(self, kind: str) -> list[Action]:
        return [action for action in self.actions if action.kind == kind]

    @property
    def changes(self) -> bool:
        return any(action.kind in (CREATE, UPDATE, DELETE) for action in self.actions)


def make_plan(
    desired: Mapping[str, Entry], before: Mapping[str, Entry], in_block: Mapping[str, list[bytes]]
) -> PassPlan:
    """Compares, by job id, the desired entries with those of the last pass and with the lines in the block.

    ``desired`` and ``before`` map paths to entries. A broken manifest is desired with its last valid lines, so it is
    never a deletion.
    """
    installed = {entry.job_id: entry for entry in before.values() if entry.lines}
    actions = [_action(entry, installed, in_block) for entry in desired.values() if entry.standing != "elsewhere"]
    remaining = {entry.job_id for entry in desired.values() if entry.lines}
    deletions = [
        Action(DELETE, installed[job], _deletion_reason(job, desired)) for job in installed if job not in remaining
    ]
    return PassPlan(
        tuple(sorted(actions + deletions, key=lambda action: (action.entry.title, action.entry.job_id, action.kind)))
    )


def _action(entry: Entry, installed: Mapping[str, Entry], in_block: Mapping[str, list[bytes]]) -> Action:
    if not entry.lines:
        return Action(BLOCKED, entry, entry.problem)
    lines = [line.encode() for line in entry.lines if _is_entry(line)]
    current_lines = in_block.get(entry.job_id, [])
    last = installed.get(entry.job_id)
    if last is None or (lines and not current_lines):
        return Action(CREATE, entry, entry.problem)
    if current_lines != lines or (last.commit, last.line_hash) != (entry.commit, entry.line_hash):
        return Action(UPDATE, entry, entry.problem)
    return Action(KEEP, entry, entry.problem)


def written(entries: Mapping[str, Entry]) -> dict[str, list[bytes]]:
    """The crontab lines of ``entries`` by job id, as the agent wrote them."""
    return {
        entry.job_id: [line.encode() for line in entry.lines if _is_entry(line)]
        for entry in entries.values()
        if entry.lines
    }


def _is_entry(line: str) -> bool:
    return "/bin/run-job " in line


def _deletion_reason(job: str, desired: Mapping[str, Entry]) -> str:
    for entry in desired.values():
        if entry.job_id == job:
            return entry.problem or "its selector no longer matches this host"
    return "its manifest was removed"


def brake(plan: PassPlan, managed: int, max_share: float) -> str:
    """Why a user must confirm the plan's deletions first; empty if they may be applied."""
    deletions = len(plan.of(DELETE))
    if not deletions:
        return ""
    if deletions < managed and (managed < SMALLEST_SHARED or deletions <= managed * max_share):
        return ""
    return (
        f"this would remove {deletions} of {managed} managed jobs from this host: confirm it in the console, "
        f"or push a commit with the trailer 'Crontopus-Prune: yes'"
    )


def confirms_prune(messages: Iterable[str]) -> bool:
    """Whether one of the commit messages has the trailer ``Crontopus-Prune: yes``."""
    return any(line.strip().lower() == PRUNE_TRAILER for message in messages for line in message.splitlines())


def body(desired: Iterable[Entry], migrated: Mapping[str, str]) -> list[bytes]:
    """The lines of the block in a stable order. Migrated lines without a manifest come last, unchanged."""
    entries = sorted((entry for entry in desired if entry.lines), key=lambda entry: (entry.title, entry.job_id))
    lines = [line.encode() for entry in entries for line in entry.lines]
    ids = {entry.job_id for entry in entries}
    for job in sorted(set(migrated) - ids):
        lines.append(b"# from the first Crontopus; no manifest has this id\n")
        lines.append(migrated[job].encode("utf-8", "surrogateescape"))
    return lines


def show_diff(before: bytes, after: bytes, name: str) -> str:
    """A unified diff of two crontabs."""
    old = before.decode("utf-8", "backslashreplace").splitlines(keepends=True)
    new = after.decode("utf-8", "backslashreplace").splitlines(keepends=True)
    return "".join(
        line if line.endswith("\n") else f"{line}\n"
        for line in difflib.unified_diff(old, new, name, f"{name} (planned)")
    )
