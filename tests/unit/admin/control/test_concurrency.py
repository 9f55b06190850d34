import asyncio

from flytetemporal.admin.control import concurrency


async def test_no_more_than_the_bound_run_at_once() -> None:
    running = most = 0

    async def repair(_: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    await concurrency.for_each(range(30), repair)

    assert most == concurrency.AT_ONCE


async def test_an_item_that_fails_leaves_no_other_unrepaired() -> None:
    repaired: list[int] = []

    async def repair(item: int) -> None:
        if item == 0:
            raise ValueError("broken")
        await asyncio.sleep(0)
        repaired.append(item)

    failed = await concurrency.for_each(range(20), repair)

    assert [str(error) for error in failed] == ["broken"]
    assert sorted(repaired) == list(range(1, 20))
