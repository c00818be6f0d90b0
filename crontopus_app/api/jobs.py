"""REST: jobs and namespaces, and their edits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict

from contract import wire
from crontopus_app.api.bodies import DOCUMENTED, ManifestBody
from crontopus_app.api.deps import CurrentActor, JobWriter, Now
from crontopus_app.api.idempotency import IdempotencyKey
from crontopus_app.base.actor import Actor
from crontopus_app.base.db import reading
from crontopus_app.forge.configured import forge
from crontopus_app.jobs import bulk, changes, edits, history
from crontopus_app.monitoring.why_facts import NEXT
from crontopus_app.queries import jobs, ping_urls, plans
from crontopus_app.queries.why import why

router = APIRouter(tags=["jobs"])

IfMatch = Annotated[str | None, Header(description="The blob sha that was read: refuses a lost update with 412.")]


@dataclass(frozen=True)
class Forecast:
    namespace: str
    name: str
    slots: list[datetime]


class Version(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sha: str


class BulkEdit(BaseModel):
    model_config = ConfigDict(extra="forbid")
    action: Literal["pause", "resume", "delete"]
    jobs: list[str]


class NewNamespace(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str


@router.get("/jobs")
def list_jobs(actor: CurrentActor, now: Now, namespace: str | None = None, text: str | None = None) -> wire.JobList:
    with reading() as session:
        return jobs.list_all(session, actor, namespace=namespace, text=text, now=now)


@router.post("/jobs", status_code=201, openapi_extra=DOCUMENTED)
def create_job(
    body: ManifestBody,
    actor: JobWriter,
    now: Now,
    response: Response,
    namespace: str = "",
    key: IdempotencyKey = "",
) -> wire.JobSaved:
    """201 with the commit, or 202 with the pending change if the commit takes longer."""
    if isinstance(body, bytes):
        change = changes.save(edits.create_yaml, actor, namespace, body, now, key=key)
    else:
        change = changes.save(edits.create, actor, {"namespace": namespace} | body, now, key=key)
    return _saved(change, actor, now, response)


@router.post("/jobs/bulk")
def edit_jobs(form: BulkEdit, actor: JobWriter, now: Now, response: Response) -> wire.JobsSaved:
    """Pauses, resumes or deletes up to 200 jobs (``namespace/name``) in one commit: all of them or none."""
    done = bulk.apply(actor, form.action, bulk.places(form.jobs), now)
    if any(change.state == "pending" for change in done.changes):
        response.status_code = 202
    return wire.JobsSaved(done.commit, done.changes)


@router.get("/jobs/{namespace}/{name}")
def get_job(namespace: str, name: str, actor: CurrentActor, now: Now, response: Response) -> wire.JobDetail:
    with reading() as session:
        detail = jobs.get(session, actor, namespace, name, now)
    response.headers["ETag"] = f'"{detail.sha}"'
    return detail


@router.put("/jobs/{namespace}/{name}", openapi_extra=DOCUMENTED)
def update_job(
    namespace: str,
    name: str,
    body: ManifestBody,
    actor: JobWriter,
    now: Now,
    response: Response,
    if_match: IfMatch = None,
) -> wire.JobSaved:
    """A JSON body sets its fields (null clears a field); a YAML body replaces the file."""
    change = changes.save(edits.update, actor, namespace, name, body, if_match=if_match, now=now)
    return _saved(change, actor, now, response)


@router.delete("/jobs/{namespace}/{name}")
def delete_job(
    namespace: str, name: str, actor: JobWriter, now: Now, response: Response, if_match: IfMatch = None
) -> wire.JobSaved:
    change = changes.save(edits.delete, actor, namespace, name, if_match=if_match, now=now)
    return _saved(change, actor, now, response)


@router.post("/jobs/{namespace}/{name}/pause")
def pause_job(namespace: str, name: str, actor: JobWriter, now: Now, response: Response) -> wire.JobSaved:
    change = changes.save(edits.set_paused, actor, namespace, name, True, now)
    return _saved(change, actor, now, response)


@router.post("/jobs/{namespace}/{name}/resume")
def resume_job(namespace: str, name: str, actor: JobWriter, now: Now, response: Response) -> wire.JobSaved:
    change = changes.save(edits.set_paused, actor, namespace, name, False, now)
    return _saved(change, actor, now, response)


@router.get("/jobs/{namespace}/{name}/history")
def get_job_history(namespace: str, name: str, actor: CurrentActor, page: int = 1) -> list[wire.HistoryEntry]:
    return history.history(actor, namespace, name, forge(), page)


@router.get("/jobs/{namespace}/{name}/history/{sha}")
def get_job_history_entry(namespace: str, name: str, sha: str, actor: CurrentActor) -> wire.HistoryEntry:
    return history.history_entry(actor, namespace, name, sha, forge())


@router.post("/jobs/{namespace}/{name}/revert")
def revert_job(
    namespace: str, name: str, version: Version, actor: JobWriter, now: Now, response: Response
) -> wire.JobSaved:
    """Restores the job's file from a commit, also of a deleted job."""
    change = edits.revert(actor, namespace, name, version.sha, forge(), now)
    return _saved(change, actor, now, response)


