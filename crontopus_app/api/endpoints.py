"""REST: endpoints."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from contract import wire
from crontopus_app.api.deps import CurrentActor, Now
from crontopus_app.base.db import reading, writing
from crontopus_app.forge.configured import forge
from crontopus_app.hosts import endpoints

router = APIRouter(tags=["endpoints"])


class Rename(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str


@router.get("/endpoints")
def list_endpoints(
    actor: CurrentActor, now: Now, page: int = 1, page_size: int = 50, text: str = "", state: str = ""
) -> wire.EndpointList:
    with reading() as session:
        return endpoints.list_page(session, actor, page=page, page_size=page_size, text=text, state=state, now=now)


@router.get("/agents")
def list_agents(actor: CurrentActor, now: Now, page: int = 1, page_size: int = 50) -> wire.AgentList:
    """The endpoints in the format of the first Crontopus."""
    listed = list_endpoints(actor, now, page, page_size)
    return wire.AgentList(agents=listed.endpoints, total=listed.total, page=listed.page, page_size=listed.page_size)


@router.get("/endpoints/{endpoint_id}")
def get_endpoint(endpoint_id: str, actor: CurrentActor, now: Now) -> wire.Endpoint:
    with reading() as session:
        return endpoints.get(session, actor, endpoint_id, now)


@router.patch("/endpoints/{endpoint_id}")
def rename(endpoint_id: str, form: Rename, actor: CurrentActor, now: Now) -> wire.Endpoint:
    with writing() as session:
        return endpoints.rename(session, actor, endpoint_id, form.name, now)


@router.delete("/endpoints/{endpoint_id}", status_code=204)
def revoke(endpoint_id: str, actor: CurrentActor, now: Now) -> None:
    """Revokes the endpoint's token at once and retires its instances. Its runs are kept."""
    with writing() as session:
        endpoints.revoke(session, actor, endpoint_id, forge(), now)


@router.get("/endpoints/{endpoint_id}/jobs")
def jobs(endpoint_id: str, actor: CurrentActor) -> list[wire.InstanceStatus]:
    with reading() as session:
        return endpoints.instances(session, actor, endpoint_id)


@router.get("/endpoints/{endpoint_id}/crontab")
def crontab(endpoint_id: str, actor: CurrentActor) -> list[wire.CrontabLine]:
    with reading() as session:
        return endpoints.crontab(session, actor, endpoint_id)


@router.get("/endpoints/{endpoint_id}/drift")
def drift(endpoint_id: str, actor: CurrentActor) -> list[dict[str, object]]:
    with reading() as session:
        return endpoints.drift(session, actor, endpoint_id)


@router.post("/endpoints/{endpoint_id}/sync", status_code=202)
def sync(endpoint_id: str, actor: CurrentActor, now: Now) -> wire.Endpoint:
    """Requests a pass of the endpoint's agent now."""
    with writing() as session:
        endpoints.wake(session, actor, endpoint_id, now)
        return endpoints.get(session, actor, endpoint_id, now)


@router.post("/endpoints/{endpoint_id}/confirm-prune", status_code=202)
def confirm_prune(endpoint_id: str, head: str, actor: CurrentActor, now: Now) -> wire.Endpoint:
    """Allows the agent to delete the jobs that the commit ``head`` removes."""
    with writing() as session:
        endpoints.confirm_prune(session, actor, endpoint_id, head, now)
        return endpoints.get(session, actor, endpoint_id, now)
