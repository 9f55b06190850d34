"""ExecutionWorkflow: load the graph, walk it, report the end."""

import asyncio
from datetime import timedelta

from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.event import event_pb2
from temporalio import workflow
from temporalio.exceptions import ApplicationError

from flytetemporal.contracts import activities, workflows
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.workflows import graph
from flytetemporal.workflows import run as runs
from flytetemporal.workflows.nodes import dispatch
from flytetemporal.workflows.outcomes import NodeFailure, Values, system_failure
from flytetemporal.workflows.run import Run, Scope
from flytetemporal.workflows.walk import Abort, Walk

Phase = core_execution_pb2.WorkflowExecution
LOAD_TIMEOUT = timedelta(seconds=60)


@workflow.defn(name=workflows.EXECUTION_WORKFLOW, sandboxed=False)
class ExecutionWorkflow:
    """The one Temporal workflow type that interprets every Flyte workflow."""

    @workflow.run
    async def run(self, argument: execution_pb2.ExecutionInput) -> execution_pb2.ExecutionOutcome:
        """Run the execution to its end; it fails or is cancelled as a Temporal workflow when the Flyte execution is."""
        run = Run(argument, graph.parse(await _graph_bytes(argument)))
        walk = Walk(Scope(run, run.graph.bodies[0], argument.metadata_dir), dispatch.run, Abort())
        run.reports.start(on_refusal=lambda code, text: walk.fail(system_failure(code, f"events were refused: {text}")))
        _report(run, Phase.RUNNING)
        try:
            outputs = await walk.run(
                Values(None if argument.inputs.uri else argument.inputs.literals, argument.inputs.uri)
            )
        except NodeFailure as failure:
            _report(run, Phase.FAILING, error=failure.error)
            _report(run, Phase.FAILED, error=failure.error)
            await _close(run)
            raise _application_error(failure.error) from failure
        except asyncio.CancelledError:
            _report(run, Phase.ABORTED)
            await _close(run)
            raise
        _report(run, Phase.SUCCEEDING)
        _report(run, Phase.SUCCEEDED, output_uri=outputs.uri)
        await _close(run)
        return execution_pb2.ExecutionOutcome(phase=Phase.SUCCEEDED, output_uri=outputs.uri)


async def _graph_bytes(argument: execution_pb2.ExecutionInput) -> bytes:
    if argument.WhichOneof("graph") == "inline_graph":
        return argument.inline_graph
    # A local activity: nothing else waits yet, and the result makes the history self-contained.
    loaded = await workflow.execute_local_activity(
        activities.load_graph, argument.stored_graph, start_to_close_timeout=LOAD_TIMEOUT
    )
    return loaded.gzipped


def _report(
    run: Run,
    phase: core_execution_pb2.WorkflowExecution.Phase,
    *,
    output_uri: str = "",
    error: core_execution_pb2.ExecutionError | None = None,
) -> None:
    event = event_pb2.WorkflowExecutionEvent(
        execution_id=run.execution_id, producer_id=runs.PRODUCER, phase=phase, occurred_at=runs.now()
    )
    if output_uri:
        event.output_uri = output_uri
    if error is not None:
        event.error.CopyFrom(error)
    run.reports.workflow(event)


async def _close(run: Run) -> None:
    """Deliver the last events. The end is decided by now: a cancellation that comes this late changes nothing."""
    closing = asyncio.create_task(run.reports.close())
    while not closing.done():
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            continue


def _application_error(error: core_execution_pb2.ExecutionError) -> ApplicationError:
    return ApplicationError(error.message[:1000], type=error.code, non_retryable=True)
