"""Task nodes: one activity an attempt, the retries around it, and the task types that need no activity at all."""

from datetime import timedelta

from flyteidl.event import event_pb2
from temporalio import workflow
from temporalio.common import Priority, RetryPolicy

from flytetemporal.contracts import activities, workflows
from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.idl import locations
from flytetemporal.workflows import run as runs
from flytetemporal.workflows.attempts import Budget
from flytetemporal.workflows.node import NodeRun, Phase
from flytetemporal.workflows.nodes import pure
from flytetemporal.workflows.outcomes import NodeFailure, Values, user_failure
from flytetemporal.workflows.walk import Walk

# Long enough for any task; a task's own deadline is kept by the activity, which can clean up.
UNLIMITED = timedelta(days=3650)
CLEAN_UP = timedelta(minutes=2)
HEARTBEAT = timedelta(seconds=15)
RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(seconds=60)
)


async def run(walk: Walk, node: NodeRun, inputs: execution_pb2.NodeInputs) -> Values:
    """Run attempts until one succeeds or the budgets are spent."""
    summary = node.scope.run.graph.tasks[node.node.task.task]
    pure_task = pure.TASK_TYPES.get(summary.type)
    if pure_task is not None:
        return await pure_task(node, summary, inputs)
    budget = Budget(max_attempts=(node.node.retries or summary.retries) + 1)
    while True:
        result = await _attempt(node, summary, inputs, budget)
        node.scope.run.reports.forward(result.unreported)
        if result.dynamic:
            raise user_failure(
                "UnsupportedNodeKind",
                f"task [{summary.id.name}] of node [{node.id}] is dynamic: it returned a workflow, which flytetemporal "
                "does not run yet; see docs/compatibility.md",
            )
        if result.WhichOneof("outcome") == "outputs":
            return _succeed(node, result, budget.attempt)
        failure = result.failure
        checkpoint = "" if failure.error.code == "TimeoutExpired" else node.checkpoint_dir(budget.attempt)
        error = budget.next_attempt(failure.error, recoverable=failure.recoverable)
        if error is not None:
            raise NodeFailure(error, checkpoint_uri=checkpoint)


async def _attempt(
    node: NodeRun, summary: graph_pb2.TaskSummary, inputs: execution_pb2.NodeInputs, budget: Budget
) -> execution_pb2.TaskAttemptResult:
    run_ = node.scope.run
    attempt = _task_attempt(node, inputs, budget)
    limit = node.node.timeout.ToTimedelta()
    async with run_.activity_window:
        if inputs.WhichOneof("value") == "deferred":
            await run_.reports.flush()
        return await workflow.execute_activity(
            activities.run_task,
            attempt,
            task_queue=workflows.task_queue(run_.argument.settings.cluster),
            activity_id=f"{node.id}/{budget.attempt}",
            start_to_close_timeout=limit + CLEAN_UP if limit else UNLIMITED,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RETRY,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=f"{node.id} {summary.id.name} attempt {budget.attempt}",
            priority=Priority(fairness_key=f"{run_.execution_id.project}:{run_.execution_id.domain}"),
        )


def _task_attempt(node: NodeRun, inputs: execution_pb2.NodeInputs, budget: Budget) -> execution_pb2.TaskAttempt:
    argument = node.scope.run.argument
    number = budget.attempt
    attempt = execution_pb2.TaskAttempt(
        node_event=node.event,
        attempt=number,
        tasks=argument.tasks,
        task=node.node.task.task,
        inputs=inputs,
        data_dir=node.data_dir,
        output_dir=node.output_dir(number),
        raw_output_dir=node.raw_output_dir(number),
        previous_checkpoint_dir=node.checkpoint_dir(number - 1) if number else "",
        generated_name=node.generated_name(number),
        timeout=node.node.timeout,
        interruptible=node.scope.run.is_interruptible(node.node) and budget.may_be_interrupted,
        settings=argument.settings,
        workflow_id=argument.workflow_id,
        queued_at=runs.now(),
    )
    if node.node.task.HasField("overrides"):
        attempt.overrides.CopyFrom(node.node.task.overrides)
    return attempt


def _succeed(node: NodeRun, result: execution_pb2.TaskAttemptResult, attempt: int) -> Values:
    uri = locations.outputs_uri(node.output_dir(attempt))
    event = succeeded_event(node, attempt, uri)
    event.deck_uri = result.deck_uri
    node.report(event)
    outputs = result.outputs
    return Values(outputs.literals if outputs.HasField("literals") else None, outputs.uri or uri)


def succeeded_event(node: NodeRun, attempt: int, outputs_uri: str) -> event_pb2.NodeExecutionEvent:
    """Return the SUCCEEDED event of a task node."""
    event = node.phase_event(Phase.SUCCEEDED)
    event.output_uri = outputs_uri
    event.task_node_metadata.checkpoint_uri = node.checkpoint_dir(attempt)
    return event
