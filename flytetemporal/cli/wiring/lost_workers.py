"""Hand back to Temporal what workers of this machine held that were killed (docs/decisions/0017).

Without this Temporal notices the death by the heartbeats that it misses, and by workflow tasks that nobody takes.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import IO, TypeVar, cast

import structlog
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflowservice.v1 import ResetStickyTaskQueueRequest, RespondActivityTaskFailedRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from flytetemporal.cli.wiring import held_work
from flytetemporal.cli.wiring.held_work import Held, HeldWork
from flytetemporal.config.settings import Settings
from flytetemporal.plugins.local import lifetime_locks, process_ownership

# A worker of the same machine hands back what a watcher could not, because it was killed too.
SEARCH_SECONDS = 10.0
CONCURRENT_CALLS = 50
# A killed process frees its lock a moment before its entry in the process table.
EXIT_SECONDS = 5.0
ENVIRONMENT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "TZ", "NO_COLOR")
LOST = "WorkerLost"
# The pause before retries is for activities that fail; this one has done nothing wrong.
RETRY_DELAY = timedelta(milliseconds=10)

Request = TypeVar("Request")

log = structlog.get_logger()


@contextlib.asynccontextmanager
async def noted(client: Client, settings: Settings) -> AsyncIterator[HeldWork]:
    """Note what this worker holds, and hand back what dead workers of this machine held, while the context is open."""
    work_dir = Path(settings.worker.work_dir)
    held = HeldWork(work_dir / "held", process_ownership.mine())
    watcher = _watcher(held.path, settings)
    searching = asyncio.create_task(_search(client, work_dir))
    try:
        yield held
    finally:
        searching.cancel()
        await asyncio.gather(searching, return_exceptions=True)  # Waits without raising its CancelledError here.
        held.close()
        await asyncio.to_thread(watcher.wait)


def _watcher(path: Path, settings: Settings) -> "subprocess.Popen[bytes]":
    """Start a process that waits for the death of this one. It is small: it imports what it needs only then."""
    module = "flytetemporal.cli.wiring.death_watch"
    watcher = subprocess.Popen(  # noqa: S603  our own program
        [sys.executable, "-P", "-m", module, str(path), settings.worker.work_dir],
        stdin=subprocess.PIPE,
        # Tasks can read the environment and the arguments of this process, but not the worker's secrets.
        env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        start_new_session=True,  # What kills the worker's process group must not kill it.
    )
    api_key = settings.temporal.api_key.get_secret_value()
    with contextlib.suppress(BrokenPipeError), cast("IO[bytes]", watcher.stdin) as pipe:
        # It reads no payloads, so it needs no keys.
        shown = settings.temporal.model_dump(mode="json", exclude={"encryption_keys", "encryption_key_id"})
        pipe.write(json.dumps({**shown, "api_key": api_key}).encode())
    return watcher


async def _search(client: Client, work_dir: Path) -> None:
    while True:
        for path in (work_dir / "held").glob("*"):
            try:
                await hand_back(client, path, work_dir)
            except* (RPCError, OSError) as e:
                log.warning("dead_worker_not_handed_back", path=str(path), problem=str(e.exceptions[0]))
        await asyncio.sleep(SEARCH_SECONDS)


async def hand_back(client: Client, path: Path, work_dir: Path) -> None:
    """Hand back what a file names, unless its worker lives; then remove it.

    Raises:
        ExceptionGroup: of ``RPCError``: Temporal does not answer. The file stays.
    """
    file = lifetime_locks.take_over(path)
    if file is not None:
        try:
            await hand_back_locked(client, file, path, work_dir)
        finally:
            os.close(file)


async def hand_back_locked(client: Client, file: int, path: Path, work_dir: Path) -> None:
    """Hand back what a locked file names, and remove it.

    Raises:
        ExceptionGroup: of ``RPCError``: Temporal does not answer. The file stays.
    """
    held = held_work.read(file)
    if held.holder:  # Else its worker had not begun.
        await asyncio.to_thread(_end_processes, held.holder, work_dir)
        await _release(client, held)
        log.warning(
            "dead_worker_handed_back", holder=held.holder, activities=len(held.task_tokens), workflows=len(held.runs)
        )
    path.unlink(missing_ok=True)


def _end_processes(holder: str, work_dir: Path) -> None:
    """Kill the task processes of a dead worker: no attempt may start again while its first execution runs."""
    deadline = time.monotonic() + EXIT_SECONDS
    while process_ownership.is_held(holder) and time.monotonic() < deadline:
        time.sleep(0.01)
    while process_ownership.kill_orphans(str(work_dir)) and time.monotonic() < deadline:
        time.sleep(0.01)


async def _release(client: Client, held: Held) -> None:
    service, namespace = client.workflow_service, client.namespace
    # Workflows first: the next end of an activity must not go to the sticky queue that has no worker any more.
    executions = [WorkflowExecution(workflow_id=workflow_id, run_id=run_id) for workflow_id, run_id in held.runs]
    resets = [ResetStickyTaskQueueRequest(namespace=namespace, execution=execution) for execution in executions]
    await _each(service.reset_sticky_task_queue, resets)
    information = ApplicationFailureInfo(type=LOST)
    information.next_retry_delay.FromTimedelta(RETRY_DELAY)
    failure = Failure(message="the worker died; another worker takes over", application_failure_info=information)
    # A task token names the try of its activity, so a later try is not touched.
    failures = [
        RespondActivityTaskFailedRequest(namespace=namespace, task_token=token, failure=failure)
        for token in held.task_tokens
    ]
    await _each(service.respond_activity_task_failed, failures)


async def _each(call: Callable[[Request], Awaitable[object]], requests: Sequence[Request]) -> None:
    places = asyncio.Semaphore(CONCURRENT_CALLS)

    async def send(request: Request) -> None:
        async with places:
            try:
                await call(request)
            except RPCError as e:
                # It has ended, or Temporal has noticed the death before.
                if e.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                    raise

    async with asyncio.TaskGroup() as group:
        for request in requests:
            group.create_task(send(request))
