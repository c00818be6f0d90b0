"""REST: calls of agents: enrol, watch, report."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request

from contract import wire
from crontopus_app.api import limits
from crontopus_app.api.deps import CurrentEndpoint, Now
from crontopus_app.api.watchers import hub
from crontopus_app.base import bounds, clock
from crontopus_app.base.db import reading, writing
from crontopus_app.base.errors import NotAuthenticated
from crontopus_app.forge.configured import forge
from crontopus_app.hosts import agent_api, contact, enrolment
from crontopus_app.models import Endpoint
from crontopus_app.people import http_auth

router = APIRouter(tags=["agent"])

LONGEST_WATCH_S = 55
Spool = Annotated[int, Query(ge=0, le=bounds.INT32)]
BootId = Annotated[str, Query(max_length=64)]


@router.post("/endpoints/enroll")
def enroll(form: wire.EnrollRequest, request: Request, now: Now) -> wire.Enrolled:
    """Enrols a machine as an endpoint of the tenant of its ``cet_…`` token."""
    try:
        return enrolment.enroll(http_auth.bearer(request.headers.get("authorization", "")), form, forge(), now)
    except NotAuthenticated:
        # Only failures count: valid tokens have their own limit, and many hosts may share an address.
        limits.spend(limits.ENROLL_FAILED, limits.address_block(request))
        raise


@router.post("/endpoints/me/heartbeat", status_code=204)
def heartbeat(endpoint: CurrentEndpoint, now: Now, spool: Spool = 0, boot_id: BootId = "") -> None:
    """Says that the agent runs. ``spool``: check-ins that have waited on the host for some time."""
    contact.seen(endpoint.id, now, spool, boot_id)


@router.post("/endpoints/me/report", status_code=204)
def report(pass_report: wire.PassReport, endpoint: CurrentEndpoint, now: Now) -> None:
    with writing() as session:
        agent_api.report(session, endpoint.id, pass_report, now)


@router.get("/endpoints/me/watch")
async def watch(
    endpoint: CurrentEndpoint,
    head: str = "",
    timeout: Annotated[float, Query(ge=0, le=LONGEST_WATCH_S)] = 30,
    spool: Spool = 0,
    boot_id: BootId = "",
) -> wire.WatchAnswer:
    """Answers as soon as the tenant's head differs from ``head`` or a pass is requested. Also counts as a heartbeat."""
    deadline = asyncio.get_running_loop().time() + timeout
    await asyncio.to_thread(contact.seen, endpoint.id, clock.now(), spool, boot_id)
    with hub.waiting(endpoint.tenant_id) as changed:
        while True:
            changed.clear()
            state = await asyncio.to_thread(_state, endpoint)
            left = deadline - asyncio.get_running_loop().time()
            if state.head != head or state.wake or left <= 0:
                return state
            await hub.wait(changed, left)


def _state(endpoint: Endpoint) -> wire.WatchAnswer:
    with reading() as session:
        return agent_api.watch_state(session, endpoint.id, clock.now())
