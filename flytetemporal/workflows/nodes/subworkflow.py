"""Subworkflow nodes: a walk below the node, in the same execution."""

from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.idl import locations
from flytetemporal.workflows import inputs as node_inputs
from flytetemporal.workflows.node.node_run import NodeRun, Phase
from flytetemporal.workflows.node.outcomes import Values
from flytetemporal.workflows.walk import Walk


async def run(walk: Walk, node: NodeRun, inputs: execution_pb2.NodeInputs) -> Values:
    """Walk the subworkflow; its outputs become the node's."""
    body = node.scope.program.graph.bodies[node.node.subworkflow.workflow]
    scope = node.nested_scope(body)
    values = Values(None, node.inputs_uri)
    if not node.scope.run.state.has_level(node.id):
        values = await node_inputs.materialise(node, inputs)
        if node.attempt == 0:
            node.report(node.phase_event(Phase.RUNNING))
    nested = Walk(scope, walk.run_kind, walk.abort)
    async with node.idle(lambda wait: wait.nested.node_ids.extend(nested.running())):
        outputs = await nested.run(values)
    return complete(node, outputs)


def complete(node: NodeRun, outputs: Values) -> Values:
    """Copy the outputs of the level below the node to the node's own, and report its success."""
    uri = outputs.uri
    if outputs.literals is not None:
        uri = locations.outputs_uri(node.output_dir())
        node.store(outputs.literals, uri)
    event = node.phase_event(Phase.SUCCEEDED)
    event.output_uri = uri
    node.report(event)
    return Values(outputs.literals, uri)
