"""One thread writes what many hand in: in their order, once, and none is answered before it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest

from crontopus_app.base.errors import Conflict, Unavailable
from crontopus_app.monitoring.intake import writer
from crontopus_app.monitoring.intake.writer import Writer
from tests.fixtures.processes import wait_until

PATIENCE_S = 30
BROKEN = 42

Held = Writer[int, int]


class Desk:
    """Writes integers by doubling them, each time only after ``go`` is set."""

    def __init__(self, **options: Any) -> None:
        self.go, self.busy = Event(), Event()
        self.written: list[list[int]] = []
        self.announced = 0
        self.writer: Held = Writer(self.write, self.announce, **options)

    def write(self, items: list[int]) -> list[int | Exception]:
        self.busy.set()
        assert self.go.wait(PATIENCE_S)
        self.written.append(items)
        if 13 in items:
            raise RuntimeError("a defect")
        return [Conflict("odd") if item % 2 else item * 2 for item in items]

    def announce(self, outcomes: Sequence[int | Exception]) -> None:
        self.announced += len(outcomes)
        if BROKEN * 2 in outcomes:
            raise RuntimeError("a defect")

    async def hand_in(self, *items: int) -> list[asyncio.Task[int]]:
        """Each in a task that has come to its place in the queue."""
        tasks = [asyncio.create_task(self.writer.put(item)) for item in items]
        await asyncio.sleep(0)
        return tasks


@contextmanager
def opened(**options: Any) -> Iterator[Desk]:
    desk = Desk(**options)
    yield desk
    desk.go.set()
    desk.writer.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    with opened() as desk:
        yield desk


@pytest.fixture
def patient_desk() -> Iterator[Desk]:
    """After a small transaction the next one starts much later, unless enough items wait."""
    with opened(apart_s=float(PATIENCE_S)) as desk:
        yield desk


@pytest.fixture
def small_desk() -> Iterator[Desk]:
    """Three items may wait."""
    with opened(queue_weight=3) as desk:
        yield desk


async def until_set(event: Event) -> None:
    assert await asyncio.to_thread(event.wait, PATIENCE_S)


async def settled(tasks: Sequence[asyncio.Task[int]]) -> list[int | BaseException]:
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.gather(*tasks, return_exceptions=True)


async def busy_with(desk: Desk, item: int) -> list[asyncio.Task[int]]:
    """The thread is inside ``write`` with this item, and waits."""
    tasks = await desk.hand_in(item)
    await until_set(desk.busy)
    return tasks


async def test_what_comes_meanwhile_is_written_together_and_in_order(desk: Desk) -> None:
    tasks = await busy_with(desk, 2) + await desk.hand_in(4, 6, 8)
    assert not any(task.done() for task in tasks)
    desk.go.set()
    assert await settled(tasks) == [4, 8, 12, 16]
    assert desk.written == [[2], [4, 6, 8]]


async def test_a_refusal_is_for_the_one_refused(desk: Desk) -> None:
    desk.go.set()
    kept, refused, also_kept = await settled(await desk.hand_in(2, 3, 4))
    assert (kept, also_kept) == (4, 8)
    assert isinstance(refused, Conflict)


async def test_a_defect_is_answered_to_all_of_its_transaction_and_the_next_are_written(desk: Desk) -> None:
    first = await busy_with(desk, 2)
    bad = await desk.hand_in(13, 4)
    desk.go.set()
    assert await settled(first) == [4]
    assert [type(found) for found in await settled(bad)] == [RuntimeError, RuntimeError]
    assert await settled(await desk.hand_in(6)) == [12]


async def test_a_full_queue_refuses_and_what_waits_is_written(small_desk: Desk) -> None:
    desk = small_desk
    first = await busy_with(desk, 2)
    waiting = await desk.hand_in(4, 6, 8)
    with pytest.raises(Unavailable, match="Too many") as refused:
        await desk.writer.put(10)
    assert refused.value.retry_after > 0
    desk.go.set()
    assert await settled(first + waiting) == [4, 8, 12, 16]
    assert await settled(await desk.hand_in(10)) == [20]


async def test_what_is_heavy_goes_alone_but_goes(desk: Desk) -> None:
    tasks = await busy_with(desk, 2)
    heavy = [asyncio.create_task(desk.writer.put(item, writer.TRANSACTION_WEIGHT * item)) for item in (1, 4)]
    await asyncio.sleep(0)
    desk.go.set()
    answers = await settled([*tasks, *heavy])
    assert (answers[0], answers[2]) == (4, 8)
    assert desk.written == [[2], [1], [4]]


async def test_the_end_finishes_what_was_taken_and_refuses_the_rest(desk: Desk) -> None:
    taken, waiting = await busy_with(desk, 2), await desk.hand_in(4, 6)
    closing = asyncio.create_task(asyncio.to_thread(desk.writer.close))
    refused = await settled(waiting)
    assert [type(found) for found in refused] == [Unavailable, Unavailable]
    with pytest.raises(Unavailable, match="stopping"):
        await desk.writer.put(8)
    assert not taken[0].done()
    desk.go.set()
    await closing
    assert await settled(taken) == [4]
    assert desk.written == [[2]]
    desk.writer.open()
    assert await settled(await desk.hand_in(8)) == [16]


async def test_who_goes_away_is_written_all_the_same(desk: Desk) -> None:
    tasks = await busy_with(desk, 2)
    (gone,) = await desk.hand_in(4)
    gone.cancel()
    desk.go.set()
    assert isinstance((await settled([gone]))[0], asyncio.CancelledError)
    assert await settled([*tasks, *await desk.hand_in(6)]) == [4, 12]
    assert [item for items in desk.written for item in items] == [2, 4, 6]


def test_a_loop_that_ended_meanwhile_stops_nothing(desk: Desk) -> None:
    async def leave() -> None:
        await busy_with(desk, 2)

    asyncio.run(leave())
    desk.go.set()

    async def come() -> list[int | BaseException]:
        return await settled(await desk.hand_in(4))

    assert asyncio.run(come()) == [8]
    wait_until(lambda: desk.announced == 2, "both to be announced")


@pytest.mark.logs_errors
async def test_an_announcement_that_fails_stops_nothing(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.go.set()
    assert await desk.writer.put(BROKEN) == BROKEN * 2
    assert await desk.writer.put(4) == 8
    wait_until(lambda: desk.announced == 2, "the second announcement")
    assert [record.message for record in caplog.records] == ["Announcing the check-ins of 1 requests failed"]


async def test_what_comes_right_after_another_waits_for_company(
    patient_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = patient_desk
    desk.go.set()
    assert await settled(await desk.hand_in(2)) == [4]
    looks = looks_at(desk, monkeypatch)
    few = await desk.hand_in(*range(4, 2 * writer.ENOUGH + 2, 2))
    wait_until(lambda: len(few) in looks, "the thread's look at all but the last")
    last = await desk.hand_in(0)
    await settled([*few, *last])
    assert desk.written == [[2], [*range(4, 2 * writer.ENOUGH + 2, 2), 0]]


def looks_at(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many wait at each look of the thread; if that is enough, they are taken before another can join them."""
    looks: list[int] = []
    wait_for = desk.writer._change.wait_for

    def look(predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        return wait_for(lambda: looks.append(len(desk.writer._queue)) or predicate(), timeout)

    # The thread's own condition, of the standard library: nothing else says that it has looked and waits.
    monkeypatch.setattr(desk.writer._change, "wait_for", look)
    return looks


async def test_after_many_nothing_waits(patient_desk: Desk) -> None:
    desk = patient_desk
    first, many = await busy_with(desk, 2), await desk.hand_in(*range(4, 2 * writer.ENOUGH + 4, 2))
    desk.go.set()
    await settled([*first, *many])
    assert await settled(await desk.hand_in(0)) == [0]
    assert [len(items) for items in desk.written] == [1, writer.ENOUGH, 1]


async def test_the_end_waits_for_no_company(patient_desk: Desk) -> None:
    desk = patient_desk
    desk.go.set()
    await settled(await desk.hand_in(2))
    late, thread = await desk.hand_in(4), desk.writer._thread
    await asyncio.to_thread(desk.writer.close)
    assert [type(each) for each in await settled(late)] == [Unavailable]
    assert desk.written == [[2]]
    assert thread is not None
    assert not thread.is_alive()


async def test_after_a_moment_one_is_written_without_company(desk: Desk) -> None:
    desk.go.set()
    for item in (2, 4, 6):
        assert await settled(await desk.hand_in(item)) == [item * 2]
    assert desk.written == [[2], [4], [6]]
