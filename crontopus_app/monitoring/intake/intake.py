"""Check-ins of many requests, written together: the rate of each endpoint, one transaction, one event a tenant."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic

from contract import wire
from crontopus_app.base import clock
from crontopus_app.base.errors import BadInput, Busy
from crontopus_app.base.live import Event, publish
from crontopus_app.base.rates import Rate, Spent
from crontopus_app.base.tally import Tally
from crontopus_app.monitoring.intake import checkins
from crontopus_app.monitoring.intake.checkins import Answer, Asked
from crontopus_app.monitoring.intake.senders import Caller
from crontopus_app.monitoring.intake.writer import Writer

RATE = Rate("checkin", 6000, 60)
BATCH = 500
# Characters of output that weigh as much as a check-in.
HEAVY = 4 * 1024
# A tenant that is held is not tried more often.
HELD_S = 0.1


@dataclass(frozen=True)
class Request:
    """The check-ins that one request brings."""

    caller: Caller
    checkins: Sequence[wire.Checkin]


@dataclass(frozen=True)
class Written:
    """An answer or a refusal for each check-in of a request."""

    tenant_id: str
    answers: Sequence[Answer]


@dataclass(frozen=True)
class Outcome:
    """What was written, and what is left of the endpoint's rate."""

    answers: Sequence[Answer]
    spent: Spent


async def take(caller: Caller, told: Sequence[wire.Checkin]) -> Outcome:
    """Writes up to 500 check-ins of one endpoint; returns when they are durable.

    Raises BadInput for more, RateLimited, and Unavailable where too many wait.
    """
    if len(told) > BATCH:
        raise BadInput(f"A batch has at most {BATCH} check-ins; this one has {len(told)}.")
    spent = intake().tally.spend(RATE, caller.id, monotonic())
    written = await intake().writer.put(Request(caller, told), sum(map(_weight, told)))
    return Outcome(written.answers, spent)


def _weight(checkin: wire.Checkin) -> int:
    output = checkin.output
    return 1 + (len(output.head) + len(output.tail)) // HEAVY if output else 1


class Intake:
    """What this process knows of its endpoints' rates, and of tenants whose rows somebody else holds."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.writer: Writer[Request, Written] = Writer(self._write, self._announce)
        self._held: dict[str, float] = {}

    def _write(self, requests: Sequence[Request]) -> list[Written | Exception]:
        """The outcome of each request, or the reason why all of it is refused.

        A tenant that was found Busy is written by itself from then on, at most every HELD_S, until it is not.
        """
        now, outcomes = monotonic(), dict[int, Written | Exception]()
        for places in self._groups(requests):
            together = [requests[place] for place in places]
            tenant = together[0].caller.tenant_id
            if self._held.get(tenant, 0.0) > now:
                outcomes.update((place, Busy()) for place in places)
                continue
            self._held.pop(tenant, None)
            outcomes.update(zip(places, _written(together), strict=True))
        busy = {request.caller.tenant_id for place, request in enumerate(requests) if isinstance(outcomes[place], Busy)}
        self._held |= dict.fromkeys(busy - self._held.keys(), now + HELD_S)
        return [outcomes[place] for place in range(len(requests))]

    def _groups(self, requests: Sequence[Request]) -> list[list[int]]:
        """Places of requests that are written together: all but those of held tenants, then each of those."""
        groups: dict[str, list[int]] = {"": []}
        for place, request in enumerate(requests):
            tenant = request.caller.tenant_id
            groups.setdefault(tenant if tenant in self._held else "", []).append(place)
        return [places for places in groups.values() if places]

    def _announce(self, outcomes: Sequence[Written | Exception]) -> None:
        """Tells the pages: one event a tenant, which names the run if it is one alone; and Redis of the rates."""
        runs: dict[str, set[str]] = defaultdict(set)
        for outcome in outcomes:
            if isinstance(outcome, Written):
                runs[outcome.tenant_id] |= {
                    one.run_id for one in outcome.answers if isinstance(one, wire.CheckinAnswer)
                }
        publish(*(Event(tenant, "run", ids.pop() if len(ids) == 1 else "") for tenant, ids in runs.items() if ids))
        self.tally.settle(RATE, monotonic())


def _written(requests: Sequence[Request]) -> list[Written | Exception]:
    asked = [Asked(request.caller, checkin) for request in requests for checkin in request.checkins]
    answers = iter(checkins.record(asked, clock.now()) if asked else [])
    return [_outcome(request, [next(answers) for _ in request.checkins]) for request in requests]


def _outcome(request: Request, answers: list[Answer]) -> Written | Exception:
    """All check-ins of a request are of one tenant: if it is Busy, none of them was written."""
    busy = next((one for one in answers if isinstance(one, Busy)), None)
    return busy or Written(request.caller.tenant_id, answers)


@lru_cache(maxsize=1)
def intake() -> Intake:
    """This process's."""
    return Intake()


@asynccontextmanager
async def serving() -> AsyncIterator[None]:
    """For as long as this process serves: at the end what is being written is answered, what waits is refused."""
    intake().writer.open()
    try:
        yield
    finally:
        await asyncio.to_thread(intake().writer.close)
