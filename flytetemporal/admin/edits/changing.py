"""What an operator changes of a node: checked against the node and the limits of the platform."""

from datetime import timedelta

from flyteidl.core import tasks_pb2, workflow_pb2
from google.protobuf import duration_pb2

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.admin.edits import node_outputs
from flytetemporal.admin.settings import run_policies, task_resources
from flytetemporal.contracts.v1 import edits_pb2
from flytetemporal.idl import times

MOST_RETRIES = 10_000


async def command(deps: Dependencies, row: ExecutionRow, edit: edits_pb2.NodeEdit) -> edits_pb2.NodeChanges:
    """Return what the workflow needs in order to change a node.

    Raises:
        NotFound: the execution has no such node.
        InvalidRequest: nothing is changed, or a value cannot be.
    """
    node = await node_outputs.find(deps, row, edit.node_id)
    if node.WhichOneof("target") is None:
        raise errors.InvalidRequest(f"node {edit.node_id} only starts or ends a workflow; there is nothing to change")
    changes = edits_pb2.NodeChanges(node_id=edit.node_id)
    if edit.HasField("retries"):
        if edit.retries.value > MOST_RETRIES:
            raise errors.InvalidRequest(f"retries is {edit.retries.value}; the limit is {MOST_RETRIES}")
        changes.retries.CopyFrom(edit.retries)
    if edit.HasField("timeout"):
        changes.timeout.CopyFrom(_timeout(edit.timeout))
    if edit.HasField("max_parallelism"):
        if not node.HasField("array_node"):
            raise errors.InvalidRequest(
                f"node {edit.node_id} is no map task; leave out max_parallelism, or set that of the execution"
            )
        changes.max_parallelism.CopyFrom(edit.max_parallelism)
    if edit.resources:
        changes.resources.CopyFrom(_resources(deps, node, edit))
    return changes


def _timeout(given: duration_pb2.Duration) -> duration_pb2.Duration:
    try:
        timeout = given.ToTimedelta()
    except (ValueError, OverflowError) as e:
        raise errors.InvalidRequest(f"timeout is no duration: {e}") from e
    if not timedelta() <= timeout <= run_policies.LONGEST:
        raise errors.InvalidRequest(f"timeout must be between 0 and {times.go_text(run_policies.LONGEST)}")
    return times.duration(timeout)


def _resources(deps: Dependencies, node: workflow_pb2.Node, edit: edits_pb2.NodeEdit) -> tasks_pb2.Resources:
    if not (node.HasField("task_node") or node.array_node.node.HasField("task_node")):
        raise errors.InvalidRequest(f"node {edit.node_id} runs no task, so it has no resources to change")
    resources = tasks_pb2.Resources()
    for name, quantity in sorted(edit.resources.items()):
        kind = task_resources.NAMES.get(name)
        if kind is None:
            known = ", ".join(task_resources.NAMES)
            raise errors.InvalidRequest(f"node {edit.node_id} has no resource {name}; change one of {known}")
        entry = tasks_pb2.Resources.ResourceEntry(name=kind, value=quantity)
        # Both: a limit of the task's own that is lower would win over the request.
        resources.requests.append(entry)
        resources.limits.append(entry)
    task_resources.check_container(edit.node_id, resources, task_resources.platform_limits(deps.settings))
    return resources
