"""Check-ins: one, a batch, the first Crontopus'. All are written by the same writer (services/intake.py)."""

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
from crontopus_app.monitoring.intake import checkins, intake, senders
from crontopus_app.monitoring.intake.checkins import Answer
from crontopus_app.monitoring.intake.senders import Caller

router = APIRouter(tags=["agent"])

# What one check-in of a batch may be refused with; anything else is about the whole request.
ITS_OWN = (BadInput, NotFound, Conflict)


@router.post("/checkins")
async def check_in(told: wire.Checkin, endpoint: CurrentEndpoint, response: Response) -> wire.CheckinAnswer:
    """One check-in; answered after it is durable. An id seen before is answered again and changes nothing."""
    outcome = await intake.take(senders.of_endpoint(endpoint), [told])
    response.headers.update(limits.headers(intake.RATE, outcome.spent))
    return one(outcome.answers)


@router.post("/checkins/batch", openapi_extra=BATCH_DOCUMENTED)
async def check_in_batch(told: BatchBody, endpoint: CurrentEndpoint, response: Response) -> list[wire.CheckinAnswer]:
    """Up to 500 check-ins, answered in their order."""
    outcome = await intake.take(senders.of_endpoint(endpoint), told)
    response.headers.update(limits.headers(intake.RATE, outcome.spent))
    return [_or_refused(answer, checkin) for answer, checkin in zip(outcome.answers, told, strict=True)]


@router.post("/runs/check-in")
async def check_in_legacy(
    told: wire.LegacyCheckin, endpoint: CurrentEndpoint, response: Response
) -> wire.CheckinAnswer:
    """The first Crontopus' check-in."""
    caller = senders.of_endpoint(endpoint)
    checkin = await asyncio.to_thread(_from_legacy, caller, told)
    outcome = await intake.take(caller, [checkin])
    response.headers.update(limits.headers(intake.RATE, outcome.spent))
    return one(outcome.answers)


def one(answers: Sequence[Answer]) -> wire.CheckinAnswer:
    """The only answer; raises what the check-in was refused with."""
    (answer,) = answers
    if isinstance(answer, Exception):
        raise answer
    return answer


def _or_refused(answer: Answer, checkin: wire.Checkin) -> wire.CheckinAnswer:
    if isinstance(answer, ITS_OWN):
        return wire.CheckinAnswer(run_id=checkin.run_id, state="refused", duplicate=False)
    return one([answer])


def _from_legacy(caller: Caller, told: wire.LegacyCheckin) -> wire.Checkin:
    with reading() as session:
        return checkins.from_legacy(session, caller, told, clock.now())
