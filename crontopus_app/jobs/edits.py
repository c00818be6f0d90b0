"""Edits of jobs and namespaces. Each function validates, submits a pending ``Change``, and leaves Git to the worker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlmodel import Session, select

from contract import wire
from contract.jobs_in_tree import MAX_BYTES
from contract.manifest import Decoded, decode, from_fields, path_of
from contract.manifest_fields import NAME_HINT
from crontopus_app.base import audit, idempotency
from crontopus_app.base.actor import Actor
from crontopus_app.base.errors import BadInput, Conflict, CrontopusError, NotFound, PreconditionFailed, TooLarge
from crontopus_app.forge.client import Forgejo
from crontopus_app.jobs import changes, index_rows, policies
from crontopus_app.jobs.changes import Submitted
from crontopus_app.jobs.history import Version, version
from crontopus_app.jobs.lookup import find, find_or_none, is_name, is_pending, rows_of
from crontopus_app.jobs.yaml_edit import changes_of, edit
from crontopus_app.models import JobIndex, Tenant
from crontopus_app.models.base import new_id

KEEP = ".gitkeep"


def create(session: Session, actor: Actor, form: Mapping[str, Any], now: datetime, *, key: str = "") -> Submitted:
    """Creates a job from a job body. For a repeated ``key``, returns the change of the first request.

    Raises BadInput with all errors, and Conflict if the job exists.
    """
    actor.require("write:jobs")
    claim = idempotency.claim(session, actor, "job", key, dict(form), now)
    if claim.repeated:
        return changes.submitted(session, claim.subject)
    data, decoded = from_fields(form, tenant=actor.tenant_id, given_id=new_id())
    _check(decoded)
    change = _create(session, actor, data, decoded, now)
    claim.complete(change.id)
    return change


def create_yaml(
    session: Session, actor: Actor, namespace: str, yaml: bytes, now: datetime, *, key: str = ""
) -> Submitted:
    """As ``create``, from a manifest. An empty ``namespace`` means the manifest's own. Adds an id if it has none."""
    actor.require("write:jobs")
    _check_size(yaml)
    claim = idempotency.claim(session, actor, "job", key, [namespace, yaml.hex()], now)
    if claim.repeated:
        return changes.submitted(session, claim.subject)
    change = _create(session, actor, *_new_file(session, actor, namespace, yaml), now)
    claim.complete(change.id)
    return change


def _new_file(session: Session, actor: Actor, namespace: str, yaml: bytes) -> tuple[bytes, Decoded]:
    """The file of a new job, including an id, and the parsed manifest."""
    defaults = policies.of_tenant(session, actor.tenant_id).defaults_for(namespace or "default")
    loose = decode(yaml, path_of(namespace or "default", "job"), actor.tenant_id, placed=False, defaults=defaults)
    _check(loose)
    manifest = _manifest(loose)
    path = path_of(namespace or manifest.namespace, manifest.name)
    _check(_read(session, actor, yaml, path))
    data = yaml if manifest.id_given else _edit(yaml, {"metadata.id": new_id()})
    decoded = _read(session, actor, data, path)
    _check(decoded)
    return data, decoded


def _read(session: Session, actor: Actor, yaml: bytes, path: str) -> Decoded:
    """Parses the file as the index and the agents do, with the defaults of the tenant's policy."""
    return index_rows.decode(yaml, path, actor.tenant_id, policies.of_tenant(session, actor.tenant_id))


def _create(session: Session, actor: Actor, data: bytes, decoded: Decoded, now: datetime) -> Submitted:
    manifest = _manifest(decoded)
    path = path_of(manifest.namespace, manifest.name)
    label = f"{manifest.namespace}/{manifest.name}"
    if find_or_none(session, actor.tenant_id, manifest.namespace, manifest.name) or is_pending(
        session, actor.tenant_id, path
    ):
        raise Conflict(f"The job {label} exists already. Choose another name, or edit the existing job.", code="exists")
    _check_id(session, actor, manifest.id, path)
    audit.record(session, actor, "job.create", label, now)
    return changes.submit(session, actor, "create", path, f"Create job {label}", now, content=data)


def _check_id(session: Session, actor: Actor, job_id: str, path: str) -> None:
    same_id = JobIndex.tenant_id == actor.tenant_id, JobIndex.job_id == job_id, JobIndex.path != path
    other_path = session.exec(select(JobIndex.path).where(*same_id)).first()
    if other_path:
        raise _bad("metadata.id", f"The id {job_id} belongs to {other_path}. Remove metadata.id to get a new one.")


