"""The inputs that an event of a trigger sets."""

import json
from collections.abc import Mapping
from typing import Any

from flyteidl.admin import execution_pb2
from flyteidl.core import interface_pb2, literals_pb2, types_pb2

from flytetemporal.admin.base import execution_lookup, plain_values, stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.events import trigger_events
from flytetemporal.admin.outbox.trigger_models import TriggerEventRow
from flytetemporal.admin.triggers import declarations
from flytetemporal.admin.triggers.declarations import Trigger
from flytetemporal.errors import FailedPrecondition, InvalidRequest
from flytetemporal.idl import bounds, times, types

_MISSING = object()


async def of_event(
    deps: Dependencies, trigger: Trigger, event: TriggerEventRow, expected: interface_pb2.ParameterMap
) -> literals_pb2.LiteralMap:
    """Return the inputs that a trigger takes from an event.

    Raises:
        InvalidRequest: the event does not have a value, or one of another type.
        FailedPrecondition: the outputs of the source execution are gone or cannot be read.
        Unavailable: the object store does not answer.
    """
    outputs = await _outputs(deps, trigger, event)
    body = json.loads(event.payload) if event.payload else None
    inputs = literals_pb2.LiteralMap()
    for name, expression in trigger.inputs.items():
        if name not in expected.parameters:
            raise InvalidRequest(f"the launch plan has no input [{name}] that an execution can set")
        output = declarations.output_of(expression)
        if output:
            if output not in outputs.literals:
                raise InvalidRequest(f"execution {event.event_id} has no output [{output}] for the input [{name}]")
            inputs.literals[name].CopyFrom(outputs.literals[output])
        elif expression == "time":
            inputs.literals[name].scalar.primitive.datetime.CopyFrom(times.timestamp(event.occurred_at))
        else:
            value = _value(expression, event, body)
            inputs.literals[name].CopyFrom(_literal(name, expression, value, expected.parameters[name].var.type))
    bounds.check(inputs)  # A body was not checked at the door.
    return inputs


def _value(expression: str, event: TriggerEventRow, body: Any) -> Any:
    """Return the JSON value that an expression names; ``_MISSING`` if the event has none."""
    match expression:
        case "delivery":
            return event.event_id
        case "uri":
            return event.event_id.rsplit("@", 1)[0]
        case "execution":
            return trigger_events.source_of(event.event_id).name
        case _:
            return _part(body, expression.split(".")[1:])


def _part(value: Any, path: list[str]) -> Any:
    for key in path:
        if isinstance(value, Mapping):
            value = value.get(key, _MISSING)
        elif isinstance(value, list) and key.isascii() and key.isdigit() and int(key[:9]) < len(value):
            value = value[int(key[:9])]
        else:
            return _MISSING
    return value


def _literal(name: str, expression: str, value: Any, wanted: types_pb2.LiteralType) -> literals_pb2.Literal:
    if value is _MISSING:
        raise InvalidRequest(f"the event has no [{expression}] for the input [{name}]")
    literal = plain_values.literal(value, wanted)
    if literal is None:
        raise InvalidRequest(
            f"[{expression}] is no {types.text(wanted)}, which the input [{name}] is: {json.dumps(value)[:200]}"
        )
    return literal


async def _outputs(deps: Dependencies, trigger: Trigger, event: TriggerEventRow) -> literals_pb2.LiteralMap:
    """Return the outputs of the source execution if the trigger takes inputs from them."""
    if not any(map(declarations.output_of, trigger.inputs.values())):
        return literals_pb2.LiteralMap()
    async with deps.sessions() as session:
        row = await execution_lookup.find_execution(session, trigger_events.source_of(event.event_id))
    if row is None:
        raise FailedPrecondition(f"the source execution {event.event_id} is gone, and with it its outputs")
    closure = stored_messages.parse(execution_pb2.ExecutionClosure, row.closure)
    if closure.HasField("output_data"):
        return closure.output_data
    if not closure.outputs.uri:
        return literals_pb2.LiteralMap()
    return await stored_messages.load(deps.blobs, closure.outputs.uri, literals_pb2.LiteralMap)
