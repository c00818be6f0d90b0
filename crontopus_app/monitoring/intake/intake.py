"""Check-ins of many requests, written together: the rate of each endpoint, one transaction, one event a tenant."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache

from contract import wire
from crontopus_app.base import clock, rates
from crontopus_app.base.errors import BadInput, RateLimited
from crontopus_app.base.live import Event, publish
from crontopus_app.base.rates import Rate, Spent
from crontopus_app.monitoring.intake import checkins
from crontopus_app.monitoring.intake.checkins import Answer, Asked
from crontopus_app.monitoring.intake.senders import Caller
from crontopus_app.monitoring.intake.writer import Writer

RATE = Rate("checkin", 6000, 60)
BATCH = 500
# Characters of output that weigh as much as a check-in.
HEAVY = 16 * 1024


@dataclass(frozen=True)
class Request:
    """The check-ins that one request brings."""

    caller: Caller
    checkins: Sequence[wire.Checkin]


@dataclass(frozen=True)
class Outcome:
    """An answer or a refusal for each check-in of a request, and what is left of its endpoint's rate."""

    tenant_id: str
    answers: Sequence[Answer]
    spent: Spent | None


async def take(caller: Caller, told: Sequence[wire.Checkin]) -> Outcome:
    """Writes up to 500 check-ins of one endpoint; returns when they are durable.

    Raises BadInput for more, RateLimited, and Unavailable where too many wait.
    """
    if len(told) > BATCH:
        raise BadInput(f"A batch has at most {BATCH} check-ins; this one has {len(told)}.")
    return await writer().put(Request(caller, told), sum(map(_weight, told)))


def _weight(checkin: wire.Checkin) -> int:
    output = checkin.output
    return 1 + (len(output.head) + len(output.tail)) // HEAVY if output else 1


@lru_cache(maxsize=1)
def writer() -> Writer[Request, Outcome]:
    """This process's."""
    return Writer(write, announce)


@asynccontextmanager
async def serving() -> AsyncIterator[None]:
    """For as long as this process serves: at the end what is being written is answered, what waits is refused."""
    writer().open()
    try:
        yield
    finally:
        await asyncio.to_thread(writer().close)


def write(requests: Sequence[Request]) -> list[Outcome | Exception]:
    """The outcome of each request, or the reason why all of it is refused."""
    spent = rates.spend_each(RATE, [request.caller.id for request in requests])
    within = [one for one, each in zip(requests, spent, strict=True) if not isinstance(each, RateLimited)]
    asked = [Asked(request.caller, checkin) for request in within for checkin in request.checkins]
    answers = iter(checkins.record(asked, clock.now()) if asked else [])
    return [
        each
        if isinstance(each, RateLimited)
        else Outcome(request.caller.tenant_id, [next(answers) for _ in request.checkins], each)
        for request, each in zip(requests, spent, strict=True)
    ]


def announce(outcomes: Sequence[Outcome | Exception]) -> None:
    """Tells the pages: one event a tenant, which names the run if it is one alone."""
    runs: dict[str, set[str]] = defaultdict(set)
    for outcome in outcomes:
        if isinstance(outcome, Outcome):
            runs[outcome.tenant_id] |= {
                answer.run_id for answer in outcome.answers if isinstance(answer, wire.CheckinAnswer)
            }
    publish(*(Event(tenant, "run", ids.pop() if len(ids) == 1 else "") for tenant, ids in runs.items() if ids))
