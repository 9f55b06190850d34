"""What a killed worker held is handed back to Temporal, and what a living one holds is left alone."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType, TaskQueueKind
from temporalio.client import Client, WorkflowHandle

from flytetemporal.cli.wiring import held_work, lost_workers
from flytetemporal.cli.wiring.held_work import HeldWork
from tests.fixtures import mortal_worker
from tests.fixtures.processes import lease_of_the_dead
from tests.fixtures.waiting import bounded, eventually


@pytest.fixture
def queue() -> str:
    return f"mortal-{uuid.uuid4()}"


@pytest.fixture
def mortal(temporal_address: str, tmp_path: Path, queue: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", mortal_worker.__name__, temporal_address, str(tmp_path), queue]
    with subprocess.Popen(command) as process:
        yield process
        process.kill()


def held_by_file(folder: Path) -> held_work.Held:
    (path,) = (folder / "held").iterdir()
    file = os.open(path, os.O_RDONLY)
    try:
        return held_work.read(file)
    finally:
        os.close(file)


def watchers(folder: Path) -> list[int]:
    """Return the processes that watch workers with this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes()
        except OSError:
            continue
        if b"death_watch" in arguments and str(folder).encode() in arguments:
            found.append(int(path.parent.name))
    return found


async def held(temporal: Client, folder: Path, queue: str) -> WorkflowHandle[mortal_worker.Waiting, int]:
    """Start a workflow whose activity the mortal worker holds."""
    handle = await temporal.start_workflow(mortal_worker.Waiting.run, id=str(uuid.uuid4()), task_queue=queue)
    await eventually(lambda: (folder / "held").exists() and len(held_by_file(folder).task_tokens) == 1)
    return handle


async def finish(temporal: Client, address: str, folder: Path, queue: str, handle: WorkflowHandle[Any, int]) -> int:
    """Return the result of a workflow with the help of another worker."""
    settings = mortal_worker.settings(address, str(folder))
    async with lost_workers.noted(temporal, settings) as held, mortal_worker.worker(temporal, held, queue):
        return await bounded(handle.result())


async def test_activity_and_workflow_of_a_killed_worker_are_taken_over_without_a_timeout(
    temporal: Client, temporal_address: str, tmp_path: Path, queue: str, mortal: "subprocess.Popen[bytes]"
) -> None:
    handle = await held(temporal, tmp_path, queue)
    assert held_by_file(tmp_path).runs == [(handle.id, handle.first_execution_run_id)]

    mortal.kill()
    await eventually(lambda: not list((tmp_path / "held").iterdir()))

    assert await finish(temporal, temporal_address, tmp_path, queue, handle) == 2
    history = (await handle.fetch_history()).events
    (started,) = (e for e in history if e.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED)
    last = started.activity_task_started_event_attributes.last_failure
    assert last.application_failure_info.type == lost_workers.LOST
    assert not [e for e in history if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT]
    scheduled = [e for e in history if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED]
    kinds = {e.workflow_task_scheduled_event_attributes.task_queue.kind for e in scheduled}
    assert kinds == {TaskQueueKind.TASK_QUEUE_KIND_NORMAL}


async def test_the_next_worker_of_the_machine_takes_over_if_the_watcher_was_killed_too(
    temporal: Client, temporal_address: str, tmp_path: Path, queue: str, mortal: "subprocess.Popen[bytes]"
) -> None:
    handle = await held(temporal, tmp_path, queue)
    (watcher,) = watchers(tmp_path)
    os.kill(watcher, signal.SIGKILL)
    mortal.kill()
    mortal.wait()

    assert await finish(temporal, temporal_address, tmp_path, queue, handle) == 2


async def test_what_a_stopped_worker_held_is_left_alone(
    temporal: Client, tmp_path: Path, queue: str, mortal: "subprocess.Popen[bytes]"
) -> None:
    handle = await held(temporal, tmp_path, queue)
    (path,) = (tmp_path / "held").iterdir()
    mortal.send_signal(signal.SIGSTOP)

    await lost_workers.hand_back(temporal, path, tmp_path)

    (pending,) = (await handle.describe()).raw_description.pending_activities
    assert pending.attempt == 1
    assert path.exists()
    mortal.send_signal(signal.SIGCONT)


async def test_a_worker_that_ends_leaves_neither_file_nor_watcher(
    temporal: Client, temporal_address: str, tmp_path: Path
) -> None:
    async with lost_workers.noted(temporal, mortal_worker.settings(temporal_address, str(tmp_path))):
        await eventually(lambda: len(watchers(tmp_path)) == 1)

    assert watchers(tmp_path) == []
    assert list((tmp_path / "held").iterdir()) == []


async def test_work_that_has_ended_in_the_meantime_is_no_problem(temporal: Client, tmp_path: Path) -> None:
    work = HeldWork(tmp_path / "held", lease_of_the_dead())
    with work.running(b"no token"), work.cached("no-such-workflow", str(uuid.uuid4())):
        kept = work.path.read_bytes()
    work.close()
    path = tmp_path / "left"
    path.write_bytes(kept)

    await bounded(lost_workers.hand_back(temporal, path, tmp_path))

    assert not path.exists()
