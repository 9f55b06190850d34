"""A plugin that only the test knows: one line registers it, and its attempts run as all others do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from flyteidl.core import literals_pb2, tasks_pb2

from flytetemporal.activities import task_runs
from flytetemporal.cli.wiring import plugins
from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.idl import locations
from flytetemporal.plugins.protocol import PhaseInfo, Plugin, TaskContext, TaskPhase, succeeded
from flytetemporal.storage.blobs import BlobStore
from tests.fixtures.task_attempts import Bench, template, text
from tests.fixtures.waiting import bounded


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


class FullPlugin(ReversingPlugin):
    """Has no place for an attempt until the test opens the door."""

    door: ClassVar[asyncio.Event]

    @contextlib.asynccontextmanager
    async def place(self, template: tasks_pb2.TaskTemplate) -> AsyncIterator[None]:
        await self.door.wait()
        yield


async def test_the_timeout_of_an_attempt_does_not_run_while_it_waits_for_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FullPlugin.door = asyncio.Event()
    monkeypatch.setitem(plugins.BY_TYPE, "test-plugin", FullPlugin)
    bench = Bench.at(tmp_path)
    attempt = await bench.attempt(template((), kind="test-plugin"), limit=timedelta(seconds=2), word=text("live"))

    started = bench.start(attempt)
    await asyncio.sleep(2.5)
    assert not started.result.done()
    FullPlugin.door.set()
    result = await bounded(started.result)

    assert result.outputs.literals.literals["o0"] == text("evil")


class StuckPlugin(ReversingPlugin):
    """Runs attempts for ever and does not stop them."""

    async def watch(self, context: TaskContext, handle: bytes) -> AsyncIterator[PhaseInfo]:
        yield PhaseInfo(TaskPhase.RUNNING)
        await asyncio.Event().wait()

    async def abort(self, context: TaskContext, handle: bytes) -> None:
        await asyncio.Event().wait()


async def test_an_attempt_that_does_not_stop_at_its_timeout_is_left_to_a_retry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_runs, "STOP_SECONDS", 0.2)
    monkeypatch.setitem(plugins.BY_TYPE, "test-plugin", StuckPlugin)
    bench = Bench.at(tmp_path)
    attempt = await bench.attempt(template((), kind="test-plugin"), limit=timedelta(seconds=0.1))

    with pytest.raises(task_runs.NotStopped, match="has not stopped"):
        await bounded(bench.run(attempt))
