"""The desired state of this host, from Git: each manifest is decoded once per blob and rendered once per context.

A file with errors keeps its last valid entry. Two files with the same id are both broken.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Callable

from agent.policy import HostPolicy
from agent.render import Blocked, Context, render
from agent.state import Entry
from contract.jobs_in_tree import IdentityClaim, clashes, is_manifest
from contract.manifest import Manifest, decode, job_id

POLICY = "crontopus.yaml"
RENDERING = 2

Decode = Callable[[bytes, str], Any]


@dataclass
class Desired:
    """Entries by path, and the job files by job id, which must exist before a crontab line refers to them."""

    entries: dict[str, Entry] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)


def fingerprint(context: Context, policy_blob: str) -> str:
    """A hash of everything besides the manifests that affects rendering."""
    host = context.host
    facts = [
        RENDERING,
        context.endpoint_id,
        context.name,
        sorted(context.labels.items()),
        [host.hostname, host.zone, host.policy, host.root, host.user],
        str(context.runner),
        policy_blob,
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def reusable(entry: Entry, blob: str, now: float, missing: set[str]) -> bool:
    """Whether the saved entry is still right for this blob."""
    fresh = entry.refresh_at is None or now < entry.refresh_at
    return entry.blob == blob and fresh and not entry.twin and entry.job_id not in missing


def build(
    files: Mapping[str, str],
    before: Mapping[str, Entry],
    keep: bool,
    missing: set[str],
    read: Callable[[list[str]], dict[str, bytes]],
    decoder: Decode,
    context: Context,
    commit: str,
) -> Desired:
    """The entries of the manifests at ``commit``. ``keep``: decode only the new blobs and reuse the other entries."""
    desired = Desired()
    now = context.now.timestamp()
    todo: dict[str, str] = {}
    for path, blob in files.items():
        entry = before.get(path)
        if keep and entry is not None and reusable(entry, blob, now, missing):
            desired.entries[path] = entry
        elif is_manifest(path):
            todo[path] = blob
    blobs = read(sorted(set(todo.values()))) if todo else {}
    for path, blob in todo.items():
        decoded = decoder(blobs[blob], path)
        _add(desired, path, blob, decoded, before.get(path), context, commit)
    _refuse_twins(desired, before, context.tenant)
    return desired


def _add(
    desired: Desired, path: str, blob: str, decoded: Any, before: Entry | None, context: Context, commit: str
) -> None:
    if decoded.manifest is None:
        desired.entries[path] = broken(path, blob, "; ".join(map(str, decoded.errors)), before, context.tenant)
        return
    manifest = decoded.manifest
    same = before is not None and before.blob == blob and before.commit
    entry, job = entry_of(manifest, path, blob, context, before.commit if before and same else commit)
    desired.entries[path] = entry
    if job:
        desired.jobs[entry.job_id] = job


def entry_of(
    manifest: Manifest, path: str, blob: str, context: Context, commit: str
) -> tuple[Entry, dict[str, Any] | None]:
    """The entry of a valid manifest on this host, and its job file if the job is installed here."""
    title = f"{manifest.namespace}/{manifest.name}"
    entry = Entry(path, blob, manifest.id, title, "elsewhere", paused=manifest.paused)
    if not context.selects(manifest):
        return entry, None
    try:
        rendered = render(manifest, context, commit)
    except Blocked as problem:
        return replace(entry, standing="blocked", problem=str(problem)), None
    gate = rendered.gate
    return replace(
        entry,
        standing="installed",
        commit=commit,
        lines=rendered.lines,
        line_hash=rendered.line_hash,
        refresh_at=gate.refresh_at if gate else None,
        schedule=rendered.job["schedule"] if manifest.checkin.enabled else [],
        zone=manifest.timezone or context.host.zone,
    ), rendered.job


def broken(path: str, blob: str, problem: str, before: Entry | None, tenant: str) -> Entry:
    """The entry of a file with errors: it keeps the last valid lines and gets the errors as its problem."""
    if before is None:
        return Entry(path, blob, _derived_id(path, tenant), path.rsplit(".", 1)[0], "broken", problem=problem)
    return replace(before, blob=blob, standing="broken", problem=problem, twin=False, refresh_at=None)


def _derived_id(path: str, tenant: str) -> str:
    parts = path.rsplit(".", 1)[0].split("/")
    return job_id(tenant, parts[0], parts[-1])


def _refuse_twins(desired: Desired, before: Mapping[str, Entry], tenant: str) -> None:
    """Marks valid files that share an id, or a namespace and name, as broken."""
    valid = [entry for entry in desired.entries.values() if entry.standing != "broken"]
    by_path = clashes(IdentityClaim(entry.path, entry.job_id, *entry.title.split("/", 1)) for entry in valid)
    kept: set[str] = set()
    for path in sorted(by_path):
        entry, last_valid = desired.entries[path], before.get(path)
        desired.jobs.pop(entry.job_id, None)
        # The installed line of an id stays; a second file with that id gets none.
        if last_valid is not None and (
            last_valid.job_id != entry.job_id or not last_valid.lines or entry.job_id in kept
        ):
            last_valid = None
        if last_valid is not None:
            kept.add(entry.job_id)
        problem = f"{path}:1:1: {by_path[path].message}"
        desired.entries[path] = replace(broken(path, entry.blob, problem, last_valid, tenant), twin=True)


def decoder_for(tenant: str, policy: HostPolicy) -> Decode:
    """A decoder of this tenant's manifests that applies the policy's defaults."""
    return lambda data, path: decode(data, path, tenant, defaults=policy.defaults_for(path.split("/")[0]))
