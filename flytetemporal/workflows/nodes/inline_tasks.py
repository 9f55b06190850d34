"""Task types that run in the workflow, without an activity: ``echo`` (no command) and ``core-sleep`` (a timer)."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from flyteidl.event import event_pb2
from google.protobuf import duration_pb2, timestamp_pb2
from temporalio import workflow

from flytetemporal.contracts.v1 import execution_pb2, graph_pb2, operations_pb2
from flytetemporal.idl import locations, offloading, times
from flytetemporal.workflows import inputs as node_inputs
from flytetemporal.workflows.node import run as runs
from flytetemporal.workflows.node.node_run import NodeRun, Phase
from flytetemporal.workflows.node.outcomes import NodeFailure, Values, user_failure
from flytetemporal.workflows.node.suspension import NodeSuspended
from flytetemporal.workflows.versions import Patch

TaskPhase = core_execution_pb2.TaskExecution


async def echo(node: NodeRun, summary: graph_pb2.TaskSummary, inputs: execution_pb2.NodeInputs) -> Values:
    """Return the input as the output. Like Flyte's plugin, it takes one variable at most."""
    names, outputs = summary.input_names, summary.output_names
    if len(names) != len(outputs) or len(names) > 1:
        raise user_failure(
            "BadTaskDefinition",
            f"echo task [{summary.id.name}] has {len(names)} inputs and {len(outputs)} outputs; declare one of each",
        )
    await node.scope.run.workflow_task_budget.take_turn()
    values = await node_inputs.materialise(node, inputs)
    uri = locations.outputs_uri(node.output_dir())
    if values.literals is None:
        return _finish(node, summary, await _renamed(node, inputs, dict(zip(names, outputs, strict=True)), uri))
    mapped = literals_pb2.LiteralMap(
        literals={
            output: values.literals.literals[name]
            for name, output in zip(names, outputs, strict=True)
            if name in values.literals.literals
        }
    )
    return _finish(node, summary, node.store(mapped, uri))


async def core_sleep(node: NodeRun, summary: graph_pb2.TaskSummary, inputs: execution_pb2.NodeInputs) -> Values:
    """Wait for the duration that is the task's input; a duration of zero or less ends at once."""
    duration = duration_pb2.Duration()
    if not node.progress.HasField("wakes_at"):
        await node.scope.run.workflow_task_budget.take_turn()
        duration = _duration(node, await _given_duration(node, inputs))
        if node.attempt == 0:
            node.report(node.phase_event(Phase.RUNNING))
        report_task(node, summary, TaskPhase.RUNNING)
    try:
        await sleep_until_due(node, duration, _report_aborted)
    except (
        NodeSuspended,
        GeneratorExit,
    ):  # It sleeps on: suspended, or in a run that this worker evicted from its cache.
        raise
    except NodeFailure as failure:
        report_task(node, summary, TaskPhase.FAILED, error=failure.error)
        raise
    except BaseException:
        report_task(node, summary, TaskPhase.ABORTED)
        raise
    outputs = node.store(literals_pb2.LiteralMap(), locations.outputs_uri(node.output_dir()))
    return _finish(node, summary, outputs)


async def sleep_element(node: NodeRun, values: literals_pb2.LiteralMap) -> None:
    """Wait for the duration that is the input of an array's element."""
    await sleep_until_due(node, _duration(node, values))


def _report_aborted(node: NodeRun) -> None:
    report_task(node, node.scope.program.graph.tasks[node.node.task.task], TaskPhase.ABORTED)


async def sleep_until_due(
    node: NodeRun, duration: duration_pb2.Duration, report_aborted: Callable[[NodeRun], None] | None = None
) -> None:
    """Wait for ``duration``, or for what is left of it if the previous run or a suspended coroutine started it.

    Raises:
        NodeFailure: the sleep would end after the year 9999.
        NodeSuspended: many nodes sleep and this one can be suspended, because ``report_aborted`` is given.
    """
    progress = node.progress
    if not progress.HasField("wakes_at"):
        progress.wakes_at.CopyFrom(_due(node, duration))
    left = times.moment(progress.wakes_at) - workflow.now()
    if left > timedelta():
        if node.may_suspend and report_aborted is not None and node.scope.run.shared_timers.should_suspend:
            raise NodeSuspended(progress.wakes_at, report_aborted)
        until = operations_pb2.TimerWait(until=progress.wakes_at)
        async with node.idle(lambda wait: wait.timer.CopyFrom(until), timer=True):
            await node.scope.run.shared_timers.sleep(left, summary=f"{node.id} sleeps")
        await node.scope.run.workflow_task_budget.take_step()
    progress.ClearField("wakes_at")


