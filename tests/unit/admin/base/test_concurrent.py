"""Concurrent work ends as a whole."""

import asyncio

import pytest

from flytetemporal import errors
from flytetemporal.admin.base import concurrent


async def test_all_are_run_at_once() -> None:
    both = asyncio.Barrier(2)

    await concurrent.finish_all(both.wait(), both.wait())


async def test_after_a_failure_nothing_runs_and_the_error_is_raised() -> None:
    ended = asyncio.Event()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise errors.Unavailable("the store does not answer")

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(errors.Unavailable, match="the store does not answer"):
        await concurrent.finish_all(waits(), fails())

    assert ended.is_set()
