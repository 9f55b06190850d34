"""Attempts on a real S3 server that is gone, hangs or denies access while they run or end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import pytest_asyncio
from flyteidl.core import execution_pb2

from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.plugins import transient
from scripts.s3_server import S3Server
from tests.fixtures.task_attempts import Bench, Started, sample, template, text
from tests.fixtures.waiting import bounded, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

Trouble = Callable[[S3Server], AbstractContextManager[None]]
TROUBLES: dict[str, tuple[Trouble, str]] = {
    "gone": (S3Server.gone, "does not answer"),
    "hanging": (S3Server.hanging, "does not answer"),
    "denying": (S3Server.denying, "denies access"),
}
# It runs until there is a file "go", and says in another file that it has started; it does not use the store itself.
WAITS = 'echo started >> "$FOLDER/started"; until [ -e "$FOLDER/go" ]; do sleep 0.05; done'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    folder = tmp_path_factory.mktemp("s3-bench")
    opened = Bench.at(folder, root=f"{s3_server.root}/outages", options=s3_server.options())
    async with opened.registry.opened():
        yield opened


async def waiting_attempt(bench: Bench, folder: Path) -> contract_pb2.TaskAttempt:
    return await bench.attempt(template(("sh", "-c", WAITS), outputs=False), envs={"FOLDER": str(folder)})


def notes_of(started: Started) -> list[str]:
    """Return the list to which the notes of the attempt's heartbeats are added."""
    notes: list[str] = []
    started.environment.on_heartbeat = lambda _, note, __: notes.append(note.decode())
    return notes


@contextlib.asynccontextmanager
async def during(trouble: AbstractContextManager[None]) -> AsyncIterator[None]:
    """Enter and leave ``trouble`` in a thread: starting the server blocks."""
    await asyncio.to_thread(trouble.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(trouble.__exit__, None, None, None)


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_a_task_that_ends_while_the_store_fails_is_not_run_again(
    bench: Bench, s3_server: S3Server, tmp_path: Path, trouble: str
) -> None:
    fails, problem = TROUBLES[trouble]
    attempt = await waiting_attempt(bench, tmp_path)
    started = bench.start(attempt)
    notes = notes_of(started)
    await eventually((tmp_path / "started").exists)

    async with during(fails(s3_server)):
        (tmp_path / "go").touch()
        await eventually(lambda: any(problem in note for note in notes))
    result = await bounded(started.result)

    assert result.WhichOneof("outcome") == "outputs"
    assert (tmp_path / "started").read_text() == "started\n"
    assert await bench.blobs.exists(f"{attempt.output_dir}/attempt.pb")


async def test_a_task_of_flytekits_whose_outputs_the_store_does_not_take_fails_as_a_system_failure_once_it_is_back(
    bench: Bench, s3_server: S3Server, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    attempt = await bench.attempt(sample("waits_for"), path=text(str(go)))
    started = bench.start(attempt)
    notes = notes_of(started)
    await eventually((tmp_path / "go.started").exists)

    async with during(s3_server.gone()):
        go.touch()
        await eventually(lambda: any("does not answer" in note for note in notes))
        assert not started.result.done()
    result = await bounded(started.result)

    error = result.failure.error
    assert (error.code, error.kind) == ("StoreUnreachable", execution_pb2.ExecutionError.SYSTEM)
    assert result.failure.recoverable
    assert "Failed to put data" in error.message


async def test_a_store_that_denies_access_for_long_ends_the_attempt_as_a_system_failure(
    bench: Bench, s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = await waiting_attempt(bench, tmp_path)
    started = bench.start(attempt)
    await eventually((tmp_path / "started").exists)
    monkeypatch.setattr(transient, "DENIED_SECONDS", 1.0)

    async with during(s3_server.denying()):
        (tmp_path / "go").touch()
        result = await bounded(started.result)

    error = result.failure.error
    assert (error.code, error.kind) == ("StoreAccessDenied", execution_pb2.ExecutionError.SYSTEM)
    assert result.failure.recoverable
    assert "FLYTETEMPORAL_STORAGE__OPTIONS" in error.message
    assert result.unreported


async def test_an_attempt_whose_inputs_cannot_be_written_does_not_start(
    s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = Bench.at(tmp_path, root=f"{s3_server.root}/denied", options=s3_server.options())
    attempt = await waiting_attempt(allowed, tmp_path)
    denied = Bench.at(tmp_path, root=f"{s3_server.root}/denied", options=s3_server.options("READER"))
    monkeypatch.setattr(transient, "DENIED_SECONDS", 1.0)

    async with denied.registry.opened():
        result = await bounded(denied.run(attempt))

    assert result.failure.error.code == "StoreAccessDenied"
    assert result.failure.recoverable
    assert not (tmp_path / "started").exists()


async def test_an_attempt_that_is_repeated_while_its_result_cannot_be_read_does_not_run(
    bench: Bench, s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = await waiting_attempt(bench, tmp_path)
    (tmp_path / "go").touch()
    await bench.run(attempt)
    monkeypatch.setattr(transient, "DENIED_SECONDS", 1.0)

    async with during(s3_server.denying()):
        denied = await bounded(bench.run(attempt, temporal_attempt=2))
    kept = await bounded(bench.run(attempt, temporal_attempt=2))

    assert denied.failure.error.code == "StoreAccessDenied"
    assert kept.WhichOneof("outcome") == "outputs"
    assert (tmp_path / "started").read_text() == "started\n"
