"""Asking for changes of jobs. Each function checks, writes a pending ``Change``, and leaves Git to the worker."""

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
from crontopus_app.jobs.lookup import find, find_or_none, is_coming, is_name, rows_of
from crontopus_app.jobs.yaml_edit import changes_of, edit
from crontopus_app.models import JobIndex, Tenant
from crontopus_app.models.base import new_id

KEEP = ".gitkeep"


def create(session: Session, actor: Actor, form: Mapping[str, Any], now: datetime, *, key: str = "") -> Submitted:
    """A new job from a job body; the change that made it already for a ``key`` that is sent again.

    Raises BadInput with all errors, Conflict where it exists.
    """
    actor.require("write:jobs")
    claim = idempotency.claim(session, actor, "job", key, dict(form), now)
    if claim.repeated:
        return changes.submitted(session, claim.subject)
    data, decoded = from_fields(form, tenant=actor.tenant_id, given_id=new_id())
    _check(decoded)
    change = _create(session, actor, data, decoded, now)
    claim.made(change.id)
    return change


def create_yaml(
    session: Session, actor: Actor, namespace: str, yaml: bytes, now: datetime, *, key: str = ""
) -> Submitted:
    """As ``create``, from a manifest; without ``namespace`` it is the manifest's own. An id is written in."""
    actor.require("write:jobs")
    _check_size(yaml)
    claim = idempotency.claim(session, actor, "job", key, [namespace, yaml.hex()], now)
    if claim.repeated:
        return changes.submitted(session, claim.subject)
    change = _create(session, actor, *_new_file(session, actor, namespace, yaml), now)
    claim.made(change.id)
    return change


def _new_file(session: Session, actor: Actor, namespace: str, yaml: bytes) -> tuple[bytes, Decoded]:
    """The file of a new job, which has an id, and what it says."""
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
    """The file as the index and the agents read it: with the defaults of the tenant's policy."""
    return index_rows.decode(yaml, path, actor.tenant_id, policies.of_tenant(session, actor.tenant_id))


def _create(session: Session, actor: Actor, data: bytes, decoded: Decoded, now: datetime) -> Submitted:
    manifest = _manifest(decoded)
    path = path_of(manifest.namespace, manifest.name)
    label = f"{manifest.namespace}/{manifest.name}"
    if find_or_none(session, actor.tenant_id, manifest.namespace, manifest.name) or is_coming(
        session, actor.tenant_id, path
    ):
        raise Conflict(f"The job {label} exists already: choose another name, or edit it.", code="exists")
    _check_id(session, actor, manifest.id, path)
    audit.record(session, actor, "job.create", label, now)
    return changes.submit(session, actor, "create", path, f"Create job {label}", now, content=data)


def _check_id(session: Session, actor: Actor, job_id: str, path: str) -> None:
    same = JobIndex.tenant_id == actor.tenant_id, JobIndex.job_id == job_id, JobIndex.path != path
    other = session.exec(select(JobIndex.path).where(*same)).first()
    if other:
        raise _bad("metadata.id", f"The id {job_id} is that of {other}: leave `metadata.id` out.")


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
    """Changes a job: a mapping sets the fields it gives (None clears), bytes replace the file.

    ``if_match`` is the blob sha that the author saw: raises PreconditionFailed where the file is another by now.
    """
    actor.require("write:jobs")
    row = find(session, actor.tenant_id, namespace, name)
    base = _check_match(row, if_match)
    audit.record(session, actor, "job.update", f"{namespace}/{name}", now)
    message = f"Change job {namespace}/{name}"
    if isinstance(form, bytes):
        data = _replacement(session, actor, row, form)
        return changes.submit(session, actor, "update", row.path, message, now, content=data, base_sha=base)
    return _submit_edit(session, actor, row, _wanted(row, form), message, now, base)


def _wanted(row: JobIndex, form: Mapping[str, Any]) -> dict[str, Any]:
    """The fields to set, by their place; name and namespace are not edited."""
    for field, current in (("name", row.name), ("namespace", row.namespace)):
        if form.get(field, current) != current:
            raise _bad(field, f"A job's {field} is its file's place: create a new job and delete this one.")
    return changes_of(form)


def _submit_edit(
    session: Session, actor: Actor, row: JobIndex, wanted: dict[str, Any], message: str, now: datetime, base: str | None
) -> Submitted:
    """An edit is checked on the file as it is now, and done on the file as it is when it is committed."""
    if not row.valid:
        raise Conflict(f"{row.path} is not valid: mend its YAML first.", code="invalid_file")
    if "id" not in _metadata(row.yaml):
        wanted["metadata.id"] = row.job_id
    _check(_read(session, actor, _edit(row.yaml, wanted), row.path))
    content = json.dumps(wanted).encode()
    return changes.submit(session, actor, "edit", row.path, message, now, content=content, base_sha=base)


def _metadata(yaml: bytes) -> set[str]:
    decoded = decode(yaml, "default/job.yaml", "", placed=False)
    return {"id"} if decoded.manifest is not None and decoded.manifest.id_given else set()


