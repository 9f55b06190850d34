"""The outputs with which an operator skips a node: checked against its interface, then stored."""

import hashlib

from flyteidl.core import interface_pb2, literals_pb2

from flytetemporal import errors
from flytetemporal.admin.base import plain_values
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.admin.edits import node_outputs
from flytetemporal.compiler import promises
from flytetemporal.contracts.v1 import edits_pb2, execution_pb2
from flytetemporal.idl import bounds, interfaces, locations, types

# Outputs up to this size travel with the edit, so that the nodes after it need no activity to resolve them.
INLINE_BYTES = 2 * 1024


async def command(deps: Dependencies, row: ExecutionRow, skip: edits_pb2.SkipNode) -> edits_pb2.SkippedNode:
    """Return what the workflow needs in order to skip a node. The outputs are stored.

    Raises:
        NotFound: the execution has no such node.
        InvalidRequest: an output is missing, unknown, or of another type.
    """
    variables = await node_outputs.declared(deps, row, skip.node_id)
    outputs = skip.literals
    if skip.WhichOneof("outputs") == "json":
        outputs = plain_values.literal_map(skip.json, variables, f"the outputs of node {skip.node_id}")
    check(skip.node_id, variables, outputs)
    argument = execution_pb2.ExecutionInput.FromString(row.engine_input or b"")
    # The name derives from the content, so a repeated request changes nothing that an earlier one has stored.
    digest = hashlib.sha256(outputs.SerializeToString(deterministic=True)).hexdigest()
    uri = locations.outputs_uri(locations.join(argument.metadata_dir, "edits", digest))
    await deps.blobs.write_message(uri, outputs)
    skipped = edits_pb2.SkippedNode(node_id=skip.node_id, uri=uri)
    if outputs.ByteSize() <= INLINE_BYTES:
        skipped.literals.CopyFrom(outputs)
    return skipped


def check(node_id: str, variables: interface_pb2.VariableMap, outputs: literals_pb2.LiteralMap) -> None:
    """Refuse outputs that do not fit the interface of a node. Raises ``InvalidRequest``."""
    declared = ", ".join(sorted(variables.variables)) or "none"
    for name in sorted(outputs.literals):
        if name not in variables.variables:
            raise errors.InvalidRequest(f"node {node_id} has no output {name}; its outputs are: {declared}")
    for name in sorted(variables.variables):
        if name not in outputs.literals:
            raise errors.InvalidRequest(f"output {name} of node {node_id} is missing; its outputs are: {declared}")
    interfaces.check_literals(outputs, f"outputs of node {node_id}")
    for name, variable in sorted(variables.variables.items()):
        if bounds.is_too_deep(outputs.literals[name]):
            raise errors.InvalidRequest(f"output {name} of node {node_id} is nested too deep")
        found = types.infer(outputs.literals[name])
        if not promises.is_unknown(variable.type) and not types.castable(found, variable.type):
            raise errors.InvalidRequest(
                f"output {name} of node {node_id} is {types.text(found)}, not {types.text(variable.type)}"
            )
