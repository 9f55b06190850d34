"""Branch nodes: evaluate the conditions in order, run the one child that was chosen."""

from flyteidl.core import condition_pb2, literals_pb2
from temporalio import workflow

from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.errors import MalformedCondition, ResolutionFailed
from flytetemporal.idl import conditions, offloading
from flytetemporal.workflows import inputs as node_inputs
from flytetemporal.workflows.node.node_run import NodeRun, Phase, node_run
from flytetemporal.workflows.node.outcomes import (
    UNKNOWN,
    NodeFailure,
    NodeTimedOut,
    Values,
    execution_error,
    user_failure,
)
from flytetemporal.workflows.nodes import subworkflow
from flytetemporal.workflows.versions import Patch
from flytetemporal.workflows.walk import Walk


async def run(walk: Walk, node: NodeRun, inputs: execution_pb2.NodeInputs) -> Values:
    """Run the first child whose condition holds, otherwise the default; its outputs become the node's."""
    values = await node_inputs.materialise(node, inputs)
    try:
        chosen = await _chosen(walk, node, values)
    except ResolutionFailed as e:
        raise node_inputs.binding_failure(e) from e
    # Set only now: a branch that fails to choose has no children, and clients must not look for them.
    node.event.is_parent = True
    if not node.is_resumed:
        node.report(node.phase_event(Phase.RUNNING))
    child = node_run(node.child_scope(node.scope.body), chosen)
    async with node.idle(lambda wait: wait.nested.node_ids.append(child.id)):
        await walk.wait_for(chosen.upstream)
        try:
            outputs = await walk.run_node(child)
        except NodeTimedOut as e:  # Flyte reports a child's timeout like this.
            raise NodeFailure(execution_error("Unknown", "Unknown error message", UNKNOWN)) from e
    walk.outputs.add(chosen.id, outputs, {alias.alias: alias.var for alias in chosen.output_aliases})
    return subworkflow.complete(node, outputs)


async def _chosen(walk: Walk, node: NodeRun, values: Values) -> graph_pb2.Node:
    """Return the chosen child; an activity evaluates the conditions if their values are stored."""
    branch = node.node.branch
    bindings = _bindings(node)
    if _is_here(values, bindings):
        operands = values.literals
    else:
        needed = walk.outputs.resolve(bindings)
        operands = needed.literals if needed.HasField("literals") and not _offloaded(needed.literals) else None
    if operands is None and workflow.patched(Patch.CHOOSE_CASE):
        choice = await node_inputs.choose(node, walk.outputs.deferred(bindings), [c.condition for c in branch.cases])
        if choice.HasField("malformed"):
            raise _malformed(choice.malformed)
        return branch.cases[choice.position].node if choice.position < len(branch.cases) else _otherwise(branch)
    return _choose(branch, operands if operands is not None else await _fetched(node, walk.outputs.deferred(bindings)))


def _bindings(node: NodeRun) -> list[literals_pb2.Binding]:
    """Return the bindings of the variables that the conditions name."""
    names = {name for case in node.node.branch.cases for name in _variables(case.condition)}
    return [binding for binding in node.node.inputs if binding.var in names]


def _is_here(values: Values, bindings: list[literals_pb2.Binding]) -> bool:
    literals = values.literals
    if literals is None:
        return False
    return not any(offloading.is_offloaded(literals.literals[binding.var]) for binding in bindings)


def _offloaded(values: literals_pb2.LiteralMap) -> bool:
    return any(offloading.is_offloaded(literal) for literal in values.literals.values())


def _choose(branch: graph_pb2.BranchNode, operands: literals_pb2.LiteralMap) -> graph_pb2.Node:
    try:
        for case in branch.cases:
            if conditions.evaluate(case.condition, operands.literals):
                return case.node
    except MalformedCondition as e:
        raise _malformed(e.message) from e
    except Exception as e:  # Evaluating is pure, so the values are to blame: they fail the node, not the workflow task.
        raise _malformed(f"the condition cannot be evaluated: {type(e).__name__}: {e}") from e
    return _otherwise(branch)


def _otherwise(branch: graph_pb2.BranchNode) -> graph_pb2.Node:
    if branch.HasField("else_node"):
        return branch.else_node
    if branch.HasField("error"):
        raise user_failure("UserProvidedError", f"[UserProvidedError] {branch.error.message}")
    raise _malformed("No branch satisfied")


def _malformed(text: str) -> NodeFailure:
    return user_failure("MalformedBranchUserError", f"[MalformedBranchUserError] {text}")


async def _fetched(node: NodeRun, deferred: execution_pb2.DeferredInputs) -> literals_pb2.LiteralMap:
    """Return stored values, for runs without the patch ``CHOOSE_CASE``."""
    located = await node_inputs.resolve_stored(node, deferred, [])
    if not located.HasField("literals"):
        raise _malformed(f"the values that branch [{node.id}] compares are too large")
    return located.literals


def _variables(expression: condition_pb2.BooleanExpression) -> list[str]:
    if expression.HasField("conjunction"):
        both = (expression.conjunction.left_expression, expression.conjunction.right_expression)
        return [name for side in both for name in _variables(side)]
    operands = (expression.comparison.left_value, expression.comparison.right_value)
    return [operand.var for operand in operands if operand.var]
