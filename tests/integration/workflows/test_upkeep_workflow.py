"""The rounds of a loop follow each other, one at a time, whatever happens to runs and workers."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from flytetemporal.cli.wiring.deadlock_timeout import set_deadlock_timeout
from flytetemporal.contracts import payloads, workflows
from flytetemporal.contracts.v1 import control_pb2, upkeep_pb2
from flytetemporal.idl import times
from flytetemporal.workflows.control import upkeep
from flytetemporal.workflows.control.sweeper import SweeperWorkflow
from flytetemporal.workflows.control.upkeep import UpkeepWorkflow
from tests.fixtures.waiting import HANG_SECONDS
from tests.integration.workflows.conftest import record

SOON = timedelta(milliseconds=1)


class Rounds:
    """The activity of a worker. ``wait`` is what each round asks for; ``known`` are the loops that the worker has."""

    def __init__(self, wait: timedelta = SOON) -> None:
        self.wait = wait
        self.known = {"tests"}
        self.started = 0
        self.most_at_once = 0
        self._open = 0

    @activity.defn(name="upkeep_round")
    async def upkeep_round(self, loop: upkeep_pb2.UpkeepLoop) -> upkeep_pb2.UpkeepRound:
        if loop.name not in self.known:
            return upkeep_pb2.UpkeepRound(unknown=True)
        self.started += 1
        self._open += 1
        self.most_at_once = max(self.most_at_once, self._open)
        await asyncio.sleep(0.01)
        self._open -= 1
        return upkeep_pb2.UpkeepRound(wait=times.duration(self.wait))

    async def reach(self, number: int) -> None:
        async with asyncio.timeout(HANG_SECONDS):
            while self.started < number:  # noqa: ASYNC110  the activity only counts
                await asyncio.sleep(0.02)


@asynccontextmanager
async def worker(client: Client, queue: str, activities: list[Callable[..., Awaitable[object]]]) -> AsyncIterator[None]:
    made = Worker(
        client,
        task_queue=queue,
        workflows=[UpkeepWorkflow, SweeperWorkflow],
        activities=activities,
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with set_deadlock_timeout(made):
        yield


async def start(client: Client, queue: str, loop: str = "tests") -> WorkflowHandle[object, object]:
    argument = upkeep_pb2.UpkeepLoop(name=loop)
    return await client.start_workflow(workflows.UPKEEP_WORKFLOW, argument, id=uuid.uuid4().hex, task_queue=queue)


async def status(handle: WorkflowHandle[object, object]) -> WorkflowExecutionStatus | None:
    async with asyncio.timeout(HANG_SECONDS):
        await handle.result()
    return (await handle.describe()).status


async def test_rounds_of_a_loop_follow_each_other_also_over_continued_runs(
    temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "ROUNDS", 2)
    queue, rounds = uuid.uuid4().hex, Rounds()

    async with worker(temporal, queue, [rounds.upkeep_round]):
        handle = await start(temporal, queue)
        await rounds.reach(5)
        await handle.terminate()

    assert rounds.most_at_once == 1


async def test_two_workers_share_the_rounds_and_one_goes_on_alone(temporal: Client) -> None:
    queue, rounds = uuid.uuid4().hex, Rounds()
    # A client takes one worker per queue.
    host = temporal.service_client.config.target_host
    second = await Client.connect(host, data_converter=payloads.DATA_CONVERTER)

    async with worker(temporal, queue, [rounds.upkeep_round]):
        async with worker(second, queue, [rounds.upkeep_round]):
            handle = await start(temporal, queue)
            await rounds.reach(10)
        await rounds.reach(rounds.started + 5)
        await handle.terminate()

    assert rounds.most_at_once == 1


async def test_a_loop_that_is_woken_runs_its_next_round_now(temporal: Client, request: pytest.FixtureRequest) -> None:
    queue, rounds = uuid.uuid4().hex, Rounds(timedelta(days=1))

    async with worker(temporal, queue, [rounds.upkeep_round]):
        handle = await start(temporal, queue)
        await rounds.reach(1)
        await handle.signal(workflows.WAKE)
        await rounds.reach(2)
        if request.config.getoption("--record-histories"):
            record(request, "0", await handle.fetch_history())
        await handle.terminate()


async def test_a_loop_that_no_worker_knows_ends(temporal: Client) -> None:
    queue, rounds = uuid.uuid4().hex, Rounds()
    rounds.known.clear()

    async with worker(temporal, queue, [rounds.upkeep_round]):
        handle = await start(temporal, queue)

        assert await status(handle) == WorkflowExecutionStatus.COMPLETED

    assert rounds.started == 0


async def test_the_sweeper_of_an_earlier_release_ends_as_it_continues_as_new(temporal: Client) -> None:
    queue = uuid.uuid4().hex

    async with worker(temporal, queue, [Rounds().upkeep_round]):
        handle = await temporal.start_workflow(
            workflows.SWEEPER_WORKFLOW, control_pb2.SweepState(rounds=100), id=queue, task_queue=queue
        )

        assert await status(handle) == WorkflowExecutionStatus.COMPLETED
