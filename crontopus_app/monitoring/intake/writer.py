"""Group commit: many requests queue items, and one thread writes all queued items in one transaction.

While it writes, the next items queue up, so a transaction holds what arrived during the previous one. A single item is
written at once, unless a small transaction has just been written: then it waits for a moment, or for more items.

An item that is Busy is queued again a moment later, and does not delay the others.
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

# Limits by weight (see ``put``): of one transaction, and of the queue.
TRANSACTION_WEIGHT = 500
QUEUE_WEIGHT = 12_000
# Busy items: seconds between attempts, seconds until giving up, and limit by weight.
RETRY_S, RETRY_FOR_S, RETRY_WEIGHT = 0.1, 5.0, 3000
# After a transaction of fewer than ENOUGH items, the next one starts APART_S later, or as soon as ENOUGH items wait.
APART_S = 0.02
ENOUGH = 8
# Shorter than the supervisor's timeout for stopping this process.
DRAIN_S = 4.0

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


@dataclass(eq=False)
class _Entry(Generic[Item]):
    """A queued item, and the future of its outcome."""

    item: Item
    weight: int
    answer: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    until: float


class Writer(Generic[Item, Outcome]):
    """Calls ``write`` with items in their order; it returns an outcome or an exception for each.

    ``write`` runs in one thread, never concurrently; ``then`` runs in the same thread after all requests are answered.
    """

    def __init__(
        self,
        write: Callable[[list[Item]], Sequence[Outcome | Exception]],
        then: Callable[[Sequence[Outcome | Exception]], None],
        *,
        queue_weight: int = QUEUE_WEIGHT,
        apart_s: float = APART_S,
        retry_for_s: float = RETRY_FOR_S,
    ) -> None:
        self._write, self._then = write, then
        self._queue_weight, self._apart_s, self._retry_for_s = queue_weight, apart_s, retry_for_s
        self._queue: deque[_Entry[Item]] = deque()
        self._retries: list[_Entry[Item]] = []
        self._retry_at = 0.0
        self._weight = 0
        self._change = Condition()
        self._thread: Thread | None = None
        self._closed = False
        self._earliest = 0.0

    async def put(self, item: Item, weight: int = 1) -> Outcome:
        """Returns the outcome, once it is durable. A cancelled caller's item is still written.

        ``weight`` is the item's share of the limits. Raises Unavailable if the queue is full or closed, and the
        exception that ``write`` returned for the item.
        """
        loop = asyncio.get_running_loop()
        entry = _Entry(item, weight, loop.create_future(), loop, time.monotonic() + self._retry_for_s)
        with self._change:
            if self._closed:
                raise _stopping()
            if self._queue and self._weight + weight > self._queue_weight:
                raise Unavailable("Too many check-ins are waiting. Try again shortly.", part="ingest", retry_after=2)
            self._queue.append(entry)
            self._weight += weight
            self._start()
            self._change.notify()
        return await entry.answer

    def _start(self) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._run, name="check-ins", daemon=True)
            self._thread.start()

    def open(self) -> None:
        """Accepts items again after ``close``. A new writer is open."""
        with self._change:
            self._closed = False

    def close(self) -> None:
        """Answers waiting items with Unavailable, and returns when the running transaction has ended."""
        with self._change:
            self._closed = True
            waiting, thread = [*self._queue, *self._retries], self._thread
            self._queue.clear()
            self._retries.clear()
            self._weight, self._thread = 0, None
            self._change.notify()
        _answer(waiting, [_stopping()] * len(waiting))
        if thread is not None:
            thread.join(DRAIN_S)

    def _run(self) -> None:
        while batch := self._next_batch():
            outcomes = self._outcomes([entry.item for entry in batch])
            answered = self._without_retries(batch, outcomes)
            _answer(answered, list(answered.values()))
            try:
                self._then(list(answered.values()))
            except Exception:
                # The items are durable; the thread must go on for the next ones.
                log.exception("Announcing the check-ins of %d requests failed", len(batch))

    def _next_batch(self) -> list[_Entry[Item]]:
        """The waiting items, up to the limit of a transaction; empty after ``close``."""
        with self._change:
            self._wait()
            batch: list[_Entry[Item]] = []
            weight = 0
            while self._queue and (not batch or weight + self._queue[0].weight <= TRANSACTION_WEIGHT):
                entry = self._queue.popleft()
                weight += entry.weight
                batch.append(entry)
            self._weight -= weight
            self._earliest = time.monotonic() + (self._apart_s if len(batch) < ENOUGH else 0.0)
            return batch

    def _wait(self) -> None:
        """Waits until a transaction should start, or until ``close``."""
        while not (self._queue or self._closed):
            self._change.wait(self._until_retry())
            self._requeue()
        self._requeue()
        soon = self._earliest - time.monotonic()
        self._change.wait_for(lambda: len(self._queue) >= ENOUGH or self._closed, max(0.0, soon))

    def _until_retry(self) -> float | None:
        return max(0.0, self._retry_at - time.monotonic()) if self._retries else None

    def _requeue(self) -> None:
        """Puts the Busy items at the front of the queue, if it is time."""
        if self._until_retry() == 0.0:
            self._queue.extendleft(reversed(self._retries))
            self._retries.clear()

    def _without_retries(
        self, batch: Sequence[_Entry[Item]], outcomes: Sequence[Outcome | Exception]
    ) -> dict[_Entry[Item], Outcome | Exception]:
        """The outcomes, without the Busy items that are tried again."""
        now = time.monotonic()
        pairs = zip(batch, outcomes, strict=True)
        with self._change:
            return {entry: outcome for entry, outcome in pairs if not self._retry(entry, outcome, now)}

    def _retry(self, entry: _Entry[Item], outcome: object, now: float) -> bool:
        if not isinstance(outcome, Busy) or self._closed or now >= entry.until:
            return False
        if self._retries and sum(retry.weight for retry in self._retries) + entry.weight > RETRY_WEIGHT:
            return False
        if not self._retries:
            self._retry_at = now + RETRY_S
        self._retries.append(entry)
        self._weight += entry.weight
        return True

    def _outcomes(self, items: list[Item]) -> Sequence[Outcome | Exception]:
        try:
            return self._write(items)
        except Exception as error:
            # A bug: answer it to all of the batch, and keep the thread running.
            return [error] * len(items)


def _stopping() -> Unavailable:
    return Unavailable("The server is stopping. Try again shortly.", part="ingest", retry_after=2)


def _answer(entries: Collection[_Entry[Any]], outcomes: Sequence[Any]) -> None:
    """Sets the outcomes of all entries, waking each event loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = defaultdict(list)
    for entry, outcome in zip(entries, outcomes, strict=True):
        by_loop[entry.loop].append((entry.answer, outcome))
    for loop, answer in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, answer)
        except RuntimeError as error:
            log.info("%d requests ended before their check-ins were written: %s", len(answer), error)


def _settle(answer: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, outcome in answer:
        if future.done():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
