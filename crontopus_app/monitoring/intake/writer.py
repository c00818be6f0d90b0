"""Group commit: many requests hand in what is to be written, one thread writes all that waits at once.

While it writes, the next ones gather; so a transaction holds as many as came meanwhile. One that comes alone is written
at once; where only a few were written a moment ago it waits for that moment to pass, or for some more to come.

What is Busy is handed in again a moment later, and does not hold up the others meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any, Generic, TypeVar

from crontopus_app.base.errors import Busy, Unavailable

log = logging.getLogger(__name__)

# By weight: see ``put``.
TOGETHER = 500
WAITING = 12_000
# What is Busy is tried again so often, for so long; so much of it may wait.
LATER_S, LATER_FOR_S, LATER = 0.1, 5.0, 3000
# A transaction costs more than what it holds: the next after a small one begins so much later, or when so many wait.
APART_S = 0.02
ENOUGH = 8
# Less than whoever stops this process waits for it.
DRAIN_S = 4.0

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


@dataclass(eq=False)
class _Place(Generic[Item]):
    """One in the queue, and whom to tell."""

    item: Item
    weight: int
    told: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    until: float


class Writer(Generic[Item, Outcome]):
    """``write`` is given items in the order they came and gives an outcome for each, or an exception in its place.

    It is called in one thread, never twice at a time; ``then``, in the same thread, after all were answered.
    """

    def __init__(
        self,
        write: Callable[[list[Item]], Sequence[Outcome | Exception]],
        then: Callable[[Sequence[Outcome | Exception]], None],
    ) -> None:
        self._write, self._then = write, then
        self._queue: deque[_Place[Item]] = deque()
        self._later: list[_Place[Item]] = []
        self._later_at = 0.0
        self._weight = 0
        self._change = Condition()
        self._thread: Thread | None = None
        self._closed = False
        self._next = 0.0

    async def put(self, item: Item, weight: int = 1) -> Outcome:
        """The outcome, once it is durable; who is cancelled meanwhile is written all the same.

        ``weight`` says what an item costs beside others. Raises Unavailable where too much waits, or the end has come;
        and what ``write`` gave as this item's exception.
        """
        loop = asyncio.get_running_loop()
        place = _Place(item, weight, loop.create_future(), loop, time.monotonic() + LATER_FOR_S)
        with self._change:
            if self._closed:
                raise _stopping()
            if self._queue and self._weight + weight > WAITING:
                raise Unavailable("Too many check-ins are waiting: try again shortly.", part="ingest", retry_after=2)
            self._queue.append(place)
            self._weight += weight
            self._start()
            self._change.notify()
        return await place.told

    def _start(self) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._run, name="check-ins", daemon=True)
            self._thread.start()

    def open(self) -> None:
        """Takes again after ``close``; a new one is open."""
        with self._change:
            self._closed = False

    def close(self) -> None:
        """Returns when what was taken is written and answered; what still waits is answered Unavailable."""
        with self._change:
            self._closed = True
            rest, thread = [*self._queue, *self._later], self._thread
            self._queue.clear()
            self._later.clear()
            self._weight, self._thread = 0, None
            self._change.notify()
        _tell(rest, [_stopping()] * len(rest))
        if thread is not None:
            thread.join(DRAIN_S)

    def _run(self) -> None:
        while taken := self._take():
            outcomes = self._outcomes([place.item for place in taken])
            answered = self._postpone(taken, outcomes)
            _tell(answered, list(answered.values()))
            try:
                self._then(list(answered.values()))
            except Exception:
                # What was answered is durable; without this thread nothing would ever be written again.
                log.exception("what was written for %d requests was not announced", len(taken))

    def _take(self) -> list[_Place[Item]]:
        """What waits, up to what goes together; nothing at the end."""
        with self._change:
            self._wait()
            taken: list[_Place[Item]] = []
            weight = 0
            while self._queue and (not taken or weight + self._queue[0].weight <= TOGETHER):
                place = self._queue.popleft()
                weight += place.weight
                taken.append(place)
            self._weight -= weight
            self._next = time.monotonic() + (APART_S if len(taken) < ENOUGH else 0.0)
            return taken

    def _wait(self) -> None:
        """Until there is something to take, or the end."""
        while not (self._queue or self._closed):
            self._change.wait(self._until_later())
            self._hand_in_again()
        self._hand_in_again()
        soon = self._next - time.monotonic()
        self._change.wait_for(lambda: len(self._queue) >= ENOUGH or self._closed, max(0.0, soon))

    def _until_later(self) -> float | None:
        return max(0.0, self._later_at - time.monotonic()) if self._later else None

    def _hand_in_again(self) -> None:
        """What was Busy, first of all, if it is time."""
        if self._until_later() == 0.0:
            self._queue.extendleft(reversed(self._later))
            self._later.clear()

    def _postpone(
        self, taken: Sequence[_Place[Item]], outcomes: Sequence[Outcome | Exception]
    ) -> dict[_Place[Item], Outcome | Exception]:
        """The outcome of each, without those that are Busy and can wait."""
        now = time.monotonic()
        pairs = zip(taken, outcomes, strict=True)
        with self._change:
            return {place: outcome for place, outcome in pairs if not self._later_again(place, outcome, now)}

    def _later_again(self, place: _Place[Item], outcome: object, now: float) -> bool:
        if not isinstance(outcome, Busy) or self._closed or now >= place.until:
            return False
        if self._later and sum(each.weight for each in self._later) + place.weight > LATER:
            return False
        if not self._later:
            self._later_at = now + LATER_S
        self._later.append(place)
        self._weight += place.weight
        return True

    def _outcomes(self, items: list[Item]) -> Sequence[Outcome | Exception]:
        try:
            return self._write(items)
        except Exception as error:
            # A defect; each who waits is answered it, and the thread lives on.
            return [error] * len(items)


def _stopping() -> Unavailable:
    return Unavailable("The server is stopping: try again shortly.", part="ingest", retry_after=2)


def _tell(places: Collection[_Place[Any]], outcomes: Sequence[Any]) -> None:
    """Answers all, with one wake-up of each loop that waits."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = defaultdict(list)
    for place, outcome in zip(places, outcomes, strict=True):
        by_loop[place.loop].append((place.told, outcome))
    for loop, told in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, told)
        except RuntimeError as error:
            log.info("%d who handed something in are gone: %s", len(told), error)


def _settle(told: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, outcome in told:
        if future.done():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