def _replacement(session: Session, actor: Actor, row: JobIndex, yaml: bytes) -> bytes:
    """The new file, with the id that the job has."""
    _check_size(yaml)
    decoded = _read(session, actor, yaml, row.path)
    _check(decoded)
    manifest = _manifest(decoded)
    if not manifest.id_given:
        return _edit(yaml, {"metadata.id": row.job_id})
    if row.valid and manifest.id != row.job_id:
        raise _bad("metadata.id", f"`metadata.id` never changes: it is {row.job_id}.")
    return yaml


def delete(
    session: Session, actor: Actor, namespace: str, name: str, *, if_match: str | None = None, now: datetime
) -> Submitted:
    """Takes the job's file out of the repository; its history stays in Git, its runs stay here."""
    actor.require("write:jobs")
    row = find(session, actor.tenant_id, namespace, name)
    base = _check_match(row, if_match)
    audit.record(session, actor, "job.delete", f"{namespace}/{name}", now)
    return changes.submit(session, actor, "delete", row.path, f"Delete job {namespace}/{name}", now, base_sha=base)


def set_paused(session: Session, actor: Actor, namespace: str, name: str, paused: bool, now: datetime) -> Submitted:
    """Pauses or resumes a job: its line stays on the hosts, commented out."""
    actor.require("write:jobs")
    row = find(session, actor.tenant_id, namespace, name)
    verb = "Pause" if paused else "Resume"
    audit.record(session, actor, f"job.{verb.lower()}", f"{namespace}/{name}", now)
    wanted = {"spec.paused": True if paused else None}
    return _submit_edit(session, actor, row, wanted, f"{verb} job {namespace}/{name}", now, None)


def revert(actor: Actor, namespace: str, name: str, sha: str, forge: Forgejo, now: datetime) -> wire.ChangeStatus:
    """Commits the content that the job's file had in a commit; a deleted job comes back.

    Raises NotFound, BadInput, Conflict. Waits for the commit as ``changes.save`` does.
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


def create_namespace(session: Session, actor: Actor, name: str, now: datetime, *, key: str = "") -> Submitted:
    """A new folder; the change that made it already for a ``key`` that is sent again. Raises BadInput, Conflict."""
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
    claim.made(change.id)
    return change


def delete_namespace(session: Session, actor: Actor, name: str, now: datetime) -> Submitted:
    """Takes an empty folder away. Raises NotFound, Conflict while it holds jobs or is the system's."""
    actor.require("write:jobs")
    tenant = session.get(Tenant, actor.tenant_id)
    if tenant is None or name not in tenant.namespaces:
        raise NotFound(f"There is no namespace {name}.")
    jobs = len(rows_of(session, actor.tenant_id, name))
    if jobs:
        raise Conflict(f"The namespace {name} holds {jobs} jobs: delete or move them first.", code="not_empty")
    audit.record(session, actor, "namespace.delete", name, now)
    return changes.submit(session, actor, "delete", f"{name}/{KEEP}", f"Delete namespace {name}", now)


def validate(actor: Actor, yaml: bytes, path: str) -> Decoded:
    """What a manifest would be told, without asking for anything."""
    actor.require("read:jobs")
    return decode(yaml, path, actor.tenant_id)


def preview(actor: Actor, fields: Mapping[str, Any]) -> tuple[str, list[wire.Problem]]:
    """The YAML a form would become, with all errors and lints."""
    actor.require("read:jobs")
    data, decoded = from_fields(fields, tenant=actor.tenant_id)
    return data.decode(), [*decoded.errors, *decoded.lints]


def _check_match(row: JobIndex, if_match: str | None) -> str | None:
    """The blob sha that the change insists on."""
    wanted = (if_match or "").strip().removeprefix("W/").strip('"')
    if wanted in ("", "*"):
        return None
    if wanted != row.blob_sha:
        raise PreconditionFailed(f"{row.path} was changed by somebody else meanwhile: read it again.")
    return wanted


def _check(decoded: Decoded) -> None:
    errors = list(decoded.errors)
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise BadInput(f"{errors[0].message}{more}", code="invalid_manifest", problems=errors)


def _check_size(yaml: bytes) -> None:
    if len(yaml) > MAX_BYTES:
        raise TooLarge(f"A manifest has at most {MAX_BYTES // 1024} KiB.")


def _manifest(decoded: Decoded) -> Any:
    """The manifest of a file that was checked."""
    if decoded.manifest is None:
        raise BadInput("The manifest cannot be read.")
    return decoded.manifest


def _edit(yaml: bytes, wanted: Mapping[str, Any]) -> bytes:
    try:
        return edit(yaml, wanted)
    except CrontopusError as error:
        raise BadInput(f"The file cannot be edited in place: {error}", code="not_editable") from error


def _bad(field: str, message: str) -> BadInput:
    return BadInput(message, problems=[wire.Problem(code="bad_value", message=message, field=field)])
