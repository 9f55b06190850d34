"""Temporal histories outside of Temporal: without values for an export, and checked before they are replayed."""

import functools
import importlib
import pkgutil

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import History, HistoryEvent

from flytetemporal.contracts import compression, packing, v1
from flytetemporal.contracts.masking import Masker, inside
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.errors import InvalidRequest, ValueTooLarge

__all__ = ["History", "check", "children", "content", "leave_out_values", "next_run", "start_argument"]

_PAYLOAD = Payload.DESCRIPTOR.full_name
_FAILURE = "temporal.api.failure.v1.Failure"
_PROTOBUF, _JSON, _NULL = b"binary/protobuf", b"json/plain", b"binary/null"
# The arguments of what the workflow has started. A replay compares names and ids of commands, not their arguments.
_ARGUMENTS = (
    "activity_task_scheduled_event_attributes",
    "start_child_workflow_execution_initiated_event_attributes",
    "signal_external_workflow_execution_initiated_event_attributes",
    "workflow_execution_continued_as_new_event_attributes",
)
# Compressed fields inside payloads, which the engine decompresses as a whole.
_GZIPPED = (
    ("flytetemporal.v1.ExecutionInput", "inline_graph"),
    ("flytetemporal.v1.ExecutionInput", "inline_state"),
    ("flytetemporal.v1.DynamicGraph", "inline_graph"),
    ("flytetemporal.v1.GraphBytes", "gzipped"),
)
MAX_PAYLOAD_BYTES = 16 * 1024 * 1024


def start_argument(history: History) -> execution_pb2.ExecutionInput | None:
    """Return the argument of the run whose history starts with these events; None if it starts elsewhere."""
    first = history.events[0] if history.events else None
    if first is None or not first.HasField("workflow_execution_started_event_attributes"):
        return None
    payloads = first.workflow_execution_started_event_attributes.input.payloads
    message = content(payloads[0]) if payloads else None
    return message if isinstance(message, execution_pb2.ExecutionInput) else None


def next_run(history: History) -> str:
    """Return the id of the run that continues this one; empty if these events do not end with that."""
    last = history.events[-1] if history.events else HistoryEvent()
    return last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id


def children(history: History) -> list[str]:
    """Return the ids of the workflows that the run has started."""
    started = (event.start_child_workflow_execution_initiated_event_attributes for event in history.events)
    return [attributes.workflow_id for attributes in started if attributes.workflow_id]


def leave_out_values(history: History, masker: Masker) -> None:
    """Remove arguments and heartbeats, and replace the values in results, signals and failures by fillers."""
    for event in history.events:
        attributes = event.WhichOneof("attributes")
        if attributes in _ARGUMENTS:
            getattr(event, attributes).ClearField("input")
        for message in inside(event):
            kind = message.DESCRIPTOR.full_name
            if kind == _FAILURE:
                message.message = masker.text(message.message)
                message.stack_trace = ""
                message.ClearField("encoded_attributes")
            elif kind == _PAYLOAD:
                _mask_payload(message, masker)


def content(payload: Payload) -> Message | None:
    """Return the message in a payload, decompressed within limits; None if it contains none of ours.

    Raises:
        ValueTooLarge: it is larger than a payload can be.
        ValueError: it is damaged.
    """
    return _message(_decompressed(payload))


def check(history: History) -> None:
    """Refuse a history whose payloads would decompress to more than a run can have.

    Raises:
        InvalidRequest: a payload is damaged or too large.
    """
    for event in history.events:
        for message in inside(event):
            if message.DESCRIPTOR.full_name != _PAYLOAD:
                continue
            try:
                _check_payload(_decompressed(message))
            except (ValueError, ValueTooLarge, DecodeError) as e:
                raise InvalidRequest(f"event {event.event_id} has a payload that cannot be read: {e}") from e


def _check_payload(payload: Payload) -> None:
    found = _message(payload)
    for message in inside(found) if found is not None else ():
        for kind, field in _GZIPPED:
            if message.DESCRIPTOR.full_name == kind and (data := getattr(message, field)):
                packing.gunzip(data)


def _mask_payload(payload: Payload, masker: Masker) -> None:
    plain = _decompressed(payload)
    encoding = plain.metadata.get("encoding", b"")
    message = _message(plain)
    if message is not None:
        masker.mask(message)
        plain.data = message.SerializeToString(deterministic=True)
    elif encoding == b"binary/plain":
        plain.data = masker.data(plain.data)
    elif encoding not in (_JSON, _NULL):  # JSON are the ids and names of signals, markers and search attributes.
        plain.data = b""
    payload.CopyFrom(compression.compressed(plain))


def _decompressed(payload: Payload) -> Payload:
    if payload.metadata.get("encoding") != compression.ENCODING:
        return Payload.FromString(payload.SerializeToString())
    return Payload.FromString(packing.inflate(payload.data, MAX_PAYLOAD_BYTES))


def _message(payload: Payload) -> Message | None:
    """Return the message in a payload; None if it is none of ours."""
    if payload.metadata.get("encoding") != _PROTOBUF:
        return None
    name = payload.metadata.get("messageType", b"").decode(errors="replace")
    try:
        kind = message_factory.GetMessageClass(_messages().FindMessageTypeByName(name))
    except KeyError:
        return None
    return kind.FromString(payload.data)


@functools.cache
def _messages() -> descriptor_pool.DescriptorPool:
    """Return the pool of message types, ours included: a type is known once its module has been imported."""
    for module in pkgutil.iter_modules(v1.__path__):
        importlib.import_module(f"{v1.__name__}.{module.name}")
    return descriptor_pool.Default()
