"""The failure of a level: whose error it reports, and the failure node.

Mirrors flytepropeller's pkg/controller/workflow/executor.go (handleFailingWorkflow) and
pkg/controller/nodes/subworkflow/subworkflow.go.
"""

from collections.abc import Mapping

from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import literals_pb2, types_pb2

from flytetemporal.contracts.v1 import graph_pb2
from flytetemporal.idl import error_text
from flytetemporal.workflows.node.graph import START, Body
from flytetemporal.workflows.node.outcomes import (
    BINDING_FAILURE,
    NodeFailure,
    NodeTimedOut,
    system_failure,
    user_failure,
)

# The input that a failure node may have for the error.
ERROR_INPUT = "err"
ERROR_TAG = "FlyteError"
# Further failed nodes that an error names.
NAMED = 10


def combined(body: Body, failures: Mapping[int, NodeFailure]) -> NodeFailure:
    """Return the failure of a level in which several nodes failed.

    Its error is that of the node that Flyte visits last (depth first, successors by name); the text names the others.
    """
    chosen = _last_visited(body, failures)
    others = [position for position in sorted(failures) if position != chosen]
    if not others:
        return failures[chosen]
    lines = [
        f"[{body.nodes[position].id}] {failures[position].error.code}: "
        f"{error_text.headline(failures[position].error.message)}"
        for position in others[:NAMED]
    ]
    if len(others) > NAMED:
        lines.append(f"and {len(others) - NAMED} more")
    error = core_execution_pb2.ExecutionError()
    error.CopyFrom(failures[chosen].error)
    error.message = error_text.shortened("\n".join([error.message, "", "Also failed:", *lines]))
    return NodeFailure(error)


def _last_visited(body: Body, failures: Mapping[int, NodeFailure]) -> int:
    """Return the last failed node of a depth-first walk from start-node that goes no further than failed nodes."""
    # Of each visited node, the failed node that its part of the walk visits last. An explicit stack, because a chain of
    # nodes can be longer than Python's.
    last: dict[int, int | None] = {position: position for position in failures}
    stack = [START]
    while stack:
        position = stack[-1]
        if position in last:
            stack.pop()
            continue
        after = sorted(body.downstream[position], key=lambda other: body.nodes[other].id)
        unknown = [other for other in after if other not in last]
        if unknown:
            stack.extend(unknown)
            continue
        found = [last[other] for other in after if last[other] is not None]
        last[position] = found[-1] if found else None
    chosen = last[START]
    return max(failures) if chosen is None else chosen


def failure_node(body: Body, failure: NodeFailure) -> graph_pb2.Node | None:
    """Return the level's failure node with the error among its inputs, or None if the level has none."""
    if not body.message.HasField("failure_node"):
        return None
    node = graph_pb2.Node()
    node.CopyFrom(body.message.failure_node)
    for binding in node.inputs:
        if binding.var == ERROR_INPUT:
            binding.binding.Clear()
            binding.binding.scalar.CopyFrom(_error_value(node.id, failure.error.message))
    return node


def _error_value(failure_node_id: str, message: str) -> literals_pb2.Scalar:
    """Return the error as flytekit's ``FlyteError``. As in Flyte, the node id is that of the failure node itself."""
    kind = types_pb2.LiteralType(simple=types_pb2.SimpleType.ERROR, structure=types_pb2.TypeStructure(tag=ERROR_TAG))
    error = types_pb2.Error(failed_node_id=failure_node_id, message=message)
    value = literals_pb2.Literal(scalar=literals_pb2.Scalar(error=error))
    return literals_pb2.Scalar(union=literals_pb2.Union(value=value, type=kind))


def of_failure_node(failure: NodeFailure) -> NodeFailure:
    """Return the failure of a level whose failure node failed as well. As in Flyte, it hides the original error."""
    if isinstance(failure, NodeTimedOut):
        return user_failure("TimedOut", f"FailureNode Timed-out: {failure.error.message}")
    if failure.error.code == BINDING_FAILURE:
        return system_failure("FailureNodeInputResolvingError", failure.error.message)
    return failure
