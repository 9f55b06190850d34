"""end-node: its inputs are the workflow's outputs."""

from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.idl import locations
from flytetemporal.workflows import inputs as node_inputs
from flytetemporal.workflows.node.node_run import NodeRun, Phase
from flytetemporal.workflows.node.outcomes import Values
from flytetemporal.workflows.walk import Walk


async def run(walk: Walk, node: NodeRun, inputs: execution_pb2.NodeInputs) -> Values:
    """Write the inputs of the node once more, as the outputs of the workflow."""
    outputs_uri = locations.outputs_uri(node.output_dir())
    if inputs.WhichOneof("value") == "deferred":
        located = await node_inputs.resolve_stored(node, inputs.deferred, [node.inputs_uri, outputs_uri])
        outputs = Values(located.literals if located.HasField("literals") else None, outputs_uri)
    else:
        node.store(inputs.literals, node.inputs_uri)
        outputs = node.store(inputs.literals, outputs_uri)
    node.report(node.phase_event(Phase.SUCCEEDED))
    return outputs
