"""Attempts of cached tasks: their outputs are looked up before an activity is scheduled."""

from temporalio import workflow

from flytetemporal.contracts.v1 import caching_pb2, execution_pb2, graph_pb2, operations_pb2
from flytetemporal.workflows.node import cache_lookups
from flytetemporal.workflows.node.node_run import NodeRun
from flytetemporal.workflows.versions import Patch


async def look_up(
    node: NodeRun,
    summary: graph_pb2.TaskSummary,
    inputs: execution_pb2.NodeInputs,
    attempt: int,
    element: execution_pb2.ArrayElement | None = None,
) -> caching_pb2.FoundOutput:
    """Return the cached outputs of an attempt, or that there are none; unset if the attempt has to look by itself."""
    if not _is_looked_up(node, summary, inputs):
        return cache_lookups.UNKNOWN
    wanted = execution_pb2.TaskAttempt(
        node_event=node.event,
        attempt=attempt,
        tasks=node.scope.program.tasks,
        task=node.node.task.task,
        inputs=inputs,
        data_dir=node.data_dir,
        output_dir=node.output_dir(attempt),
        generated_name=node.generated_name(attempt),
        element=element,
    )
    with node.waiting(lambda wait: wait.engine.CopyFrom(operations_pb2.EngineWait(work="cache"))):
        return await node.scope.run.cache_lookups.find(wanted)


def _is_looked_up(node: NodeRun, summary: graph_pb2.TaskSummary, inputs: execution_pb2.NodeInputs) -> bool:
    if not summary.discoverable or not summary.has_outputs or node.scope.run.argument.settings.overwrite_cache:
        return False
    # A lookup must be short: it resolves no bindings, and reads no inputs of all elements of an array.
    if inputs.WhichOneof("value") == "deferred" or inputs.element.whole_uri:
        return False
    return workflow.patched(Patch.CACHE_LOOKUPS)
