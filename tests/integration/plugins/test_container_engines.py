"""The choice of the engine, and the containers of a worker that ends."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from flyteidl.core import tasks_pb2

from flytetemporal.errors import Unavailable
from flytetemporal.plugins.container_engine import engine
from flytetemporal.plugins.container_engine.engine import Engine, EngineFailed, NoEngine
from tests.fixtures.container_engines import IMAGE, OPTIONS, STAND_IN, TestEngine
from tests.fixtures.task_attempts import Bench, template
from tests.fixtures.waiting import bounded, eventually


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


async def test_the_first_that_answers_is_taken(tmp_path: Path) -> None:
    program(tmp_path, "podman", "exit 1")
    docker = program(tmp_path, "docker", "exit 0")

    found = await engine.find("", {"PATH": str(tmp_path)})

    assert found.command == str(docker)


async def test_the_engine_in_the_settings_is_taken(tmp_path: Path) -> None:
    program(tmp_path, "podman", "exit 0")
    other = program(tmp_path / "elsewhere", "my-engine", "exit 0")

    assert (await engine.find(str(other), {"PATH": str(tmp_path)})).command == str(other)
    with pytest.raises(NoEngine, match="nerdctl is not installed"):
        await engine.find("nerdctl", {"PATH": str(tmp_path)})


async def test_all_that_were_tried_are_named(tmp_path: Path) -> None:
    program(tmp_path, "docker", "echo Cannot connect >&2; exit 1")

    with pytest.raises(NoEngine, match="podman is not installed, docker does not answer"):
        await engine.find("", {"PATH": str(tmp_path)})


async def test_a_failure_has_the_text_of_the_engine(stand_in_engine: TestEngine) -> None:
    found = await engine.find("podman", {**os.environ, **stand_in_engine.variables})

    with pytest.raises(EngineFailed, match="unknown flag: --no-such-flag"):
        await found.create(["--name", "x", "--no-such-flag", IMAGE], {})
    assert await found.state("x") is None


async def test_an_unknown_answer_is_an_error(tmp_path: Path) -> None:
    strange = await engine.find(str(program(tmp_path, "podman", "echo '{}'")), dict(os.environ))

    with pytest.raises(Unavailable, match="unknown form"):
        await strange.state("x")


@pytest.fixture
def sleeping(stand_in_engine: TestEngine, monkeypatch: pytest.MonkeyPatch) -> tasks_pb2.TaskTemplate:
    """A task whose container sleeps, and the engine's variables."""
    for name, value in stand_in_engine.variables.items():
        monkeypatch.setenv(name, value)
    task = template((), kind="raw-container", outputs=False)
    sleep = tasks_pb2.Container(image=IMAGE, command=["/bin/sleep", "60"], data_config={"enabled": True})
    task.container.CopyFrom(sleep)
    return task


def bench_of(folder: Path, max_log_bytes: int = 64 * 1024 * 1024) -> Bench:
    return Bench.at(
        folder, container_engine=str(STAND_IN / "podman"), container_options=OPTIONS, max_log_bytes=max_log_bytes
    )


async def test_a_worker_that_ends_takes_its_containers_along(
    tmp_path: Path, stand_in_engine: TestEngine, sleeping: tasks_pb2.TaskTemplate
) -> None:
    bench = bench_of(tmp_path)

    async with bench.registry.opened():
        started = bench.start(await bench.attempt(sleeping))
        await eventually(lambda: len(stand_in_engine.containers()) == 1)

    assert stand_in_engine.containers() == []
    started.result.cancel()


async def test_a_container_that_is_created_while_its_worker_ends_does_not_run(
    tmp_path: Path, stand_in_engine: TestEngine, sleeping: tasks_pb2.TaskTemplate, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, create = bench_of(tmp_path), Engine.create
    creating, ended = asyncio.Event(), asyncio.Event()

    async def late(self: Engine, arguments: Sequence[str], variables: Mapping[str, str]) -> None:
        creating.set()
        await ended.wait()
        await create(self, arguments, variables)

    monkeypatch.setattr(Engine, "create", late)

    async with bench.registry.opened():
        started = bench.start(await bench.attempt(sleeping))
        await bounded(creating.wait())
    ended.set()

    with pytest.raises(Unavailable, match="the worker stops"):
        await bounded(started.result)
    assert stand_in_engine.containers() == []


async def test_the_log_of_a_container_is_cut_at_its_limit(tmp_path: Path, sleeping: tasks_pb2.TaskTemplate) -> None:
    bench = bench_of(tmp_path, max_log_bytes=1000)
    sleeping.container.command[:] = ["/bin/sh", "-c", "head -c 100000 /dev/zero"]

    async with bench.registry.opened():
        attempt = await bench.attempt(sleeping)
        await bounded(bench.run(attempt))

    log = bench.log_of(attempt).read_bytes()
    assert log[:1000] == b"\0" * 1000
    assert log[1000:] == b"\n[flytetemporal] the log was cut at 1000 bytes (worker.max_log_bytes)\n"
