from pathlib import Path

import pytest
from flyteidl.core import errors_pb2, interface_pb2, literals_pb2, tasks_pb2
from google.protobuf import wrappers_pb2

from flytetemporal.activities import outputs
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.plugins.protocol import ErrorKind
from flytetemporal.storage.blobs import BlobStore

DECLARED = interface_pb2.TypedInterface(outputs=interface_pb2.VariableMap(variables={"o0": interface_pb2.Variable()}))
TASK = tasks_pb2.TaskTemplate(interface=DECLARED)
VALUES = literals_pb2.LiteralMap(
    literals={"o0": literals_pb2.Literal(scalar={"primitive": literals_pb2.Primitive(integer=1)})}
)


class Left:
    """The output folder of an attempt."""

    def __init__(self, folder: Path) -> None:
        self.blobs = BlobStore(f"file://{folder}")
        self.dir = f"file://{folder}/0"

    async def put(self, name: str, content: bytes) -> None:
        await self.blobs.write(f"{self.dir}/{name}", content)

    async def collect(self, task: tasks_pb2.TaskTemplate = TASK) -> execution_pb2.TaskAttemptResult:
        return await outputs.collect(self.blobs, self.dir, task)


@pytest.fixture
def left(tmp_path: Path) -> Left:
    return Left(tmp_path)


def document(kind: errors_pb2.ContainerError.Kind) -> bytes:
    error = errors_pb2.ContainerError(code="C", message="m", kind=kind, origin=ErrorKind.SYSTEM, worker="w0")
    error.timestamp.seconds = 5
    return errors_pb2.ErrorDocument(error=error).SerializeToString()


async def test_small_outputs_come_inline(left: Left) -> None:
    await left.put("outputs.pb", VALUES.SerializeToString())

    assert (await left.collect()).outputs.literals == VALUES


async def test_an_error_precedes_outputs(left: Left) -> None:
    await left.put("outputs.pb", VALUES.SerializeToString())
    await left.put("error.pb", document(errors_pb2.ContainerError.NON_RECOVERABLE))

    failure = (await left.collect()).failure

    assert (failure.error.code, failure.error.message, failure.error.kind) == ("C", "m", ErrorKind.SYSTEM)
    assert failure.error.timestamp.seconds == 5
    assert failure.error.worker == "w0"
    assert not failure.recoverable


async def test_the_document_says_what_may_be_tried_again(left: Left) -> None:
    await left.put("error.pb", document(errors_pb2.ContainerError.RECOVERABLE))

    assert (await left.collect()).failure.recoverable


async def test_the_plan_of_a_dynamic_node_precedes_everything(left: Left) -> None:
    await left.put("error.pb", document(errors_pb2.ContainerError.RECOVERABLE))
    await left.put("futures.pb", b"")

    result = await left.collect()

    assert result.dynamic
    assert result.WhichOneof("outcome") == "outputs"


@pytest.mark.parametrize("content", [b"\xff\xff", b""])
async def test_a_broken_error_file_is_the_systems(left: Left, content: bytes) -> None:
    await left.put("error.pb", content)

    failure = (await left.collect()).failure

    assert (failure.error.code, failure.error.kind) == ("ErrorFileBadFormat", ErrorKind.SYSTEM)
    assert failure.recoverable


async def test_outputs_that_are_no_outputs_are_the_users_error(left: Left) -> None:
    await left.put("outputs.pb", b"\xff\xff")

    failure = (await left.collect()).failure

    assert (failure.error.code, failure.error.kind) == ("InvalidTaskOutputs", ErrorKind.USER)
    assert not failure.recoverable


async def test_a_deck_is_looked_for_unless_the_task_makes_none(left: Left) -> None:
    await left.put("outputs.pb", VALUES.SerializeToString())
    await left.put("deck.html", b"<html>")
    never = tasks_pb2.TaskTemplate(interface=DECLARED)
    never.metadata.generates_deck.CopyFrom(wrappers_pb2.BoolValue(value=False))

    assert (await left.collect()).deck_uri == f"{left.dir}/deck.html"
    assert not (await left.collect(never)).deck_uri


async def test_a_failed_attempt_shows_the_deck_that_it_has_written(left: Left) -> None:
    await left.put("error.pb", document(errors_pb2.ContainerError.RECOVERABLE))
    await left.put("deck.html", b"<html>")

    assert (await left.collect()).deck_uri == f"{left.dir}/deck.html"


async def test_clearing_removes_all_that_could_mislead(left: Left) -> None:
    for name in ("outputs.pb", "error.pb", "futures.pb", "deck.html"):
        await left.put(name, b"")
    await outputs.mark_finished(left.blobs, left.dir, execution_pb2.TaskAttemptResult(dynamic=True))

    await outputs.clear(left.blobs, left.dir)

    assert not (await left.collect()).dynamic
    assert await outputs.finished(left.blobs, left.dir) is None


@pytest.mark.parametrize("origin", [ErrorKind.USER, ErrorKind.SYSTEM])
async def test_an_error_of_flytekits_for_lack_of_the_store_is_no_failure_of_the_user(
    left: Left, origin: ErrorKind.ErrorKind
) -> None:
    message = "Trace:\n  ClientConnectorError: Cannot connect\n  FlyteDownloadDataException: Failed to get data"
    container = errors_pb2.ContainerError(code="USER:Unknown", message=message, origin=origin)
    await left.put("error.pb", errors_pb2.ErrorDocument(error=container).SerializeToString())

    failure = (await left.collect()).failure

    assert (failure.error.code, failure.error.kind) == ("StoreUnreachable", ErrorKind.SYSTEM)
    assert failure.recoverable
    assert message in failure.error.message
