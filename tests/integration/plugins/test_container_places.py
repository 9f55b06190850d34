"""Attempts that wait until fewer containers run; on the stand-in, since nothing here depends on the engine."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from flyteidl.core import tasks_pb2

from tests.fixtures.container_engines import IMAGE, OPTIONS, STAND_IN, TestEngine
from tests.fixtures.task_attempts import Bench, template
from tests.fixtures.waiting import bounded, eventually


@pytest.fixture
async def bench(tmp_path: Path, stand_in_engine: TestEngine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    for name, value in stand_in_engine.variables.items():
        monkeypatch.setenv(name, value)
    engine = str(STAND_IN / "podman")
    opened = Bench.at(tmp_path, container_engine=engine, container_options=OPTIONS, max_containers=1)
    async with opened.registry.opened():
        yield opened


@pytest.fixture
def task(tmp_path: Path) -> tasks_pb2.TaskTemplate:
    """A task whose container runs until the file ``go`` exists."""
    made = template((), kind="raw-container", outputs=False)
    script = f"echo started; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    made.container.CopyFrom(
        tasks_pb2.Container(image=IMAGE, command=["/bin/sh", "-c", script], data_config={"enabled": True})
    )
    return made


def runs(bench: Bench, attempt: object) -> Callable[[], bool]:
    return lambda: "started" in bench.log(attempt)  # type: ignore[arg-type]


async def test_an_attempt_that_waits_for_a_container_heartbeats_and_is_reported_as_waiting(
    bench: Bench, task: tasks_pb2.TaskTemplate, tmp_path: Path
) -> None:
    first, second = await bench.attempt(task), await bench.attempt(task)
    running = bench.start(first)
    await eventually(runs(bench, first))
    beats = 0

    def count(*_: object) -> None:
        nonlocal beats
        beats += 1

    environment = bench.environment()
    environment.on_heartbeat = count
    waiting = asyncio.create_task(environment.run(bench.tasks.run_task, second))
    await eventually(lambda: beats >= 2)

    assert not runs(bench, second)()
    await eventually(lambda: bench.sink.phases(second) == ["WAITING_FOR_RESOURCES"])
    assert "worker.max_containers" in bench.sink.task_events(second)[0].reason
    (tmp_path / "go").touch()
    results = await bounded(asyncio.gather(running.result, waiting))
    assert [result.WhichOneof("outcome") for result in results] == ["outputs", "outputs"]
    for result in results:
        bench.sink.remember(result.unreported)
    # An attempt that starts quickly is not reported as initializing.
    assert bench.sink.phases(first)[-2:] == ["RUNNING", "SUCCEEDED"]
    assert bench.sink.phases(second)[0] == "WAITING_FOR_RESOURCES"
    assert bench.sink.phases(second)[-2:] == ["RUNNING", "SUCCEEDED"]


async def test_an_attempt_that_waits_for_a_container_can_be_aborted(
    bench: Bench, task: tasks_pb2.TaskTemplate, stand_in_engine: TestEngine, tmp_path: Path
) -> None:
    first, second, third = [await bench.attempt(task) for _ in range(3)]
    running = bench.start(first)
    await eventually(runs(bench, first))
    aborted, last = bench.start(second), bench.start(third)
    await asyncio.sleep(0.2)

    aborted.cancel()
    result = await bounded(aborted.result)

    assert result.failure.error.code == "Aborted"
    assert len(stand_in_engine.containers()) == 1
    (tmp_path / "go").touch()
    await bounded(asyncio.gather(running.result, last.result))
    assert "started" in bench.log(third)


async def test_an_eager_task_takes_no_place_from_the_containers_it_waits_for(
    bench: Bench, task: tasks_pb2.TaskTemplate, tmp_path: Path
) -> None:
    eager = tasks_pb2.TaskTemplate()
    eager.CopyFrom(task)
    eager.metadata.is_eager = True
    parent, child = await bench.attempt(eager), await bench.attempt(task)

    started = [bench.start(parent), bench.start(child)]
    await eventually(runs(bench, parent))
    await eventually(runs(bench, child))

    (tmp_path / "go").touch()
    await bounded(asyncio.gather(*(one.result for one in started)))


async def test_containers_are_watched_and_leave_the_slots_of_the_worker_to_processes(
    bench: Bench, task: tasks_pb2.TaskTemplate, tmp_path: Path
) -> None:
    slots = bench.slots
    slots._max_local = 1
    assert slots.try_reserve()
    running = bench.start(await bench.attempt(task))

    await eventually(slots.try_reserve)

    (tmp_path / "go").touch()
    await bounded(running.result)
    assert slots._watched == 0
