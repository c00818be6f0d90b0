"""What Git wants on this host: each manifest decoded once per blob, rendered once per context.

A file that cannot be decoded keeps the entry it had; two files with one id are both broken.
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
from contract.jobs_in_tree import Claim, clashes, is_manifest
from contract.manifest import Manifest, decode, job_id

POLICY = "crontopus.yaml"
RENDERING = 1

Decode = Callable[[bytes, str], Any]


@dataclass
class Wanted:
    """Entries by path, and the job files that must be written before a line names them."""

    entries: dict[str, Entry] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)


def fingerprint(context: Context, policy_blob: str) -> str:
    """Differs whenever something besides a manifest changes what is rendered."""
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
    """Nothing has happened that could change this entry."""
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
) -> Wanted:
    """The entries for the manifests at ``commit``; with ``keep`` only those whose blob is new are decoded."""
    wanted = Wanted()
    now = context.now.timestamp()
    todo: dict[str, str] = {}
    for path, blob in files.items():
        entry = before.get(path)
        if keep and entry is not None and reusable(entry, blob, now, missing):
            wanted.entries[path] = entry
        elif is_manifest(path):
            todo[path] = blob
    blobs = read(sorted(set(todo.values()))) if todo else {}
    for path, blob in todo.items():
        decoded = decoder(blobs[blob], path)
        _add(wanted, path, blob, decoded, before.get(path), context, commit)
    _refuse_twins(wanted, before, context.tenant)
    return wanted


def _add(
    wanted: Wanted, path: str, blob: str, decoded: Any, before: Entry | None, context: Context, commit: str
) -> None:
    if decoded.manifest is None:
        wanted.entries[path] = broken(path, blob, "; ".join(map(str, decoded.errors)), before, context.tenant)
        return
    manifest = decoded.manifest
    same = before is not None and before.blob == blob and before.commit
    entry, job = entry_of(manifest, path, blob, context, before.commit if before and same else commit)
    wanted.entries[path] = entry
    if job:
        wanted.jobs[entry.job_id] = job


def entry_of(
    manifest: Manifest, path: str, blob: str, context: Context, commit: str
) -> tuple[Entry, dict[str, Any] | None]:
    """The entry of a good manifest on this host, and its job file when it is installed."""
    title = f"{manifest.namespace}/{manifest.name}"
    entry = Entry(path, blob, manifest.id, title, "elsewhere", paused=manifest.paused)
    if not context.means(manifest):
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
    ), rendered.job


def broken(path: str, blob: str, problem: str, before: Entry | None, tenant: str) -> Entry:
    """A file with errors: the last good rendering stays, and the errors are told."""
    if before is None:
        return Entry(path, blob, _derived_id(path, tenant), path.rsplit(".", 1)[0], "broken", problem=problem)
    return replace(before, blob=blob, standing="broken", problem=problem, twin=False, refresh_at=None)


def _derived_id(path: str, tenant: str) -> str:
    parts = path.rsplit(".", 1)[0].split("/")
    return job_id(tenant, parts[0], parts[-1])


def _refuse_twins(wanted: Wanted, before: Mapping[str, Entry], tenant: str) -> None:
    """Good files that share an id, or a namespace and name: none is believed, each names the others."""
    good = [entry for entry in wanted.entries.values() if entry.standing != "broken"]
    found = clashes(Claim(entry.path, entry.job_id, *entry.title.split("/", 1)) for entry in good)
    kept: set[str] = set()
    for path in sorted(found):
        entry, last_good = wanted.entries[path], before.get(path)
        wanted.jobs.pop(entry.job_id, None)
        # The line that an id has on this host stays; a second file with that id gets none.
        if last_good is not None and (last_good.job_id != entry.job_id or not last_good.lines or entry.job_id in kept):
            last_good = None
        if last_good is not None:
            kept.add(entry.job_id)
        problem = f"{path}:1:1: {found[path].message}"
        wanted.entries[path] = replace(broken(path, entry.blob, problem, last_good, tenant), twin=True)


def decoder_for(tenant: str, policy: HostPolicy) -> Decode:
    """Decode as this tenant: its policy's defaults apply where a manifest is silent."""
    return lambda data, path: decode(data, path, tenant, defaults=policy.defaults_for(path.split("/")[0]))
