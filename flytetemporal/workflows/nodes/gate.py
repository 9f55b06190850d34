"""Gate nodes: wait for time to pass, for a value, or for an approval. A wait holds no slot and no activity."""

from flyteidl.core import identifier_pb2, literals_pb2, types_pb2
from google.protobuf import duration_pb2

from flytetemporal.contracts import activities
from flytetemporal.contracts.v1 import execution_pb2, operations_pb2
from flytetemporal.idl import locations
from flytetemporal.workflows import engine_activities
from flytetemporal.workflows import inputs as node_inputs
from flytetemporal.workflows.node.node_run import NodeRun, Phase
from flytetemporal.workflows.node.outcomes import (
    UNKNOWN,
    NodeFailure,
    Values,
    execution_error,
    system_failure,
    user_failure,
)
from flytetemporal.workflows.nodes import inline_tasks
from flytetemporal.workflows.walk import Walk

BOOLEAN = types_pb2.LiteralType(simple=types_pb2.SimpleType.BOOLEAN)


async def run(walk: Walk, node: NodeRun, inputs: execution_pb2.NodeInputs) -> Values:
    """Wait for the gate's condition."""
    gate = node.node.gate
    if not node.is_resumed:
        await node_inputs.materialise(node, inputs)
        if node.attempt == 0:
            node.report(node.phase_event(Phase.RUNNING))
    match gate.WhichOneof("condition"):
        case "sleep":
            return await _sleep(node, gate.sleep.duration)
        case "approve":
            return await _approve(node, inputs)
        case "signal":
            return await _receive(node)
        case _:
            raise system_failure("BadSpecificationError", f"gate node [{node.id}] has no condition")


async def _sleep(node: NodeRun, duration: duration_pb2.Duration) -> Values:
    await inline_tasks.sleep_until_due(node, duration)
    node.report(node.phase_event(Phase.SUCCEEDED))
    return Values(literals_pb2.LiteralMap(), "")


async def _approve(node: NodeRun, inputs: execution_pb2.NodeInputs) -> Values:
    answer = await _signal(node, node.node.gate.approve.signal_id, BOOLEAN)
    literal = answer.literals.literals["o0"] if answer.literals is not None else literals_pb2.Literal()
    primitive = literal.scalar.primitive
    if primitive.WhichOneof("value") != "boolean":
        raise NodeFailure(execution_error("RuntimeExecutionError", "the approval is not a boolean", UNKNOWN))
    if not primitive.boolean:
        raise user_failure("ReceivedRejectSignal", "received a reject signal to disapprove the node input values")
    return _succeeded(node, await _passed_on(node, inputs))


async def _passed_on(node: NodeRun, inputs: execution_pb2.NodeInputs) -> Values:
    """Write the inputs once more, as outputs."""
    uri = locations.outputs_uri(node.output_dir())
    if inputs.WhichOneof("value") == "deferred":
        located = await node_inputs.resolve_stored(node, inputs.deferred, [uri])
        return Values(located.literals if located.HasField("literals") else None, uri)
    return node.store(inputs.literals, uri)


async def _receive(node: NodeRun) -> Values:
    condition = node.node.gate.signal
    uri = locations.outputs_uri(node.output_dir())
    received = await _signal(node, condition.signal_id, condition.type, condition.output_variable_name, uri)
    return _succeeded(node, Values(received.literals, uri))


async def _signal(
    node: NodeRun, signal_id: str, expected: types_pb2.LiteralType, variable: str = "o0", write_to: str = ""
) -> Values:
    """Return the value of a signal once it has one. The first request makes the signal visible to clients."""
    request = execution_pb2.SignalRequest(
        id=identifier_pb2.SignalIdentifier(signal_id=signal_id, execution_id=node.execution_id),
        type=expected,
        variable=variable,
        write_to=write_to,
    )
    asked = operations_pb2.SignalWait(signal_id=signal_id, type=expected)
    signals = node.scope.run.signals
    # From 0: a signal that reached this run before the node did counts. The previous run has read all earlier ones.
    count = 0
    # A client may set a signal as soon as a query names it, so queries name it only once admin knows it.
    with node.waiting(lambda wait: wait.engine.CopyFrom(operations_pb2.EngineWait(work=f"signal {signal_id}"))):
        while True:
            if node.progress.asked:
                async with node.idle(lambda wait: wait.signal.CopyFrom(asked)):
                    await signals.changed(signal_id, count)
                node.progress.asked = False
            count = signals.count(signal_id)
            state = await engine_activities.execute(
                activities.read_signal, request, summary=f"{node.id} signal {signal_id}"
            )
            if state.HasField("outputs"):
                literals = state.outputs.literals if state.outputs.HasField("literals") else None
                return Values(literals, state.outputs.uri)
            node.progress.asked = True


def _succeeded(node: NodeRun, outputs: Values) -> Values:
    event = node.phase_event(Phase.SUCCEEDED)
    event.output_uri = outputs.uri
    node.report(event)
    return outputs