def update(
    session: Session,
    actor: Actor,
    namespace: str,
    name: str,
    form: Mapping[str, Any] | bytes,
    *,
    if_match: str | None = None,
    now: datetime,
) -> Submitted:
    """Changes a job. A mapping sets its fields (None clears a field); bytes replace the file.

    ``if_match`` is the blob sha that the author edited: raises PreconditionFailed if the file has changed.
    """
    actor.require("write:jobs")
    row = find(session, actor.tenant_id, namespace, name)
    base = _check_match(row, if_match)
    audit.record(session, actor, "job.update", f"{namespace}/{name}", now)
    message = f"Change job {namespace}/{name}"
    if isinstance(form, bytes):
        data = _replacement(session, actor, row, form)
        return changes.submit(session, actor, "update", row.path, message, now, content=data, base_sha=base)
    return _submit_edit(session, actor, row, _fields(row, form), message, now, base)


def _fields(row: JobIndex, form: Mapping[str, Any]) -> dict[str, Any]:
    """The fields to set, by their path in the manifest. Name and namespace cannot be edited."""
    for field, current in (("name", row.name), ("namespace", row.namespace)):
        if form.get(field, current) != current:
            raise _bad(field, f"The {field} of a job cannot be changed. Create a new job and delete this one.")
    return changes_of(form)


def _submit_edit(
    session: Session, actor: Actor, row: JobIndex, fields: dict[str, Any], message: str, now: datetime, base: str | None
) -> Submitted:
    """Validates an edit on the current file. The worker applies it to the file at the time of the commit."""
    if not row.valid:
        raise Conflict(f"{row.path} is invalid. Correct its YAML first.", code="invalid_file")
    if "id" not in _metadata(row.yaml):
        fields["metadata.id"] = row.job_id
    _check(_read(session, actor, _edit(row.yaml, fields), row.path))
    content = json.dumps(fields).encode()
    return changes.submit(session, actor, "edit", row.path, message, now, content=content, base_sha=base)


def _metadata(yaml: bytes) -> set[str]:
    decoded = decode(yaml, "default/job.yaml", "", placed=False)
    return {"id"} if decoded.manifest is not None and decoded.manifest.id_given else set()


def _replacement(session: Session, actor: Actor, row: JobIndex, yaml: bytes) -> bytes:
    """The new file, with the job's id."""
    _check_size(yaml)
    decoded = _read(session, actor, yaml, row.path)
    _check(decoded)
    manifest = _manifest(decoded)
    if not manifest.id_given:
        return _edit(yaml, {"metadata.id": row.job_id})
    if row.valid and manifest.id != row.job_id:
        raise _bad("metadata.id", f"The id of a job cannot be changed. Set metadata.id to {row.job_id} or remove it.")
    return yaml


def delete(
    session: Session, actor: Actor, namespace: str, name: str, *, if_match: str | None = None, now: datetime
) -> Submitted:
    """Deletes the job's file. Its history stays in Git, and its runs in the database."""
    actor.require("write:jobs")
    row = find(session, actor.tenant_id, namespace, name)
    base = _check_match(row, if_match)
    audit.record(session, actor, "job.delete", f"{namespace}/{name}", now)
    return changes.submit(session, actor, "delete", row.path, f"Delete job {namespace}/{name}", now, base_sha=base)


def set_paused(session: Session, actor: Actor, namespace: str, name: str, paused: bool, now: datetime) -> Submitted:
    """Pauses or resumes a job. A paused job's crontab line stays on the hosts, commented out."""
    actor.require("write:jobs")
    row = find(session, actor.tenant_id, namespace, name)
    verb = "Pause" if paused else "Resume"
    audit.record(session, actor, f"job.{verb.lower()}", f"{namespace}/{name}", now)
    fields = {"spec.paused": True if paused else None}
    return _submit_edit(session, actor, row, fields, f"{verb} job {namespace}/{name}", now, None)


def revert(actor: Actor, namespace: str, name: str, sha: str, forge: Forgejo, now: datetime) -> wire.ChangeStatus:
    """Restores the job's file from a commit, also of a deleted job. Waits for the commit like ``changes.save``.

    Raises NotFound, BadInput, Conflict.
    """
    actor.require("write:jobs")
    return changes.save(_revert, actor, version(actor, namespace, name, sha, forge), now)


