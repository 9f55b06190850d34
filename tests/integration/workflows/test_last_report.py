"""The report of a run's end, which a local activity sends before anything else tries."""

import asyncio

import pytest
from flyteidl.core import execution_pb2 as core_execution_pb2
from temporalio.exceptions import ApplicationError

from flytetemporal.idl import phases
from tests.fixtures.engine_runs import EngineRuns, int_map
from tests.fixtures.waiting import bounded, eventually
from tests.integration.workflows.graphs import chain
from tests.integration.workflows.test_pauses import Operator


async def test_a_run_without_activities_takes_one_workflow_task(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        phase = await bounded(runs.outcome(chain(5, kind="echo"), int_map(a=7)))

    assert phase == "SUCCEEDED"
    (history,) = await runs.histories(runs.handles[0])
    tasks = [event for event in history.events if event.HasField("workflow_task_completed_event_attributes")]
    assert len(tasks) == 1
    assert runs.workflow_events[-1].phase == core_execution_pb2.WorkflowExecution.SUCCEEDED


async def test_the_last_report_is_repeated_for_an_admin_that_is_away_for_a_while(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.record_failure = ApplicationError("admin does not answer", type="Unavailable")

    async with runs.workers():
        running = asyncio.create_task(runs.outcome(chain(5, kind="echo"), int_map(a=7)))
        await eventually(lambda: runs.failed_reports > 1)  # The local activity, and the ordinary one.
        runs.record_failure = None
        phase = await bounded(running)

    assert phase == "SUCCEEDED"
    assert runs.workflow_events[-1].phase == core_execution_pb2.WorkflowExecution.SUCCEEDED
    ended = [e for e in runs.node_events if e.phase == core_execution_pb2.NodeExecution.SUCCEEDED]
    assert len(ended) == len({event.id.node_id for event in ended})


@pytest.mark.parametrize("arrives", ["abort", "pause"])
async def test_what_arrives_as_a_run_ends_does_not_change_an_end_that_is_decided(
    engine_runs: EngineRuns, arrives: str
) -> None:
    """Admin takes no end from the local activity then, since Temporal would repeat its workflow task."""
    runs = engine_runs

    async with runs.workers():
        handle = await runs.start(chain(2), int_map(a=7))

        async def arrive() -> None:
            runs.before_last_report = None
            await (handle.cancel() if arrives == "abort" else Operator(handle).pause())

        runs.before_last_report = arrive
        phase = await runs.wait(handle)

    assert phase == "SUCCEEDED"
    ends = [event.phase for event in runs.workflow_events if event.phase in phases.WORKFLOW_TERMINAL]
    assert ends == [core_execution_pb2.WorkflowExecution.SUCCEEDED]
    assert runs.before_last_report is None
    assert runs.phases()["end-node"][-1] == "SUCCEEDED"
