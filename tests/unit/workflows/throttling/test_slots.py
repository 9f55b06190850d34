import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

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


async def test_more_slots_let_waiters_in_and_fewer_let_holders_finish() -> None:
    slots, running = Slots("max_parallelism", 1), set()

    async def hold(name: str, until: asyncio.Event) -> None:
        async with slots.held(name):
            running.add(name)
            await until.wait()
        running.remove(name)

    doors = {name: asyncio.Event() for name in ("n0", "n1", "n2", "n3")}
    holding = [asyncio.create_task(hold(name, door)) for name, door in doors.items()]
    await asyncio.sleep(0)
    slots.resize(3)
    await asyncio.sleep(0)
    assert running == {"n0", "n1", "n2"}
    slots.resize(1)
    doors["n0"].set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert running == {"n1", "n2"}
    slots.resize(0)
    await asyncio.sleep(0)
    assert running == {"n1", "n2", "n3"}
    assert slots.is_free
    for door in doors.values():
        door.set()
    await asyncio.gather(*holding)


class SlotsMachine(RuleBasedStateMachine):
    """Holders come, go and give up, and the limit changes: no slot is lost, and none is given twice."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.slots = Slots("max_parallelism", 2)
        self.limit = 2
        self.came: list[str] = []
        self.inside: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.doors: dict[str, asyncio.Event] = {}

    def settle(self) -> None:
        async def turns() -> None:
            for _ in range(5):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())

    async def hold(self, name: str) -> None:
        async with self.slots.held(name):
            self.inside.append(name)
            try:
                await self.doors[name].wait()
            finally:
                self.inside.remove(name)

    @rule()
    def come(self) -> None:
        name = f"n{len(self.came)}"
        self.came.append(name)
        self.doors[name] = asyncio.Event()
        self.tasks[name] = self.loop.create_task(self.hold(name))
        self.settle()

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), at_once=st.booleans())
    def give_up(self, data: st.DataObject, *, at_once: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.tasks)))
        if at_once and self.inside:  # The slot that is freed may be that of the waiter that gives up.
            self.doors[self.inside[0]].set()
        self.tasks.pop(name).cancel()
        self.settle()

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.doors[data.draw(st.sampled_from(sorted(self.inside)))].set()
        self.settle()

    @rule(limit=st.integers(0, 4))
    def resize(self, limit: int) -> None:
        self.slots.resize(limit)
        self.limit = limit
        self.settle()

    @invariant()
    def slots_are_used_and_not_overused(self) -> None:
        waiting = [name for name, task in self.tasks.items() if not task.done() and name not in self.inside]
        assert self.slots.is_free == (not waiting and (not self.limit or len(self.inside) < self.limit))
        if waiting:
            assert self.limit
            assert len(self.inside) >= self.limit
            late = [name for name in self.inside if self.came.index(name) > self.came.index(waiting[0])]
            assert late == []

    def teardown(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        self.settle()
        self.loop.close()


SlotsMachine.TestCase.settings = settings(deadline=None, max_examples=60, stateful_step_count=30)
TestSlotsHoldWhatTheyPromise = SlotsMachine.TestCase
