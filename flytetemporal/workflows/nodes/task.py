"""Task nodes: one activity per attempt, the retries around it, and the task types that need no activity."""

import asyncio
import functools
import hashlib
from datetime import timedelta

from flyteidl.core import catalog_pb2, identifier_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.event import event_pb2
from temporalio import workflow
from temporalio.common import Priority, RetryPolicy

from flytetemporal.contracts import activities, workflows
from flytetemporal.contracts.v1 import caching_pb2, execution_pb2, graph_pb2, operations_pb2
from flytetemporal.idl import error_text, locations, times
from flytetemporal.workflows import attempts, cancellation
from flytetemporal.workflows.attempts import TIMEOUT_EXPIRED, Budget, Retry
from flytetemporal.workflows.node import run as runs
from flytetemporal.workflows.node.cache_lookups import UNKNOWN
from flytetemporal.workflows.node.node_run import NodeRun, Phase
from flytetemporal.workflows.node.outcomes import NodeFailure, Values
from flytetemporal.workflows.nodes import cached_dynamic, cached_tasks, dynamic, inline_tasks
from flytetemporal.workflows.operators import pauses
from flytetemporal.workflows.operators.pauses import Stop
from flytetemporal.workflows.versions import Patch
from flytetemporal.workflows.walk import Walk

TaskPhase = core_execution_pb2.TaskExecution
# Temporal requires a timeout. The activity itself enforces the deadline of a task, because it can clean up; it excludes
# the time that the attempt waits for a container.
UNLIMITED = timedelta(days=3650)
MAX_FAIRNESS_KEY_BYTES = 64
# The attempts before the previous one in which a checkpoint is looked for. Each adds its directory to the argument.
OLDER_CHECKPOINTS = 50
RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(seconds=60)
)


async def run(walk: Walk, node: NodeRun, inputs: execution_pb2.NodeInputs) -> Values:
    """Run attempts until one succeeds or the budgets are spent."""
    summary = node.scope.program.graph.tasks[node.node.task.task]
    inline_task = inline_tasks.TASK_TYPES.get(summary.type)
    if inline_task is not None:
        return await attempts.with_deadline(
            node, lambda attempt: inline_task(attempt, summary, inputs), summary.retries, summary.id.name
        )
    budget = attempts.budget_of(node, summary.retries, summary.id.name)
    dynamic.take_up(node)
    while True:
        await attempts.wait_out_pause(node, budget)
        budget = attempts.budget_of(node, summary.retries, summary.id.name)  # Operators can have changed it.
        if budget.progress.HasField("dynamic"):
            try:
                of_task = functools.partial(task_attempt, node, inputs, budget)
                return await dynamic.run(walk, node, budget.attempt, of_task)
            except dynamic.ChildTimedOut as failed:
                budget.progress.ClearField("dynamic")
                budget.progress.ClearField("cache")
                await attempts.pause(node, budget, budget.after(failed.error, recoverable=True), failed.error)
                continue
        result = await _run_unless_stopped(node, summary, inputs, budget)
        if result is None:
            budget.repeat()
            continue
        # Asked before is_cancelled: an attempt that succeeds while it is being cancelled has succeeded.
        if result.WhichOneof("outcome") == "outputs" and not result.dynamic:
            node.scope.run.reports.forward(result.unreported)
            return _succeed(node, result, budget.attempt)
        _keep_deck(node, result)
        if cancellation.is_cancelled():  # It failed while it was being stopped: no attempt follows.
            node.scope.run.reports.forward(result.unreported)
            raise asyncio.CancelledError
        if result.dynamic:
            node.scope.run.reports.forward(result.unreported)
            # Its presence makes the next round, or the next run, walk the workflow that the attempt generated.
            budget.progress.dynamic.SetInParent()
            cached_dynamic.keep(node, result)
            continue
        await attempts.pause(node, budget, _account(node, budget, result), result.failure.error)