def _due(node: NodeRun, duration: duration_pb2.Duration) -> timestamp_pb2.Timestamp:
    if duration.seconds < 0:
        return runs.now()
    try:
        return times.timestamp(workflow.now() + duration.ToTimedelta())
    except OverflowError as e:
        text = (
            f"node [{node.id}] sleeps for {duration.seconds} s, which end after the year 9999; sleep for a shorter time"
        )
        raise user_failure("SleepTooLong", text) from e


ECHO, CORE_SLEEP = "echo", "core-sleep"
DURATION = "duration"
TASK_TYPES: dict[str, Callable[[NodeRun, graph_pb2.TaskSummary, execution_pb2.NodeInputs], Awaitable[Values]]] = {
    ECHO: echo,
    CORE_SLEEP: core_sleep,
}


async def _renamed(node: NodeRun, inputs: execution_pb2.NodeInputs, outputs: Mapping[str, str], uri: str) -> Values:
    """Write stored inputs once more to ``uri``, each under the name of its output."""
    _require_patch(node)
    deferred = execution_pb2.DeferredInputs()
    deferred.CopyFrom(inputs.deferred)
    del deferred.bindings[:]
    for binding in inputs.deferred.bindings:
        if binding.var in outputs:
            deferred.bindings.add(var=outputs[binding.var], binding=binding.binding)
    located = await node_inputs.resolve_stored(node, deferred, [uri])
    return Values(located.literals if located.HasField("literals") else None, uri)


async def _given_duration(node: NodeRun, inputs: execution_pb2.NodeInputs) -> literals_pb2.LiteralMap:
    """Return the input ``duration``, read from the store if it is not inline."""
    values = await node_inputs.materialise(node, inputs)
    literals = values.literals
    given = literals.literals.get(DURATION) if literals is not None else None
    if literals is not None and (given is None or not offloading.is_offloaded(given)):
        return literals
    _require_patch(node)
    deferred = execution_pb2.DeferredInputs()
    if given is None:
        deferred.CopyFrom(inputs.deferred)
        kept = [binding for binding in inputs.deferred.bindings if binding.var == DURATION]
        del deferred.bindings[:]
        deferred.bindings.extend(kept)
    else:
        data = literals_pb2.BindingData(offloaded_metadata=given.offloaded_metadata)
        deferred.bindings.add(var=DURATION, binding=data)
    return (await node_inputs.resolve_stored(node, deferred, [], inlined=True)).literals


def _require_patch(node: NodeRun) -> None:
    """Fail the node in runs without the patch, which could not read stored inputs."""
    if not workflow.patched(Patch.INLINE_TASKS_BY_REFERENCE):
        raise user_failure(
            "InputsTooLarge", f"the inputs of node [{node.id}] are too large for a task without a container"
        )


def _duration(node: NodeRun, values: literals_pb2.LiteralMap) -> duration_pb2.Duration:
    literal = values.literals.get(DURATION)
    if literal is None or literal.scalar.primitive.WhichOneof("value") != "duration":
        raise user_failure(
            "BadTaskDefinition", f"the core-sleep task of node [{node.id}] needs an input 'duration' of type duration"
        )
    return literal.scalar.primitive.duration


def _finish(node: NodeRun, summary: graph_pb2.TaskSummary, outputs: Values) -> Values:
    report_task(node, summary, TaskPhase.SUCCEEDED, outputs.uri)
    event = node.phase_event(Phase.SUCCEEDED)
    event.output_uri = outputs.uri
    event.task_node_metadata.checkpoint_uri = node.checkpoint_dir(node.attempt)
    node.report(event)
    return outputs


def report_task(
    node: NodeRun,
    summary: graph_pb2.TaskSummary,
    phase: core_execution_pb2.TaskExecution.Phase,
    output_uri: str = "",
    error: core_execution_pb2.ExecutionError | None = None,
    reason: str = "",
) -> None:
    """Report a phase of a task attempt that no activity reports."""
    event = event_pb2.TaskExecutionEvent(
        task_id=summary.id,
        parent_node_execution_id=identifier_pb2.NodeExecutionIdentifier(
            node_id=node.id, execution_id=node.execution_id
        ),
        retry_attempt=node.attempt,
        producer_id=runs.PRODUCER,
        phase=phase,
        occurred_at=node.scope.run.event_clock.tick(),
        input_uri=node.inputs_uri,
        task_type=summary.type,
        event_version=1,
    )
    event.metadata.generated_name = node.generated_name(node.attempt)
    if summary.type in TASK_TYPES:
        event.metadata.plugin_identifier = summary.type
    if output_uri:
        event.output_uri = output_uri
    if error is not None:
        event.error.CopyFrom(error)
    if reason:
        event.reason = reason
        event.reasons.add(reason=reason, occurred_at=event.occurred_at)
    node.scope.run.reports.task(event)
