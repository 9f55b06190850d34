import asyncio

from flytetemporal.workflows.throttling.slots import Slots


async def test_a_slot_that_was_given_back_early_is_free_once() -> None:
    slots = Slots("max_parallelism", 1)

    async with slots.held("n0"):
        assert not slots.is_free
        slots.give_back("n0")
        slots.give_back("n0")
        assert slots.is_free
        async with slots.held("n1"):
            assert list(slots.wait().holders) == ["n1"]
            assert not slots.is_free

    assert slots.is_free
    async with slots.held("n2"):
        assert not slots.is_free


async def test_no_limit_is_never_full() -> None:
    slots = Slots("max_parallelism", 0)

    async with slots.held("n0"):
        assert slots.is_free
    slots.give_back("n0")


async def test_waiters_come_in_their_order() -> None:
    slots, order = Slots("max_parallelism", 1), []

    async def wait(name: str) -> None:
        async with slots.held(name):
            order.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(*(wait(f"n{i}") for i in range(4)))

    assert order == ["n0", "n1", "n2", "n3"]
