"""Eager workflows: one that uses results, one whose process dies, and one whose code fails while an execution
that it launched still runs."""

import asyncio
import os
import signal

from flytekit import eager, task


@task
def add(a: int) -> int:
    return a + 1


@task
async def long(seconds: int) -> int:
    await asyncio.sleep(seconds)
    return seconds


@eager
async def sums(a: int = 1) -> int:
    first = add(a=a)
    return first + add(a=first)


@eager
async def gives_up() -> int:
    running = asyncio.create_task(long(seconds=600))
    await asyncio.sleep(5)
    if not running.done():
        raise ValueError("gave up")
    return 0


@eager
async def comes_back(a: int = 1) -> int:
    first = add(a=a)
    if os.environ["FLYTE_ATTEMPT_NUMBER"] == "0":
        os.kill(os.getpid(), signal.SIGKILL)
    return first
