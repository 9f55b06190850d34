"""Branch nodes: evaluate the conditions in order, run the one child that was chosen."""

from flyteidl.core import condition_pb2, literals_pb2

from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.errors import MalformedCondition
from flytetemporal.idl import conditions
from flytetemporal.workflows import inputs as node_inputs
from flytetemporal.workflows.node import NodeRun, Phase, node_run
from flytetemporal.workflows.nodes import subworkflow
from flytetemporal.workflows.outcomes import UNKNOWN, NodeFailure, NodeTimedOut, Values, execution_error, user_failure
from flytetemporal.workflows.walk import Walk


async def run(walk: Walk, node: NodeRun, inputs: execution_pb2.NodeInputs) -> Values:
    """Run the first child whose condition holds, else the default; its outputs become the node's."""
    values = await node_inputs.materialise(node, inputs)
    chosen = _choose(node, await _operands(walk, node, values))
    # A branch that fails to choose has nothing below it, and clients see no parent.
    node.event.is_parent = True
    if not node.is_resumed:
        node.report(node.phase_event(Phase.RUNNING))
    child = node_run(node.child_scope(node.scope.body), chosen)
    async with node.resting(lambda wait: wait.nested.node_ids.append(child.id)):
        await walk.ended(chosen.upstream)
        try:
            outputs = await walk.run_node(child)
        except NodeTimedOut as e:  # What Flyte makes of it.
            raise NodeFailure(execution_error("Unknown", "Unknown error message", UNKNOWN)) from e
    walk.outputs.add(chosen.id, outputs, {alias.alias: alias.var for alias in chosen.output_aliases})
    return subworkflow.complete(node, outputs)


def _choose(node: NodeRun, operands: literals_pb2.LiteralMap) -> graph_pb2.Node:
    branch = node.node.branch
    try:
        for case in branch.cases:
            if conditions.evaluate(case.condition, operands.literals):
                return case.node
    except MalformedCondition as e:
        raise user_failure("MalformedBranchUserError", f"[MalformedBranchUserError] {e.message}") from e
    if branch.HasField("else_node"):
        return branch.else_node
    if branch.HasField("error"):
        raise user_failure("UserProvidedError", f"[UserProvidedError] {branch.error.message}")
    raise user_failure("MalformedBranchUserError", "[MalformedBranchUserError] No branch satisfied")


async def _operands(walk: Walk, node: NodeRun, values: Values) -> literals_pb2.LiteralMap:
    """Return the inputs, or, when they are too large to travel, those that the conditions name."""
    if values.literals is not None:
        return values.literals
    names = {name for case in node.node.branch.cases for name in _variables(case.condition)}
    bindings = [binding for binding in node.node.inputs if binding.var in names]
    needed = walk.outputs.resolve(bindings)
    if needed.WhichOneof("value") != "deferred":
        return needed.literals
    located = await node_inputs.resolve_stored(node, needed.deferred, [])
    if not located.HasField("literals"):
        raise user_failure("MalformedBranchUserError", f"the values that branch [{node.id}] compares are too large")
    return located.literals


def _variables(expression: condition_pb2.BooleanExpression) -> list[str]:
    if expression.HasField("conjunction"):
        both = (expression.conjunction.left_expression, expression.conjunction.right_expression)
        return [name for side in both for name in _variables(side)]
    operands = (expression.comparison.left_value, expression.comparison.right_value)
    return [operand.var for operand in operands if operand.var]
