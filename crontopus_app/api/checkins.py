"""REST: check-ins, single, in batches, and in the format of the first Crontopus."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter, Response

from contract import wire
from crontopus_app.api import limits
from crontopus_app.api.bodies import BATCH_DOCUMENTED, BatchBody
from crontopus_app.api.deps import CurrentEndpoint
from crontopus_app.base import clock
from crontopus_app.base.db import reading
from crontopus_app.base.errors import BadInput, Conflict, NotFound
from crontopus_app.monitoring.intake import batch, checkins, senders
from crontopus_app.monitoring.intake.checkins import Outcome
from crontopus_app.monitoring.intake.senders import Caller

router = APIRouter(tags=["agent"])

# What one check-in of a batch may be refused with; anything else is about the whole request.
ITS_OWN = (BadInput, NotFound, Conflict)


@router.post("/checkins")
async def check_in(told: wire.Checkin, endpoint: CurrentEndpoint, response: Response) -> wire.CheckinAnswer:
    """One check-in; answered after it is durable. An id seen before is answered again and changes nothing."""
    outcome = await batch.write(senders.of_endpoint(endpoint), [told])
    response.headers.update(limits.headers(batch.RATE, outcome.spent))
    return one(outcome.outcomes)


@router.post("/checkins/batch", openapi_extra=BATCH_DOCUMENTED)
async def check_in_batch(told: BatchBody, endpoint: CurrentEndpoint, response: Response) -> list[wire.CheckinAnswer]:
    """Up to 500 check-ins, answered in their order."""
    outcome = await batch.write(senders.of_endpoint(endpoint), told)
    response.headers.update(limits.headers(batch.RATE, outcome.spent))
    return [_or_refused(answer, checkin) for answer, checkin in zip(outcome.outcomes, told, strict=True)]


@router.post("/runs/check-in")
async def check_in_legacy(
    told: wire.LegacyCheckin, endpoint: CurrentEndpoint, response: Response
) -> wire.CheckinAnswer:
    """The first Crontopus' check-in."""
    caller = senders.of_endpoint(endpoint)
    checkin = await asyncio.to_thread(_from_legacy, caller, told)
    outcome = await batch.write(caller, [checkin])
    response.headers.update(limits.headers(batch.RATE, outcome.spent))
    return one(outcome.outcomes)


def one(answers: Sequence[Outcome]) -> wire.CheckinAnswer:
    """The only answer; raises what the check-in was refused with."""
    (answer,) = answers
    if isinstance(answer, Exception):
        raise answer
    return answer


def _or_refused(answer: Outcome, checkin: wire.Checkin) -> wire.CheckinAnswer:
    if isinstance(answer, ITS_OWN):
        return wire.CheckinAnswer(run_id=checkin.run_id, state="refused", duplicate=False)
    return one([answer])


def _from_legacy(caller: Caller, told: wire.LegacyCheckin) -> wire.Checkin:
    with reading() as session:
        return checkins.from_legacy(session, caller, told, clock.now())
