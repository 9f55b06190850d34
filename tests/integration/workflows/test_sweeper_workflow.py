import asyncio
import uuid

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from flytetemporal.cli.wiring.deadlock_timeout import set_deadlock_timeout
from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import control_pb2
from flytetemporal.workflows.control import sweeper
from flytetemporal.workflows.control.sweeper import SweeperWorkflow
from tests.fixtures.waiting import HANG_SECONDS


async def test_rounds_follow_each_other_also_over_continued_runs(temporal: Client) -> None:
    seen: list[int] = []

    @activity.defn
    async def sweep(state: control_pb2.SweepState) -> control_pb2.SweepResult:
        seen.append(state.rounds)
        return control_pb2.SweepResult(state=control_pb2.SweepState(rounds=state.rounds + 1))

    interval, rounds = sweeper.INTERVAL, sweeper.ROUNDS
    sweeper.INTERVAL, sweeper.ROUNDS = interval / 1000, 2
    try:
        queue = uuid.uuid4().hex
        worker = Worker(
            temporal,
            task_queue=queue,
            workflows=[SweeperWorkflow],
            activities=[sweep],
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        async with set_deadlock_timeout(worker):
            handle = await temporal.start_workflow(
                workflows.SWEEPER_WORKFLOW, control_pb2.SweepState(), id=queue, task_queue=queue
            )
            async with asyncio.timeout(HANG_SECONDS):
                while len(seen) < 5:  # noqa: ASYNC110  the activity only appends
                    await asyncio.sleep(0.05)
            await handle.terminate()
    finally:
        sweeper.INTERVAL, sweeper.ROUNDS = interval, rounds

    assert seen[:5] == [0, 1, 2, 3, 4]