def _revert(session: Session, actor: Actor, old: Version, now: datetime) -> Submitted:
    decoded = _read(session, actor, old.content, old.path)
    _check(decoded)
    label = f"{old.namespace}/{old.name}"
    message = f"Revert job {label} to {old.sha[:12]}"
    audit.record(session, actor, "job.revert", label, now, old.sha)
    row = find_or_none(session, actor.tenant_id, old.namespace, old.name)
    if row is not None:
        content = _replacement(session, actor, row, old.content)
        return changes.submit(session, actor, "update", row.path, message, now, content=content)
    _check_id(session, actor, _manifest(decoded).id, old.path)
    return changes.submit(session, actor, "create", old.path, message, now, content=old.content)


def create_again(session: Session, actor: Actor, path: str, content: bytes, now: datetime) -> Submitted:
    """Creates a deleted file with the content that it had. Raises BadInput, Conflict."""
    actor.require("write:jobs")
    label = path.removesuffix(".yaml")
    decoded = _read(session, actor, content, path)
    if decoded.manifest is not None:
        _check_id(session, actor, decoded.manifest.id, path)
    audit.record(session, actor, "job.create", label, now)
    return changes.submit(session, actor, "create", path, f"Restore job {label}", now, content=content)


def create_namespace(session: Session, actor: Actor, name: str, now: datetime, *, key: str = "") -> Submitted:
    """Creates a folder. For a repeated ``key``, returns the change of the first request. Raises BadInput, Conflict."""
    actor.require("write:jobs")
    claim = idempotency.claim(session, actor, "namespace", key, name, now)
    if claim.repeated:
        return changes.submitted(session, claim.subject)
    if not is_name(name):
        raise _bad("name", f"{name[:80]!r} {NAME_HINT}.")
    tenant = session.get(Tenant, actor.tenant_id)
    if tenant is not None and name in tenant.namespaces:
        raise Conflict(f"The namespace {name} exists already.", code="exists")
    audit.record(session, actor, "namespace.create", name, now)
    message = f"Create namespace {name}"
    change = changes.submit(session, actor, "create", f"{name}/{KEEP}", message, now, content=b"")
    claim.complete(change.id)
    return change


def delete_namespace(session: Session, actor: Actor, name: str, now: datetime) -> Submitted:
    """Deletes an empty folder. Raises NotFound, and Conflict while it contains jobs."""
    actor.require("write:jobs")
    tenant = session.get(Tenant, actor.tenant_id)
    if tenant is None or name not in tenant.namespaces:
        raise NotFound(f"No namespace {name}.")
    jobs = len(rows_of(session, actor.tenant_id, name))
    if jobs:
        raise Conflict(f"The namespace {name} contains {jobs} jobs. Delete or move them first.", code="not_empty")
    audit.record(session, actor, "namespace.delete", name, now)
    return changes.submit(session, actor, "delete", f"{name}/{KEEP}", f"Delete namespace {name}", now)


def validate(actor: Actor, yaml: bytes, path: str) -> Decoded:
    """Parses a manifest and returns its errors and lints. Changes nothing."""
    actor.require("read:jobs")
    return decode(yaml, path, actor.tenant_id)


def preview(actor: Actor, fields: Mapping[str, Any]) -> tuple[str, list[wire.Problem]]:
    """The YAML of a form, with all errors and lints."""
    actor.require("read:jobs")
    data, decoded = from_fields(fields, tenant=actor.tenant_id)
    return data.decode(), [*decoded.errors, *decoded.lints]


def _check_match(row: JobIndex, if_match: str | None) -> str | None:
    """The blob sha that the file must still have when the change is committed; None without a condition."""
    sha = (if_match or "").strip().removeprefix("W/").strip('"')
    if sha in ("", "*"):
        return None
    if sha != row.blob_sha:
        raise PreconditionFailed(f"{row.path} was changed by another commit meanwhile. Reload it and try again.")
    return sha


def _check(decoded: Decoded) -> None:
    errors = list(decoded.errors)
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise BadInput(f"{errors[0].message}{more}", code="invalid_manifest", problems=errors)


def _check_size(yaml: bytes) -> None:
    if len(yaml) > MAX_BYTES:
        raise TooLarge(f"The manifest is too large: at most {MAX_BYTES // 1024} KiB are allowed.")


def _manifest(decoded: Decoded) -> Any:
    """The manifest of a validated file."""
    if decoded.manifest is None:
        raise BadInput("The manifest cannot be parsed.")
    return decoded.manifest


def _edit(yaml: bytes, fields: Mapping[str, Any]) -> bytes:
    try:
        return edit(yaml, fields)
    except CrontopusError as error:
        raise BadInput(f"The file cannot be edited in place: {error}", code="not_editable") from error


def _bad(field: str, message: str) -> BadInput:
    return BadInput(message, problems=[wire.Problem(code="bad_value", message=message, field=field)])
