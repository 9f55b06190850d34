import asyncio
import dataclasses
from datetime import timedelta
from typing import Any, cast

import pytest
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from flytetemporal.activities.heartbeats import HeartbeatInterceptor, beating
from tests.fixtures.waiting import bounded


class Work(ActivityInboundInterceptor):
    """An activity that ends when it has been heard of often enough."""

    def __init__(self, beats: int) -> None:
        self._beats = beats
        self._enough = asyncio.Event()
        self.heard = 0

    def hear(self, *_: Any) -> None:
        self.heard += 1
        if self.heard == self._beats:
            self._enough.set()

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        if self._beats:
            await bounded(self._enough.wait())
        else:
            await asyncio.sleep(0.05)
        return "done"


async def intercepted(work: Work, heartbeat_timeout: timedelta | None) -> Any:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, heartbeat_timeout=heartbeat_timeout)
    environment.on_heartbeat = work.hear
    execute = HeartbeatInterceptor().intercept_activity(work).execute_activity
    return await environment.run(execute, cast("ExecuteActivityInput", None))


async def test_an_activity_is_heard_of_as_long_as_it_works() -> None:
    assert await intercepted(Work(3), timedelta(milliseconds=30)) == "done"


@pytest.mark.parametrize("heartbeat_timeout", [None, timedelta(), timedelta(hours=1)])
async def test_nothing_is_heard_of_what_is_over_before_a_beat_is_due(heartbeat_timeout: timedelta | None) -> None:
    work = Work(0)

    assert await intercepted(work, heartbeat_timeout) == "done"
    assert work.heard == 0


async def test_a_heartbeat_tells_what_is_known_then() -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    environment = ActivityEnvironment()
    environment.on_heartbeat = heard.put_nowait
    known = ["before"]

    async def work() -> tuple[str, str]:
        async with beating(0.01, lambda: (known[-1],)):
            first = await bounded(heard.get())
            known.append("after")
            while (second := await bounded(heard.get())) == first:
                pass
            return first, second

    assert await environment.run(work) == ("before", "after")
