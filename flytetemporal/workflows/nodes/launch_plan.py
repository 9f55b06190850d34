"""Launch plan nodes: a child execution with its own record, which signals this one when it ends."""

import asyncio
from datetime import timedelta

from flyteidl.admin import execution_pb2 as admin_execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2
from google.protobuf import wrappers_pb2

from flytetemporal.contracts import activities
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.idl import locations, naming
from flytetemporal.workflows import cancellation, deadlines, engine_activities
from flytetemporal.workflows import inputs as node_inputs
from flytetemporal.workflows.abort import Abort
from flytetemporal.workflows.node.node_run import NodeRun, Phase
from flytetemporal.workflows.node.outcomes import UNKNOWN, NodeFailure, Values, execution_error, user_failure
from flytetemporal.workflows.walk import Walk

ChildId = identifier_pb2.WorkflowExecutionIdentifier
# A child signals its end. The signal is lost only if the child's Temporal workflow was terminated or lost, so the node
# polls rarely.
FIRST_CHECK = timedelta(minutes=10)
LONGEST_PAUSE = timedelta(hours=6)
WorkflowPhase = core_execution_pb2.WorkflowExecution


async def run(walk: Walk, node: NodeRun, inputs: execution_pb2.NodeInputs) -> Values:
    """Launch the child, wait for its end and copy its outputs. If the node is stopped, abort the child."""
    child = child_id(node)
    if not node.progress.launched:
        values = await node_inputs.materialise(node, inputs)
        await launch(node, execution_pb2.LaunchRequest(create=request(node, child), inputs=values.message()))
    node.event.workflow_node_metadata.execution_id.CopyFrom(child)
    if not node.progress.launched:
        node.report(node.phase_event(Phase.RUNNING))
    node.progress.launched = True
    outcome = await wait_for_child(walk.abort, node, child)
    taken = await copy_outputs(node, outcome)
    event = node.phase_event(Phase.SUCCEEDED)
    event.output_uri = taken.uri
    node.report(event)
    return taken


async def launch(node: NodeRun, wanted: execution_pb2.LaunchRequest) -> None:
    """Launch a child.

    Raises:
        NodeFailure: it cannot be launched.
    """
    await node.scope.run.reports.flush()  # The child's record names the record of this node.
    await node.scope.run.payload_budget.reserve(wanted.ByteSize())
    launched = await engine_activities.execute(
        activities.launch_child,
        wanted,
        summary=f"{node.id} launches {wanted.create.name}",
    )
    if launched.HasField("error"):
        raise NodeFailure(launched.error)


async def wait_for_child(abort: Abort, node: NodeRun, child: ChildId) -> execution_pb2.ExecutionOutcome:
    """Return the outcome of a child. If the node is stopped, abort the child."""
    try:
        async with node.idle(lambda wait: wait.child.execution_id.CopyFrom(child)):
            return await _child_outcome(node, child)
    except asyncio.CancelledError:
        # The node ends only when the child has been asked to abort, even if it is cancelled again.
        await cancellation.wait_until_done([asyncio.create_task(_terminate(abort, node, child))])
        raise


def child_id(node: NodeRun) -> ChildId:
    """Return the name of the node's execution: derived from ids, so a retried activity launches nothing twice."""
    parent = node.execution_id
    name = naming.child_execution_name(parent.name, node.id, node.attempt)
    return ChildId(project=parent.project, domain=parent.domain, name=name)


def request(node: NodeRun, child: ChildId) -> admin_execution_pb2.ExecutionCreateRequest:
    """Return the request that launches the child, with the settings that it inherits.

    Admin lets the settings of the child's launch plan win over them.
    """
    argument = node.scope.run.argument
    spec = admin_execution_pb2.ExecutionSpec(
        launch_plan=node.node.launch_plan,
        metadata=admin_execution_pb2.ExecutionMetadata(
            mode=admin_execution_pb2.ExecutionMetadata.CHILD_WORKFLOW, parent_node_execution=node.event.id
        ),
    )
    if node.earlier.HasField("child"):  # In a recovery, what succeeded of the child is not run again either.
        spec.metadata.reference_execution.CopyFrom(node.earlier.child)
    spec.MergeFrom(_inherited(argument))
    spec.labels.values.update(_origin(argument))
    return admin_execution_pb2.ExecutionCreateRequest(
        project=child.project, domain=child.domain, name=child.name, spec=spec
    )


def _inherited(argument: execution_pb2.ExecutionInput) -> admin_execution_pb2.ExecutionSpec:
    """Return the settings of this execution that its launch or its launch plan set, not those from attributes."""
    settings = argument.settings
    spec = admin_execution_pb2.ExecutionSpec(
        labels=settings.labels,
        annotations=settings.annotations,
        envs=settings.envs,
        security_context=settings.security_context,
        max_parallelism=settings.max_parallelism,
        overwrite_cache=settings.overwrite_cache,
    )
    if settings.asked_raw_output_prefix:
        spec.raw_output_data_config.output_location_prefix = settings.asked_raw_output_prefix
    if settings.HasField("interruptible"):
        spec.interruptible.CopyFrom(wrappers_pb2.BoolValue(value=settings.interruptible.value))
    # An execution from before the field existed passes on everything.
    if argument.HasField("inherited"):
        for field, _ in spec.ListFields():
            if field.name not in argument.inherited.fields:
                spec.ClearField(field.name)
    return spec


def _origin(argument: execution_pb2.ExecutionInput) -> dict[str, str]:
    """Return the labels that Flyte's engine sets on an execution and passes on to its children."""
    execution = argument.execution_id
    return {
        "domain": execution.domain,
        "execution-id": execution.name,
        "project": execution.project,
        "workflow-name": naming.label(argument.workflow_id.name),
    }


async def _child_outcome(node: NodeRun, child: ChildId) -> execution_pb2.ExecutionOutcome:
    pause = FIRST_CHECK
    while True:
        try:
            return await deadlines.within(pause, node.scope.run.children.outcome(child.name))
        except TimeoutError:
            pause = min(2 * pause, LONGEST_PAUSE)
        state = await engine_activities.execute(
            activities.read_child, child, summary=f"{node.id} asks for {child.name}"
        )
        if state.HasField("outcome"):
            return state.outcome


async def _terminate(abort: Abort, node: NodeRun, child: ChildId) -> None:
    cause = f"cascading abort as parent execution id [{node.execution_id.name}] aborted, reason [{abort.reason}]"
    await engine_activities.execute(
        activities.terminate_child,
        admin_execution_pb2.ExecutionTerminateRequest(id=child, cause=cause),
        summary=f"{node.id} aborts {child.name}",
    )


async def copy_outputs(node: NodeRun, outcome: execution_pb2.ExecutionOutcome) -> Values:
    """Copy the outputs of a child to the URI of this node's outputs.

    Raises:
        NodeFailure: the child did not succeed.
    """
    if outcome.phase == WorkflowPhase.ABORTED:
        raise user_failure("RemoteChildWorkflowExecutionFailed", f"launchplan [{node.node.launch_plan.name}] aborted")
    if outcome.phase != WorkflowPhase.SUCCEEDED:
        unknown = execution_error("LaunchPlanExecutionFailed", "Unknown Error", UNKNOWN)
        raise NodeFailure(outcome.error if outcome.HasField("error") else unknown)
    uri = locations.outputs_uri(node.output_dir())
    copied = await engine_activities.execute(
        activities.copy_outputs,
        execution_pb2.CopyRequest(from_uri=outcome.output_uri, to_uri=uri),
        summary=f"outputs of {node.id}",
    )
    return Values(copied.literals if copied.HasField("literals") else None, uri)
