import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator

import pytest

from flytetemporal.activities.slots import AttemptSlots
from tests.fixtures.waiting import bounded


@contextlib.asynccontextmanager
async def reserving(slots: AttemptSlots) -> AsyncIterator["asyncio.Task[None]"]:
    """Call ``reserve`` in a task, and enter once it waits or has its permit."""
    task = asyncio.create_task(slots.reserve())
    for _ in range(3):
        await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_permits_are_issued_up_to_the_number_of_local_attempts() -> None:
    slots = AttemptSlots(2, 10)

    await slots.reserve()
    await slots.reserve()

    assert not slots.try_reserve()
    async with reserving(slots) as third:
        assert not third.done()
        slots.release()
        await bounded(third)


async def test_an_attempt_that_is_watched_frees_its_permit_for_another() -> None:
    slots = AttemptSlots(1, 10)
    await slots.reserve()

    async with reserving(slots) as second:
        assert not second.done()
        with slots.watching():
            await bounded(second)
            assert not slots.try_reserve()
        # One is local again and has not been released, the other still is.
        assert not slots.try_reserve()
        slots.release()
        assert not slots.try_reserve()
        slots.release()
        assert slots.try_reserve()


async def test_no_permit_is_issued_while_the_limit_of_watched_attempts_is_reached() -> None:
    slots = AttemptSlots(2, 3)
    with contextlib.ExitStack() as watched:
        for _ in range(3):
            assert slots.try_reserve()
            watched.enter_context(slots.watching())

        assert not slots.try_reserve()

    for _ in range(3):
        slots.release()
    assert slots.try_reserve()


async def test_polls_under_way_exceed_the_watched_attempts_by_less_than_the_local_ones() -> None:
    slots = AttemptSlots(3, 2)
    permits = 0
    with contextlib.ExitStack() as watched:
        while slots.try_reserve():
            permits += 1
            if permits >= 3:  # The first two stay polls.
                watched.enter_context(slots.watching())
        assert permits == 4
        for _ in range(2):
            watched.enter_context(slots.watching())

        assert not slots.try_reserve()


async def test_a_cancelled_reservation_takes_no_permit() -> None:
    slots = AttemptSlots(1, 10)
    await slots.reserve()

    async with reserving(slots) as cancelled:
        pass

    assert cancelled.cancelled()
    slots.release()
    assert slots.try_reserve()
    assert not slots.try_reserve()


async def test_a_reservation_that_is_cancelled_when_it_is_woken_leaves_the_permit_to_the_next() -> None:
    slots = AttemptSlots(1, 10)
    await slots.reserve()

    async with reserving(slots) as first, reserving(slots) as second:
        slots.release()
        first.cancel()

        await bounded(second)

    assert first.cancelled()
    assert not slots.try_reserve()


async def test_slots_can_be_released_from_other_threads() -> None:
    slots = AttemptSlots(4, 1000)
    held, most = 0, 0
    lock = threading.Lock()

    def release() -> None:
        nonlocal held
        with lock:
            held -= 1
        slots.release()

    async def attempt() -> None:
        nonlocal held, most
        await slots.reserve()
        with lock:
            held += 1
            most = max(most, held)
        await asyncio.to_thread(release)

    await bounded(asyncio.gather(*(attempt() for _ in range(500))))

    assert most <= 4
    assert [slots.try_reserve() for _ in range(5)] == [True] * 4 + [False]


def test_a_release_after_the_loop_has_closed_is_harmless() -> None:
    slots = AttemptSlots(1, 1)

    async def leave_waiting() -> None:
        await slots.reserve()
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        slots._waiters.append((loop, waiter))

    asyncio.run(leave_waiting())
    slots.release()

    assert slots.try_reserve()


async def test_a_failing_attempt_is_no_longer_watched() -> None:
    slots = AttemptSlots(1, 1)
    assert slots.try_reserve()

    with pytest.raises(ValueError, match="failed"), slots.watching():
        raise ValueError("failed")

    slots.release()
    assert slots.try_reserve()
    assert not slots.try_reserve()
