"""ExecutionWorkflow: load the graph, walk it, report the end of the execution."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import timedelta

from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.event import event_pb2
from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

from flytetemporal.contracts import activities, workflows
from flytetemporal.contracts.v1 import edits_pb2, execution_pb2, operations_pb2, pauses_pb2
from flytetemporal.errors import FlyteError
from flytetemporal.idl import naming, times
from flytetemporal.workflows import cancellation
from flytetemporal.workflows.node import graph
from flytetemporal.workflows.node import run as runs
from flytetemporal.workflows.node.child_outcomes import ChildOutcomes
from flytetemporal.workflows.node.outcomes import NodeFailure, Values, system_failure, user_failure
from flytetemporal.workflows.node.run import Program, Run, Scope
from flytetemporal.workflows.node.signals import SignalCounts
from flytetemporal.workflows.node.wait_registry import WaitRegistry
from flytetemporal.workflows.nodes import dispatch
from flytetemporal.workflows.operators.clocks import Clock
from flytetemporal.workflows.operators.edits import Edits
from flytetemporal.workflows.operators.pauses import Pauses
from flytetemporal.workflows.run_state import ContinueAsNewRequested
from flytetemporal.workflows.versions import Patch
from flytetemporal.workflows.walk import Walk

Phase = core_execution_pb2.WorkflowExecution
LOAD_TIMEOUT = timedelta(seconds=60)


@workflow.defn(name=workflows.EXECUTION_WORKFLOW, sandboxed=False)
class ExecutionWorkflow:
    """The one Temporal workflow type that interprets every Flyte workflow."""

    # Signals can be handled before ``run`` has started, so what they fill exists from the start.
    def __init__(self) -> None:
        self._signals = SignalCounts()
        self._children = ChildOutcomes()
        self._waits = WaitRegistry()
        self._edits = Edits()
        self._pauses = Pauses()

    @workflow.signal(name=workflows.SIGNAL_SET)
    def signal_set(self, signal_id: str) -> None:
        """Count that a Flyte signal has a new value; the gate reads the value from admin."""
        self._signals.increment(signal_id)

    @workflow.signal(name=workflows.CHILD_ENDED)
    def child_ended(self, state: execution_pb2.ChildState) -> None:
        """Record the outcome of an execution that a launch plan node started."""
        self._children.add(state)

    @workflow.signal(name=workflows.PAUSES)
    def pauses(self, given: pauses_pb2.Pauses) -> None:
        """Take over the pauses that apply to the execution now."""
        # A worker without pauses ignores the signal and lets nodes start, so a replay must let them start as well.
        if workflow.patched(Patch.PAUSES):
            self._pauses.update(given)

    @workflow.query(name=workflows.QUERY_WAITS)
    def waits(self, node_id: str) -> operations_pb2.Waits:
        """Return what one node, or every node that has not ended, waits for."""
        answer = self._waits.answer(node_id)
        answer.revision = self._edits.revision
        for wait in answer.waits:
            wait.will_be_skipped = self._edits.will_skip(wait.node_id)
        return answer

    # An execution that ends, or fails to read its graph, leaves edits unanswered; admin asks again.
    @workflow.update(name=workflows.EDIT, unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)
    async def edit(self, command: edits_pb2.EditCommand) -> edits_pb2.EditResponse:
        """Apply an edit and return its answer."""
        if not self._edits.is_open:
            await workflow.wait_condition(lambda: self._edits.is_open)
        with _refusals():
            return self._edits.apply(command)

    @edit.validator
    def check_edit(self, command: edits_pb2.EditCommand) -> None:
        """Refuse an edit that cannot be applied; nothing of it is recorded."""
        if self._edits.is_open:  # Otherwise it is checked when the run knows its nodes.
            with _refusals():
                self._edits.check(command)

    @workflow.run
    async def run(self, argument: execution_pb2.ExecutionInput) -> execution_pb2.ExecutionOutcome:
        """Run the execution to its end. The Temporal workflow fails or is cancelled if the Flyte execution is."""
        run = Run(
            argument,
            signals=self._signals,
            children=self._children,
            waits=self._waits,
            edits=self._edits,
            pauses=self._pauses,
        )
        try:
            outputs = await _walk(run)
        except ContinueAsNewRequested as requested:
            # Taken only now: what arrived while the state was stored counts as well.
            requested.argument.pauses.CopyFrom(self._pauses.message)
            if self._edits.revision:
                requested.argument.edits.CopyFrom(self._edits.message)
            workflow.continue_as_new(requested.argument, task_timeout=workflow.info().task_timeout)
        except NodeFailure as failure:
            _report(run, Phase.FAILED, error=failure.error)
            await _close(run, execution_pb2.ExecutionOutcome(phase=Phase.FAILED, error=failure.error))
            raise _application_error(failure.error) from failure
        except asyncio.CancelledError:
            _report(run, Phase.ABORTED)
            await _close(run, execution_pb2.ExecutionOutcome(phase=Phase.ABORTED))
            raise
        _report(run, Phase.SUCCEEDING)
        _report(run, Phase.SUCCEEDED, output_uri=outputs.uri)
        outcome = execution_pb2.ExecutionOutcome(phase=Phase.SUCCEEDED, output_uri=outputs.uri)
        await _close(run, outcome)
        return outcome


async def _walk(run: Run) -> Values:
    """Walk the whole graph."""
    argument = run.argument
    run.reports.start()
    await run.state.restore()
    run.recovery.restore(run.state.strangers())
    run.graph = graph.parse(await _graph_bytes(argument))
    run.edits.open(run.state.standing, run.parallelism.resize, run.state.forget_memory)
    program = Program(run.graph, argument.tasks)
    walk = Walk(
        Scope(run, program, run.graph.bodies[0], argument.metadata_dir),
        dispatch.run,
        on_failing=lambda failure: _report(run, Phase.FAILING, error=failure.error),
    )
    run.reports.on_refusal(lambda code, text: walk.fail(system_failure(code, f"events were refused: {text}")))
    if argument.WhichOneof("state") is None:
        await _wait_queued(run)
        _report(run, Phase.RUNNING)
    # In this order on every replay: both tasks issue commands.
    limit = asyncio.create_task(_end_late(run, walk))
    continuation = asyncio.create_task(run.continuation.watch())
    try:
        return await walk.run(Values(None if argument.inputs.uri else argument.inputs.literals, argument.inputs.uri))
    finally:
        limit.cancel()
        continuation.cancel()


async def _wait_queued(run: Run) -> None:
    """Keep an execution that was launched while it is paused QUEUED."""
    if run.pauses.blocking(()) is not None:
        _report(run, Phase.QUEUED)
        await run.pauses.resumed(())
        run.state.began_at.FromDatetime(workflow.now())  # From here on counts the maximum duration.


async def _end_late(run: Run, walk: Walk) -> None:
    """Fail the execution when it has run for its maximum, without pauses; its failure node runs anyway."""
    limit = times.limit(run.argument.settings.timeout)
    if not limit:
        return
    clock = Clock(run.pauses, (), run.state.began_at, run.state.stopped_clock)
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    try:
        await clock.within(limit, never)
    except TimeoutError:
        text = f"the execution has run longer than its maximum of {times.go_text(limit)}"
        walk.fail(user_failure("ExecutionTimedOut", text))


async def _graph_bytes(argument: execution_pb2.ExecutionInput) -> bytes:
    if argument.WhichOneof("graph") == "inline_graph":
        return argument.inline_graph
    # A local activity: nothing else runs yet that its workflow task could hold up, and the history contains the graph.
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
        execution_id=run.execution_id, producer_id=runs.PRODUCER, phase=phase, occurred_at=run.event_clock.tick()
    )
    if output_uri:
        event.output_uri = output_uri
    if error is not None:
        event.error.CopyFrom(error)
    run.reports.workflow(event)


async def _close(run: Run, outcome: execution_pb2.ExecutionOutcome) -> None:
    """Deliver the last events. The end is decided by now, so a cancellation that arrives this late changes nothing."""
    with contextlib.suppress(asyncio.CancelledError):
        await cancellation.wait_until_done([asyncio.create_task(_deliver(run, outcome))])


async def _deliver(run: Run, outcome: execution_pb2.ExecutionOutcome) -> None:
    await run.reports.close()
    waiting = run.argument.launched_by
    if run.argument.HasField("parent"):
        waiting = naming.temporal_workflow_id(run.argument.parent.execution_id)
    if not waiting:
        return
    state = execution_pb2.ChildState(execution_id=run.execution_id, outcome=outcome)
    # The workflow may have ended. If the signal is lost otherwise, it polls for the outcome.
    with contextlib.suppress(FailureError):
        await workflow.get_external_workflow_handle(waiting).signal(workflows.CHILD_ENDED, state)


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Raise the refusal of an edit as an error that fails the update, not the workflow task."""
    try:
        yield
    except FlyteError as e:
        raise ApplicationError(e.message, type=type(e).__name__, non_retryable=True) from None


def _application_error(error: core_execution_pb2.ExecutionError) -> ApplicationError:
    return ApplicationError(error.message[:1000], type=error.code, non_retryable=True)
