import asyncio

from flytetemporal.workflows.throttling.workflow_task_budget import WorkflowTaskBudget


async def test_turns_beyond_the_bound_wait_for_a_boundary_in_order() -> None:
    budget, order = WorkflowTaskBudget(turns=2), []

    async def node(number: int) -> None:
        await budget.take_turn()
        order.append(number)

    tasks = [asyncio.create_task(node(i)) for i in range(5)]
    await asyncio.sleep(0)
    first = list(order)
    budget.renew()
    await asyncio.sleep(0)
    second = list(order)
    budget.renew()
    await asyncio.gather(*tasks)

    assert first == [0, 1]
    assert second == [0, 1, 2, 3]
    assert order == [0, 1, 2, 3, 4]


async def test_a_waiter_that_was_cancelled_uses_no_turn() -> None:
    budget, order = WorkflowTaskBudget(turns=1), []

    async def node(number: int) -> None:
        await budget.take_turn()
        order.append(number)

    tasks = [asyncio.create_task(node(i)) for i in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    budget.renew()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert order == [0, 2]
