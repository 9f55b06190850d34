"""Histories without values replay, too; and hostile ones are refused before they do."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import History
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from flytetemporal.contracts import compression, histories, masking, packing, payloads
from flytetemporal.contracts.masking import Masker
from flytetemporal.contracts.v1 import continuation_pb2, execution_pb2
from flytetemporal.errors import InvalidRequest
from flytetemporal.workflows.array import ArrayWorkflow
from flytetemporal.workflows.control.backfill import BackfillWorkflow
from flytetemporal.workflows.control.scheduled_launch import ScheduledLaunchWorkflow
from flytetemporal.workflows.control.sweeper import SweeperWorkflow
from flytetemporal.workflows.control.upkeep import UpkeepWorkflow
from flytetemporal.workflows.execution import ExecutionWorkflow

HISTORIES = sorted(Path(__file__).with_name("histories").glob("*.json.gz"))
# Their masked numbers would take another case, or reject what was approved.
DECIDED_BY_VALUES = ("rejection", "branch")
# Shorter texts occur in ids by chance.
DISTINCT_CHARACTERS = 6
COMPRESSED = {"encoding": compression.ENCODING}


def recorded(path: Path) -> History:
    return History(events=WorkflowHistory.from_json("recorded", gzip.decompress(path.read_bytes()).decode()).events)


@pytest.mark.parametrize("path", HISTORIES[::5], ids=lambda path: path.name.removesuffix(".json.gz"))
async def test_a_history_without_values_replays(path: Path) -> None:
    history = recorded(path)
    decided = any(word in path.name for word in DECIDED_BY_VALUES)

    histories.leave_out_values(history, Masker(b"0123456789abcdef", numbers=not decided))
    histories.check(history)
    replayer = Replayer(
        workflows=[
            ExecutionWorkflow,
            ArrayWorkflow,
            ScheduledLaunchWorkflow,
            SweeperWorkflow,
            UpkeepWorkflow,
            BackfillWorkflow,
        ],
        data_converter=payloads.DATA_CONVERTER,
        workflow_runner=UnsandboxedWorkflowRunner(),
        debug_mode=True,
    )

    result = await replayer.replay_workflow(WorkflowHistory("recorded", list(history.events)))

    assert result.replay_failure is None


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.name.removesuffix(".json.gz"))
def test_no_value_is_left_in_a_history(path: Path) -> None:
    history = recorded(path)
    values = {text for message in contents(history) for text in texts(message) if len(text) >= DISTINCT_CHARACTERS}

    histories.leave_out_values(history, Masker(b"0123456789abcdef"))

    left = b"".join(message.SerializeToString() for message in contents(history))
    definition = b"".join(packed(history, "inline_graph", "gzipped"))
    assert [value for value in values if value.encode() in left and value.encode() not in definition] == []


def contents(history: History) -> Iterator[Message]:
    """Yield what is in the payloads and failures of a history, the state of a run unpacked."""
    for event in history.events:
        for message in masking.inside(event):
            if message.DESCRIPTOR.full_name == "temporal.api.failure.v1.Failure":
                yield message
            elif isinstance(message, Payload) and (found := histories.content(message)) is not None:
                yield found
                for state in (getattr(found, "inline_state", b""),):
                    yield from [continuation_pb2.RunState.FromString(packing.gunzip(state))] if state else []


def packed(history: History, *fields: str) -> Iterator[bytes]:
    for message in contents(history):
        for found in masking.inside(message):
            for field in fields:
                if data := getattr(found, field, b""):
                    yield packing.gunzip(data)


def texts(message: Message) -> Iterator[str]:
    for found in masking.inside(message):
        kind = found.DESCRIPTOR.full_name
        if kind in ("flyteidl.core.Primitive", "google.protobuf.Value"):
            yield found.string_value
        elif kind.endswith(("Error", "Failure")):
            yield getattr(found, "message", "")


def payload(message: execution_pb2.ExecutionInput) -> Payload:
    return payloads.DATA_CONVERTER.payload_converter.to_payload(message)


@pytest.mark.parametrize(
    "hostile",
    [
        Payload(
            metadata={"encoding": compression.ENCODING}, data=zlib.compress(bytes(histories.MAX_PAYLOAD_BYTES + 1))
        ),
        Payload(metadata={"encoding": compression.ENCODING}, data=b"not compressed"),
        payload(execution_pb2.ExecutionInput(inline_graph=gzip.compress(bytes(64 * 1024 * 1024 + 1)))),
        payload(execution_pb2.ExecutionInput(inline_state=b"not compressed")),
        Payload(
            metadata={"encoding": b"binary/protobuf", "messageType": b"flytetemporal.v1.ExecutionInput"}, data=b"\xff"
        ),
    ],
    ids=["bomb", "damaged", "bomb inside", "damaged inside", "no message"],
)
def test_a_history_that_would_blow_up_is_refused(hostile: Payload) -> None:
    history = recorded(HISTORIES[0])
    history.events[0].workflow_execution_started_event_attributes.input.payloads[0].CopyFrom(hostile)

    with pytest.raises(InvalidRequest, match="event 1 has a payload that cannot be read"):
        histories.check(history)