@router.get("/jobs/{namespace}/{name}/endpoints")
def job_endpoints(namespace: str, name: str, actor: CurrentActor) -> list[wire.InstanceStatus]:
    with reading() as session:
        return jobs.instances(session, actor, namespace, name)


@router.get("/jobs/{namespace}/{name}/ping-url")
def job_ping_url(namespace: str, name: str, actor: JobWriter) -> wire.PingUrl:
    """Of a job without an agent; needs ``write:jobs``, because whoever knows the URL can report runs."""
    with reading() as session:
        return ping_urls.ping_url(session, actor, namespace, name)


@router.get("/jobs/{namespace}/{name}/forecast")
def job_forecast(namespace: str, name: str, actor: CurrentActor, now: Now, count: int = 10) -> Forecast:
    with reading() as session:
        return Forecast(namespace, name, jobs.next_runs(session, actor, namespace, name, count, now))


WHY = (
    "Why the job did not run on an endpoint (name or id) in the slot `at`; a time without a zone is in the job's. "
    "By default: its latest missed or lost run. `verdict` is one of "
    + ", ".join(f"`{verdict}`" for verdict in NEXT)
    + "."
)


@router.get("/jobs/{namespace}/{name}/why", description=WHY)
def job_why(
    namespace: str, name: str, actor: CurrentActor, now: Now, endpoint: str | None = None, at: datetime | None = None
) -> wire.Why:
    with reading() as session:
        return why(session, actor, namespace, name, now, endpoint=endpoint, at=at)


@router.post("/plan", openapi_extra=DOCUMENTED)
def plan(body: ManifestBody, actor: CurrentActor, now: Now, namespace: str = "") -> plans.Plan:
    """What a manifest would change on each host. Commits nothing."""
    with reading() as session:
        return plans.plan(session, actor, body, namespace, now)


@router.get("/namespaces")
def list_namespaces(actor: CurrentActor) -> list[wire.Namespace]:
    with reading() as session:
        return jobs.namespaces(session, actor)


@router.post("/namespaces", status_code=201)
def create_namespace(
    form: NewNamespace, actor: JobWriter, now: Now, response: Response, key: IdempotencyKey = ""
) -> wire.JobSaved:
    change = changes.save(edits.create_namespace, actor, form.name, now, key=key)
    return _saved(change, actor, now, response)


@router.delete("/namespaces/{name}")
def delete_namespace(name: str, actor: JobWriter, now: Now, response: Response) -> wire.JobSaved:
    change = changes.save(edits.delete_namespace, actor, name, now)
    return _saved(change, actor, now, response)


def _saved(change: wire.ChangeStatus, actor: Actor, now: datetime, response: Response) -> wire.JobSaved:
    """The job and its change; 202 and a Location while the change is pending."""
    if change.state == "pending":
        response.status_code = 202
        response.headers["Location"] = f"/api/changes/{change.id}"
    return wire.JobSaved(job=_job(change, actor, now), change=change)


def _job(change: wire.ChangeStatus, actor: Actor, now: datetime) -> wire.JobSummary | None:
    """The job of a change; None if it was deleted, does not exist yet, or the token may not read it."""
    if not actor.may("read:jobs"):
        return None
    with reading() as session:
        return jobs.by_path(session, actor, change.path, now)
