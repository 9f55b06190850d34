"""Workers next to the one of the stack, and which cores the processes may use."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from bench import processes
from flytetemporal.config.temporal import TemporalSettings
from flytetemporal.contracts import workflows

READY_SECONDS = 60.0
POLL_SECONDS = 0.2


def identity(pid: int) -> str:
    """Return the name under which Temporal knows a worker process."""
    return f"{pid}@{socket.gethostname()}"


@asynccontextmanager
async def worker(client: Client, state: Mapping[str, Any], folder: Path) -> AsyncIterator["subprocess.Popen[bytes]"]:
    """Run another worker of the stack, with its work in ``folder``; yield it when it polls.

    It is stopped as an operator would, unless it has ended.
    """
    process = await asyncio.to_thread(_start, state, folder)
    try:
        await _polls(client, state, process)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait)


def _start(state: Mapping[str, Any], folder: Path) -> "subprocess.Popen[bytes]":
    folder.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "FLYTETEMPORAL_STORAGE__ROOT": state["store"],
        "FLYTETEMPORAL_TEMPORAL__ADDRESS": state["temporal_address"],
        "FLYTETEMPORAL_TEMPORAL__NAMESPACE": state["temporal_namespace"],
        "FLYTETEMPORAL_WORKER__ADMIN_ENDPOINT": state["grpc_endpoint"],
        "FLYTETEMPORAL_WORKER__ADMIN_URL": state["http_url"],
        "FLYTETEMPORAL_WORKER__WORK_DIR": str(folder),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
    }
    with (folder / "worker.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "flytetemporal.cli.main", "worker"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
        )


async def _polls(client: Client, state: Mapping[str, Any], process: "subprocess.Popen[bytes]") -> None:
    cluster = TemporalSettings().cluster
    for queue, kind in (
        (workflows.engine_queue(cluster), TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW),
        (workflows.task_queue(cluster), TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY),
    ):
        request = DescribeTaskQueueRequest(
            namespace=state["temporal_namespace"], task_queue=TaskQueue(name=queue), task_queue_type=kind
        )
        for _ in range(round(READY_SECONDS / POLL_SECONDS)):
            pollers = (await client.workflow_service.describe_task_queue(request)).pollers
            if any(poller.identity == identity(process.pid) for poller in pollers):
                break
            await asyncio.sleep(POLL_SECONDS)
        else:
            raise RuntimeError(f"worker {process.pid} does not poll {queue} after {READY_SECONDS:.0f} s")


def use_cores(cores: Iterable[int], pids: Iterable[int]) -> None:
    """Let processes, with all descendants and threads, run on some cores only."""
    for pid in pids:
        for member in processes.family(pid):
            for thread in Path(f"/proc/{member}/task").glob("*"):
                with contextlib.suppress(OSError):  # It has ended.
                    os.sched_setaffinity(int(thread.name), cores)
