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

# Errors of a single check-in of a batch; other errors fail the whole request.
SINGLE = (BadInput, NotFound, Conflict)


@router.post("/checkins")
async def check_in(checkin: wire.Checkin, endpoint: CurrentEndpoint, response: Response) -> wire.CheckinAnswer:
    """Writes a check-in; answers when it is durable. A repeated id gets the same answer and changes nothing."""
    result = await batch.write(senders.of_endpoint(endpoint), [checkin])
    response.headers.update(limits.headers(batch.RATE, result.spent))
    return only_answer(result.outcomes)


@router.post("/checkins/batch", openapi_extra=BATCH_DOCUMENTED)
async def check_in_batch(
    checkins: BatchBody, endpoint: CurrentEndpoint, response: Response
) -> list[wire.CheckinAnswer]:
    """Writes up to 500 check-ins; answers in their order."""
    result = await batch.write(senders.of_endpoint(endpoint), checkins)
    response.headers.update(limits.headers(batch.RATE, result.spent))
    return [_or_refused(outcome, checkin) for outcome, checkin in zip(result.outcomes, checkins, strict=True)]


@router.post("/runs/check-in")
async def check_in_legacy(
    legacy: wire.LegacyCheckin, endpoint: CurrentEndpoint, response: Response
) -> wire.CheckinAnswer:
    """A check-in in the format of the first Crontopus."""
    caller = senders.of_endpoint(endpoint)
    checkin = await asyncio.to_thread(_from_legacy, caller, legacy)
    result = await batch.write(caller, [checkin])
    response.headers.update(limits.headers(batch.RATE, result.spent))
    return only_answer(result.outcomes)


def only_answer(outcomes: Sequence[Outcome]) -> wire.CheckinAnswer:
    """The answer to a single check-in; raises its error."""
    (outcome,) = outcomes
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _or_refused(outcome: Outcome, checkin: wire.Checkin) -> wire.CheckinAnswer:
    if isinstance(outcome, SINGLE):
        return wire.CheckinAnswer(run_id=checkin.run_id, state="refused", duplicate=False)
    return only_answer([outcome])


def _from_legacy(caller: Caller, legacy: wire.LegacyCheckin) -> wire.Checkin:
    with reading() as session:
        return checkins.from_legacy(session, caller, legacy, clock.now())
