import asyncio

import pytest

from flytetemporal.errors import Unavailable
from flytetemporal.storage.concurrency import for_each


async def test_results_come_in_the_order_of_the_items_and_a_bounded_number_runs_at_once() -> None:
    running, most = 0, 0

    async def double(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 * (number % 3))
        running -= 1
        return 2 * number

    assert await for_each(double, range(20), at_once=4) == [2 * number for number in range(20)]
    assert most == 4


async def test_an_error_cancels_the_others_and_is_raised_as_it_is() -> None:
    ended: list[int] = []

    async def work(number: int) -> None:
        try:
            if number == 1:
                raise Unavailable("down")
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    with pytest.raises(Unavailable, match="down"):
        await for_each(work, range(3), at_once=3)

    assert sorted(ended) == [0, 1, 2]
