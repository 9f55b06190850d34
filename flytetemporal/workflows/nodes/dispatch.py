"""The module that runs each node kind. A new kind is a module and a line here."""

from collections.abc import Awaitable, Callable

from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.workflows import attempts
from flytetemporal.workflows.node.node_run import NodeRun
from flytetemporal.workflows.node.outcomes import Values, user_failure
from flytetemporal.workflows.nodes import array, branch, end, gate, launch_plan, subworkflow, task
from flytetemporal.workflows.walk import Walk

_KINDS: dict[str, Callable[[Walk, NodeRun, execution_pb2.NodeInputs], Awaitable[Values]]] = {
    "array": array.run,
    "branch": branch.run,
    "end": end.run,
    "gate": gate.run,
    "launch_plan": launch_plan.run,
    "subworkflow": subworkflow.run,
    "task": task.run,
}


async def run(walk: Walk, node: NodeRun, inputs: execution_pb2.NodeInputs) -> Values:
    """Run a node of any kind; the entry that ``Walk`` is given."""
    kind = node.node.WhichOneof("target") or "none"
    handler = _KINDS.get(kind)
    if handler is None:
        raise user_failure("UnsupportedNodeKind", f"node [{node.id}] has nothing to run ({kind})")
    if kind == "task":  # Its activity enforces the deadline of each attempt, so that it can stop what it started.
        return await handler(walk, node, inputs)
    return await attempts.with_deadline(node, lambda attempt: handler(walk, attempt, inputs))