async def _run_unless_stopped(
    node: NodeRun, summary: graph_pb2.TaskSummary, inputs: execution_pb2.NodeInputs, budget: Budget
) -> execution_pb2.TaskAttemptResult | None:
    """Run one attempt as soon as no pause forbids it; None: a pause has stopped it, and its end is reported."""
    if node.pause is not None:
        # Other nodes can use the slot for as long as it takes.
        node.scope.run.parallelism.give_back(node.id)
        await node.wait_for_resume()
        async with node.idle(lambda wait: wait.slot.CopyFrom(node.scope.run.parallelism.wait())):
            await node.scope.run.parallelism.take(node.id)
    found = await cached_tasks.look_up(node, summary, inputs, budget.attempt)
    if found.HasField("hit"):
        return found.hit
    stop = pauses.stop_of_current()
    try:
        async with node.scope.run.attempt(node.id, node.path):
            result = await run_attempt(node, summary, task_attempt(node, inputs, budget, found=found), stop)
    except BaseException as e:
        if cancellation.is_cancelled():  # Its worker is gone or never started it, so no worker reports the end.
            inline_tasks.report_task(
                node.at(budget.attempt), summary, TaskPhase.ABORTED, reason=_why_stopped(node, stop)
            )
        if isinstance(e, GeneratorExit) or not stop.absorb():
            raise
        return None
    # What it has produced by now counts.
    if not stop.absorb() or result.WhichOneof("outcome") == "outputs" or result.dynamic:
        return result
    _keep_deck(node, result)
    for event in result.unreported[-1:]:  # The attempt's end.
        event.task.reason = _why_stopped(node, stop)
        event.task.reasons.add(reason=event.task.reason, occurred_at=event.task.occurred_at)
    node.scope.run.reports.forward(result.unreported)
    return None


def _why_stopped(node: NodeRun, stop: Stop) -> str:
    """Return the reason of the end of an attempt that a pause has stopped; empty if it was stopped otherwise."""
    if not stop.was_requested:
        return ""
    pause = node.pause  # It can have ended while the attempt was stopping.
    given = f": {error_text.headline(pause.reason)}" if pause is not None and pause.reason else ""
    by = f" by {pause.paused_by}" if pause is not None and pause.paused_by else ""
    return f"stopped by a pause{by}{given}"


def _keep_deck(node: NodeRun, result: execution_pb2.TaskAttemptResult) -> None:
    """Keep the deck of an attempt that does not end its node with success: the node's last event names the newest."""
    # The URI makes events longer, and their length decides how many of them one report takes.
    if result.deck_uri and workflow.patched(Patch.DECKS_OF_ALL_ENDS):
        node.progress.deck_uri = result.deck_uri


def _account(node: NodeRun, budget: Budget, result: execution_pb2.TaskAttemptResult) -> Retry:
    """Charge a failed attempt to its budget and report it with what is left of the budget.

    Raises:
        NodeFailure: the budget is exhausted, or the failure is not recoverable.
    """
    failure = result.failure
    checkpoint = "" if failure.error.code == TIMEOUT_EXPIRED else node.checkpoint_dir(budget.attempt)
    try:
        retry = budget.after(
            failure.error, recoverable=failure.recoverable, next_memory_bytes=failure.next_memory_bytes
        )
    except NodeFailure as final:
        node.scope.run.reports.forward(result.unreported)
        raise NodeFailure(final.error, checkpoint_uri=checkpoint) from final
    for event in result.unreported[-1:]:  # The attempt's end.
        _describe_retry(event.task, retry)
    node.scope.run.reports.forward(result.unreported)
    return retry


def _describe_retry(event: event_pb2.TaskExecutionEvent, retry: Retry) -> None:
    """Add to the event what is left of the budget and when the next attempt follows."""
    soon = f" in {times.go_text(retry.pause)}" if retry.pause else ""
    event.reason = f"retry {retry.number} of {retry.limit} for {retry.cause} failures follows{soon}"
    event.reasons.add(reason=event.reason, occurred_at=event.occurred_at)
    event.custom_info.update(
        {
            "retry": {
                "cause": retry.cause,
                "number": retry.number,
                "limit": retry.limit,
                "pauseSeconds": retry.pause.total_seconds(),
            }
        }
    )


async def run_attempt(
    node: NodeRun, summary: graph_pb2.TaskSummary, attempt: execution_pb2.TaskAttempt, stop: Stop
) -> execution_pb2.TaskAttemptResult:
    """Run one attempt of the task of a node, or of an element. The caller holds the slot for its activity.

    ``stop`` lets a pause stop it.
    """
    run_ = node.scope.run
    queue = workflows.eager_queue if summary.is_eager else workflows.task_queue
    waiting = operations_pb2.AttemptWait(
        attempt=attempt.attempt,
        activity_id=f"{node.id}/{attempt.attempt}",
        task_queue=queue(run_.argument.settings.cluster),
    )
    if attempt.inputs.WhichOneof("value") == "deferred":
        # The activity reads files that the pump may still have to write.
        await run_.reports.flush()
    await run_.payload_budget.reserve(attempt.ByteSize())
    run_.workflow_task_budget.end_lookups()
    with node.waiting(lambda wait: wait.attempt.CopyFrom(waiting)), run_.pauses.stopping(stop, node.path):
        return await workflow.execute_activity(
            activities.run_task,
            attempt,
            task_queue=waiting.task_queue,
            activity_id=waiting.activity_id,
            start_to_close_timeout=UNLIMITED,
            heartbeat_timeout=activities.HEARTBEAT_TIMEOUT,
            # Temporal retries only what the activity raises, such as a store that is down, and lost workers. A failure
            # of the task itself is in the result; ``attempts`` decides about its retries.
            retry_policy=RETRY,
            # The task must have stopped before the node reports that it was aborted.
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=f"{node.id} {summary.id.name} attempt {attempt.attempt}",
            priority=priority(run_.execution_id),
        )


