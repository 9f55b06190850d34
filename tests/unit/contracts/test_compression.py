"""Payloads on their way into Temporal."""

from temporalio.api.common.v1 import Payload

from flytetemporal.contracts import payloads
from flytetemporal.contracts.v1 import execution_pb2

CODEC = payloads.DATA_CONVERTER.payload_codec


async def test_a_large_message_travels_small_and_comes_back() -> None:
    report = execution_pb2.CopyRequest(from_uri="s3://bucket/" + "metadata/" * 2_000)

    (payload,) = await payloads.DATA_CONVERTER.encode([report])
    (read,) = await payloads.DATA_CONVERTER.decode([payload], [execution_pb2.CopyRequest])

    assert payload.ByteSize() < report.ByteSize() / 10
    assert read == report


async def test_small_payloads_stay_readable() -> None:
    (payload,) = await payloads.DATA_CONVERTER.encode(["word"])

    assert payload.data == b'"word"'


async def test_what_was_written_without_compression_is_read() -> None:
    assert CODEC is not None
    old = Payload(metadata={"encoding": b"binary/protobuf"}, data=b"x" * 10_000)

    assert await CODEC.decode([old]) == [old]
