from pathlib import Path

import pytest
from flyteidl.admin import signal_pb2
from flyteidl.core import identifier_pb2, literals_pb2, types_pb2

from flytetemporal.activities.signals import SignalActivities
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.storage.blobs import BlobStore


class Signals:
    """Records requests, and answers all with one value."""

    def __init__(self, value: literals_pb2.Literal | None) -> None:
        self.value = value
        self.asked: list[signal_pb2.SignalGetOrCreateRequest] = []

    async def get_or_create_signal(self, request: signal_pb2.SignalGetOrCreateRequest) -> signal_pb2.Signal:
        self.asked.append(request)
        return signal_pb2.Signal(id=request.id, type=request.type, value=self.value)


def text(value: str) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(string_value=value)))


def request(folder: Path) -> execution_pb2.SignalRequest:
    return execution_pb2.SignalRequest(
        id=identifier_pb2.SignalIdentifier(signal_id="title"),
        type=types_pb2.LiteralType(simple=types_pb2.SimpleType.STRING),
        variable="o0",
        write_to=f"{folder}/outputs.pb",
    )


async def test_a_signal_without_a_value_is_made_known(tmp_path: Path) -> None:
    signals = Signals(None)

    state = await SignalActivities(BlobStore(str(tmp_path)), signals).read_signal(request(tmp_path))

    assert not state.HasField("outputs")
    assert signals.asked[0].type.simple == types_pb2.SimpleType.STRING
    assert not (tmp_path / "outputs.pb").exists()


@pytest.mark.parametrize(("size", "inline"), [(10, True), (30_000, False)])
async def test_a_value_becomes_the_gates_outputs(tmp_path: Path, size: int, inline: bool) -> None:
    signals = Signals(text("x" * size))

    state = await SignalActivities(BlobStore(str(tmp_path)), signals).read_signal(request(tmp_path))

    written = literals_pb2.LiteralMap.FromString((tmp_path / "outputs.pb").read_bytes())
    assert written.literals["o0"] == signals.value
    assert state.outputs.HasField("literals") == inline
    assert inline or state.outputs.uri == f"{tmp_path}/outputs.pb"
