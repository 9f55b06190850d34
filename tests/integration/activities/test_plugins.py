"""A plugin that only the test knows: one line registers it, and its attempts run as all others do."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from flyteidl.core import literals_pb2

from flytetemporal.cli.wiring import plugins
from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.idl import locations
from flytetemporal.plugins.protocol import PhaseInfo, Plugin, TaskContext, TaskPhase, succeeded
from flytetemporal.storage.blobs import BlobStore
from tests.fixtures.task_attempts import Bench, template, text


class ReversingPlugin(Plugin):
    """Leaves the reversed input of each attempt as its output."""

    identifier = "reversing"

    def __init__(self, worker: WorkerSettings, storage: StorageSettings, blobs: BlobStore) -> None:
        self.blobs = blobs

    async def start(self, context: TaskContext) -> bytes:
        return b"handle"

    async def watch(self, context: TaskContext, handle: bytes) -> AsyncIterator[PhaseInfo]:
        assert handle == b"handle"
        yield PhaseInfo(TaskPhase.RUNNING, reason="reversing")
        inputs = await self.blobs.read_message(context.inputs_uri, literals_pb2.LiteralMap)
        word = inputs.literals["word"].scalar.primitive.string_value
        outputs = literals_pb2.LiteralMap(literals={"o0": text(word[::-1])})
        await self.blobs.write_message(locations.outputs_uri(context.output_dir), outputs)
        yield succeeded()

    async def abort(self, context: TaskContext, handle: bytes) -> None:
        return None


async def test_a_plugin_is_registered_by_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins.BY_TYPE, "test-plugin", ReversingPlugin)
    bench = Bench.at(tmp_path)
    task = template((), kind="test-plugin")
    task.ClearField("container")
    attempt = await bench.attempt(task, word=text("stressed"))

    async with bench.registry.opened():
        result = await bench.run(attempt)

    assert result.outputs.literals.literals["o0"] == text("desserts")
    assert bench.sink.phases(attempt) == ["RUNNING", "SUCCEEDED"]
    running, ended = bench.sink.task_events(attempt)
    assert (running.reason, ended.metadata.plugin_identifier) == ("reversing", "reversing")