def priority(execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> Priority:
    """Return the priority of the attempts of an execution: those of projects and domains take turns."""
    return Priority(fairness_key=_fairness_key(execution_id))


def _fairness_key(execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> str:
    """Return the key by which tasks of different projects take turns; Temporal refuses keys of more than 64 bytes."""
    key = f"{execution_id.project}:{execution_id.domain}".encode()
    return key.decode() if len(key) <= MAX_FAIRNESS_KEY_BYTES else hashlib.sha256(key).hexdigest()


def task_attempt(
    node: NodeRun,
    inputs: execution_pb2.NodeInputs,
    budget: Budget,
    element: execution_pb2.ArrayElement | None = None,
    found: caching_pb2.FoundOutput = UNKNOWN,
) -> execution_pb2.TaskAttempt:
    """Return the argument of ``run_task`` for the current attempt of a node; ``found`` by the lookup of its outputs."""
    argument = node.scope.run.argument
    number = budget.attempt
    attempt = execution_pb2.TaskAttempt(
        node_event=node.event,
        attempt=number,
        tasks=node.scope.program.tasks,
        task=node.node.task.task,
        inputs=inputs,
        data_dir=node.data_dir,
        output_dir=node.output_dir(number),
        raw_output_dir=node.raw_output_dir(number),
        previous_checkpoint_dir=node.checkpoint_dir(number - 1) if number else node.earlier.checkpoint_uri,
        older_checkpoint_dirs=[node.checkpoint_dir(older) for older in _older(number)],
        generated_name=node.generated_name(number),
        timeout=times.duration(node.timeout),
        interruptible=node.scope.run.is_interruptible(node.node) and budget.may_be_interrupted,
        settings=argument.settings,
        workflow_id=argument.workflow_id,
        queued_at=runs.now(),
        memory_bytes=budget.progress.memory_bytes,
    )
    if node.node.task.HasField("overrides"):
        attempt.overrides.CopyFrom(node.node.task.overrides)
    # The events of an element are those of its array.
    resources = node.scope.run.resources.of_attempt(node.event.id.node_id, node.node)
    if resources is not None:
        attempt.overrides.resources.CopyFrom(resources)
        attempt.shows_memory = node.scope.run.resources.gives_memory(node.event.id.node_id)
    if element is not None:
        attempt.element.CopyFrom(element)
    if found.HasField("miss"):
        attempt.cache_miss.CopyFrom(found.miss)
    return attempt


def _older(number: int) -> range:
    """Return the attempts before the previous one whose checkpoints attempt ``number`` may use, newest first."""
    # The directories count in the payload budget, which decides when the activity is scheduled.
    if number < 2 or not workflow.patched(Patch.OLDER_CHECKPOINTS):
        return range(0)
    return range(number - 2, max(number - 2 - OLDER_CHECKPOINTS, -1), -1)


def _succeed(node: NodeRun, result: execution_pb2.TaskAttemptResult, attempt: int) -> Values:
    uri = locations.outputs_uri(node.output_dir(attempt))
    event = succeeded_event(node, attempt, uri)
    _describe_cache(event, result.cache)
    event.deck_uri = result.deck_uri or node.progress.deck_uri
    node.report(event)
    outputs = result.outputs
    return Values(outputs.literals if outputs.HasField("literals") else None, outputs.uri or uri)


def _describe_cache(event: event_pb2.NodeExecutionEvent, cache: event_pb2.TaskNodeMetadata) -> None:
    """Add to the event how the attempt used the cache. As in Flyte, a node that did not run has no checkpoint."""
    if cache.cache_status == catalog_pb2.CACHE_HIT:
        event.task_node_metadata.ClearField("checkpoint_uri")
    event.task_node_metadata.MergeFrom(cache)


def succeeded_event(node: NodeRun, attempt: int, outputs_uri: str) -> event_pb2.NodeExecutionEvent:
    """Return the SUCCEEDED event of a task node."""
    event = node.phase_event(Phase.SUCCEEDED)
    event.output_uri = outputs_uri
    event.task_node_metadata.checkpoint_uri = node.checkpoint_dir(attempt)
    return event
