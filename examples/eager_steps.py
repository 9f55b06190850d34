"""An eager workflow: plain asynchronous Python, in which each call is a separate execution."""

import asyncio

from flytekit import eager, task


@task
async def collatz(number: int) -> int:
    return number // 2 if number % 2 == 0 else 3 * number + 1


@eager
async def eager_workflow(start: int = 6) -> int:
    left, right = await asyncio.gather(collatz(number=start), collatz(number=start + 1))
    return await collatz(number=max(left, right))
