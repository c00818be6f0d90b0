"""Writes check-ins of many requests together: rate limits per endpoint, one transaction, one event per tenant."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic

from contract import wire
from crontopus_app.base import clock, meters
from crontopus_app.base.errors import BadInput, Busy, CrontopusError, Unavailable
from crontopus_app.base.live import Event, publish
from crontopus_app.base.rates import Rate, Spent
from crontopus_app.base.tally import Tally
from crontopus_app.monitoring.intake import checkins
from crontopus_app.monitoring.intake.checkins import Outcome, ReceivedCheckin
from crontopus_app.monitoring.intake.senders import Caller
from crontopus_app.monitoring.intake.writer import RETRY_FOR_S, Writer

RATE = Rate("checkin", 6000, 60)
BATCH = 500
# Characters of output that count as much as one check-in in the queue's limits.
HEAVY = 4 * 1024
# Seconds between attempts for a tenant whose rows another transaction has locked.
LOCKED_S = 0.1
FLUSH_S = 1.0
# Upper limits of the histogram of transactions, in seconds.
COMMIT_LIMITS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


@dataclass(frozen=True)
class Request:
    """The check-ins of one request."""

    caller: Caller
    checkins: Sequence[wire.Checkin]


@dataclass(frozen=True)
class Written:
    """The outcome of each check-in of a request."""

    tenant_id: str
    outcomes: Sequence[Outcome]


@dataclass(frozen=True)
class Result:
    """The outcome of each check-in, and the used part of the endpoint's rate."""

    outcomes: Sequence[Outcome]
    spent: Spent


async def write(caller: Caller, received: Sequence[wire.Checkin]) -> Result:
    """Writes up to 500 check-ins of one endpoint; returns when they are durable.

    Raises BadInput for more, RateLimited, and Unavailable if the queue is full.
    """
    if len(received) > BATCH:
        raise BadInput(f"The batch is too large: at most {BATCH} check-ins are allowed, not {len(received)}.")
    spent = intake().tally.spend(RATE, caller.id, monotonic())
    written = await intake().writer.put(Request(caller, received), sum(map(_weight, received)))
    return Result(written.outcomes, spent)


def _weight(checkin: wire.Checkin) -> int:
    output = checkin.output
    return 1 + (len(output.head) + len(output.tail)) // HEAVY if output else 1


class Intake:
    """The check-in state of this process: rates of endpoints, the writer, and tenants with locked rows."""

    def __init__(self, retry_for_s: float = RETRY_FOR_S) -> None:
        """``retry_for_s``: how long check-ins of a tenant with locked rows are tried again."""
        self.tally = Tally()
        self.writer: Writer[Request, Written] = Writer(self._write, self._announce, retry_for_s=retry_for_s)
        self._locked: dict[str, float] = {}

    def _write(self, requests: Sequence[Request]) -> list[Written | Exception]:
        """The result of each request, or an exception for all of it.

        After Busy, a tenant is written separately, at most every LOCKED_S, until its rows are free.
        """
        now, outcomes = monotonic(), dict[int, Written | Exception]()
        for indexes in self._groups(requests):
            group = [requests[index] for index in indexes]
            tenant = group[0].caller.tenant_id
            if self._locked.get(tenant, 0.0) > now:
                outcomes.update((index, Busy()) for index in indexes)
                continue
            self._locked.pop(tenant, None)
            outcomes.update(zip(indexes, _written(group), strict=True))
        busy = {request.caller.tenant_id for index, request in enumerate(requests) if isinstance(outcomes[index], Busy)}
        self._locked |= dict.fromkeys(busy - self._locked.keys(), now + LOCKED_S)
        return [outcomes[index] for index in range(len(requests))]

    def _groups(self, requests: Sequence[Request]) -> list[list[int]]:
        """Indexes of the requests to write together: first all of unlocked tenants, then each locked tenant's."""
        groups: dict[str, list[int]] = {"": []}
        for index, request in enumerate(requests):
            tenant = request.caller.tenant_id
            groups.setdefault(tenant if tenant in self._locked else "", []).append(index)
        return [indexes for indexes in groups.values() if indexes]

    def _announce(self, outcomes: Sequence[Written | Exception]) -> None:
        """Publishes one event per tenant, with the run's id if there is only one; synchronises the rates."""
        runs: dict[str, set[str]] = defaultdict(set)
        for outcome in outcomes:
            if isinstance(outcome, Written):
                runs[outcome.tenant_id] |= {
                    item.run_id for item in outcome.outcomes if isinstance(item, wire.CheckinAnswer)
                }
        publish(*(Event(tenant, "run", ids.pop() if len(ids) == 1 else "") for tenant, ids in runs.items() if ids))
        self.tally.settle(RATE, monotonic())


def _written(requests: Sequence[Request]) -> list[Written | Exception]:
    received = [ReceivedCheckin(request.caller, checkin) for request in requests for checkin in request.checkins]
    begin = monotonic()
    recorded = checkins.record(received, clock.now()) if received else []
    meters.observe("checkin_commit", COMMIT_LIMITS_S, monotonic() - begin)
    _count(received, recorded)
    outcomes = iter(recorded)
    return [_of_request(request, [next(outcomes) for _ in request.checkins]) for request in requests]


def _count(received: Sequence[ReceivedCheckin], outcomes: Sequence[Outcome]) -> None:
    """Counts check-ins by kind and result; not those that are tried again."""
    pairs = zip(received, outcomes, strict=True)
    found = Counter((item.checkin.kind, _result(outcome)) for item, outcome in pairs if not isinstance(outcome, Busy))
    for (kind, result), number in found.items():
        meters.add("checkins", kind if kind in checkins.KINDS else "unknown", result, amount=number)


def _result(outcome: Outcome) -> str:
    if isinstance(outcome, wire.CheckinAnswer):
        return "duplicate" if outcome.duplicate else "accepted"
    return "failed" if isinstance(outcome, Unavailable) or not isinstance(outcome, CrontopusError) else "refused"


def _of_request(request: Request, outcomes: list[Outcome]) -> Written | Exception:
    """Busy if one check-in is: all check-ins of a request belong to one tenant, so none was written."""
    busy = next((outcome for outcome in outcomes if isinstance(outcome, Busy)), None)
    return busy or Written(request.caller.tenant_id, outcomes)


@lru_cache(maxsize=1)
def intake() -> Intake:
    """The check-in state of this process."""
    return Intake()


@asynccontextmanager
async def serving() -> AsyncIterator[None]:
    """Runs the writer while this process serves. At the end, waiting requests are refused; running ones finish."""
    intake().writer.open()
    flushing = asyncio.create_task(_flush_meters())
    try:
        yield
    finally:
        flushing.cancel()
        await asyncio.to_thread(intake().writer.close)
        await asyncio.to_thread(meters.flush)


async def _flush_meters() -> None:
    while True:
        await asyncio.sleep(FLUSH_S)
        await asyncio.to_thread(meters.flush)
