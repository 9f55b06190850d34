"""The process plugin: runs the command of a task as a process of this machine.

flytekit's commands run as forks of a server that has flytekit loaded. The activity slots of the worker bound how many
processes run at once. A process does not outlive its worker.
"""

import asyncio
import functools
import itertools
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import structlog
from flyteidl.core import errors_pb2
from prometheus_client import Counter

from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.errors import FlyteError, Internal, InvalidRequest, NotFound, StoreAccessDenied, Unavailable
from flytetemporal.idl import locations
from flytetemporal.plugins import resources
from flytetemporal.plugins.local import limits, process_ownership, workspace
from flytetemporal.plugins.local.background import Background
from flytetemporal.plugins.local.host import Host
from flytetemporal.plugins.local.outcome import Exit
from flytetemporal.plugins.local.process_ownership import LEASE_VARIABLE
from flytetemporal.plugins.local.running import LOG_SECONDS, Running, RunningAttempts
from flytetemporal.plugins.local.workspace import Workspace
from flytetemporal.plugins.process import descendants
from flytetemporal.plugins.process.batch.process import Logs
from flytetemporal.plugins.process.batch.starting import Batches
from flytetemporal.plugins.process.client import ForkServerClient
from flytetemporal.plugins.process.messages import Launch
from flytetemporal.plugins.process.running import Process
from flytetemporal.plugins.process.warm import keys
from flytetemporal.plugins.protocol import (
    BAD_SPECIFICATION,
    PhaseInfo,
    Plugin,
    Rejected,
    SharedProcess,
    TaskContext,
    TaskPhase,
    specification_checked,
)
from flytetemporal.plugins.transient import retry_transient
from flytetemporal.storage.blobs import BlobStore

log = structlog.get_logger()

_OUT_OF_MEMORY = "MemoryError"
MAX_ERROR_BYTES = 128 * 1024 * 1024
ORPHAN_SECONDS = 10.0
ORPHANS = Counter("flytetemporal_orphan_processes", "Task processes that were killed because their worker was gone.")


class ProcessPlugin(Plugin):
    """Runs the command of any task that has a container, without the container."""

    def __init__(
        self,
        settings: WorkerSettings,
        storage: StorageSettings,
        blobs: BlobStore,
        own_environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._settings = settings
        self._blobs = blobs
        self._host = Host.of(settings, storage, blobs, own_environment)
        self._inherited = _with_interpreter(self._host.environment)
        # The lease is in the environment that the kernel shows, of the server and of every fork.
        lease = {LEASE_VARIABLE: process_ownership.mine()}
        scheme = storage.root.partition("://")[0] if "://" in storage.root else "file"
        options = ("--warm-memory", str(int(settings.warm_memory)), "--store", scheme)
        self._client = ForkServerClient(self._host.work_dir, {**self._inherited, **lease}, options)
        self._attempts = RunningAttempts[Process](self._host)
        logs = Logs(settings.max_log_bytes)
        self._batches = Batches(self._host, self._client, settings.grace, self._running, self._last_phase, logs)
        self._background = Background()

    shares_processes = True

    @property
    def identifier(self) -> str:
        """The name of Flyte's own plugin for containers, which clients know."""
        return "container"

    async def open(self) -> None:
        """Start to load flytekit, to look for processes of workers that are gone, and to limit logs."""
        self._background.start(self._warm_up())
        self._background.repeat(self._kill_orphans, ORPHAN_SECONDS)
        self._background.repeat(self._attempts.limit_logs, LOG_SECONDS)
        self._background.repeat(self._batches.logs.limit, LOG_SECONDS)

    async def close(self) -> None:
        """Stop everything."""
        await self._background.stop()
        await self._client.close()

    async def _warm_up(self) -> None:
        try:
            await self._client.warm_up()
        except FlyteError as e:
            log.warning("warm_up_failed", problem=e.message)  # The first attempt tries again and reports the failure.

    async def _kill_orphans(self) -> None:
        work_dir = self._host.work_dir
        for orphan in await asyncio.to_thread(process_ownership.kill_orphans, str(work_dir)):
            log.warning("orphan_killed", pid=orphan.pid, attempt=orphan.tag, holder=orphan.holder)
            ORPHANS.inc()
        await asyncio.to_thread(process_ownership.remove_folders, workspace.runs(work_dir))

    async def start(self, context: TaskContext) -> bytes:
        """Start the command. The handle is the process id, which only people read.

        Raises:
            Rejected: the task has no command, its memory is not a quantity, or a secret is missing.
            Unavailable: no process can be started.
        """
        running = self._attempts.find(context)
        if running is None:
            command, memory_bytes = _command(context), self._memory_bytes(context)
            async with self._attempts.prepared(context) as folders:
                variables = await self._environment(context, folders)
                kills = limits.kernel_kills()
                launch = Launch(
                    id=0,
                    tag=context.key,
                    command=command,
                    environment=variables,
                    directory=str(folders.directory),
                    log=str(folders.log),
                    bundles="",
                    memory_bytes=memory_bytes,
                    warm=keys.wanted(variables),
                )
                process = await self._client.launch(launch)
            running = self._attempts.add(context, Running(process, folders, kills))
        return str(running.program.pid.result()).encode()

    async def start_shared(self, contexts: Sequence[TaskContext]) -> SharedProcess:
        """Start attempts of one task that run one after another in one process; see ``batch``.

        Raises:
            Rejected: the task has no command, its memory is not a quantity, or a secret is missing.
            Unavailable: no process can be started.
        """
        memory_bytes = self._memory_bytes(contexts[0])
        _command(contexts[0])
        # A limit can only be lowered, so an attempt with another one waits for the next process.
        same = list(itertools.takewhile(lambda context: self._memory_bytes(context) == memory_bytes, contexts))
        return await self._batches.start(same, self._environment, memory_bytes)

    async def watch(self, context: TaskContext, handle: bytes) -> AsyncIterator[PhaseInfo]:
        """Yield RUNNING with the link to the log, then the end."""
        running = self._attempts.get(context)
        yield self._running(context, running)
        last = await self._last_phase(context, running, await running.program.wait())
        await self._clean_up(context)
        yield last

    def _running(self, context: TaskContext, running: Running[Process]) -> PhaseInfo:
        note = running.program.note
        reason = f"the task's code was imported for this attempt alone: {note}" if note else ""
        return PhaseInfo(TaskPhase.RUNNING, reason, logs=(self._host.logs.link(context),))

    async def abort(self, context: TaskContext, handle: bytes) -> None:
        """Stop the process group, gently first; kill what an earlier worker may have left of the attempt."""
        running = self._attempts.find(context)
        if running is not None:
            await running.program.stop(self._settings.grace)
            await self._clean_up(context)
            return
        await asyncio.to_thread(descendants.kill_tagged, context.key)
        await self._host.remove(context)

    def _memory_bytes(self, context: TaskContext) -> int:
        if not self._settings.memory_limits:
            return 0
        with specification_checked():
            return resources.memory_bytes(context.resources)

    async def _environment(self, context: TaskContext, folders: Workspace) -> dict[str, str]:
        if context.template.security_context.secrets:  # They are read from files, and written to files.
            return await asyncio.to_thread(self._variables, context, folders)
        return self._variables(context, folders)

    def _variables(self, context: TaskContext, folders: Workspace) -> dict[str, str]:
        """Return the environment of the process; later variables win. Secrets wanted as files are written."""
        secrets = self._host.secrets.deliver(context.template.security_context.secrets, folders.secrets)
        own = {"TMPDIR": str(folders.scratch), LEASE_VARIABLE: process_ownership.mine()}
        return {**self._inherited, **self._host.platform, **own, **context.environment, **secrets}

    async def _last_phase(self, context: TaskContext, running: Running[Process], ended: Exit) -> PhaseInfo:
        limited = self._memory_bytes(context) > 0
        if ended.code == 0 and limited and await self._reports_out_of_memory(context):
            # flytekit catches MemoryError like any other exception of the task, and exits with 0.
            return await running.last_phase(context, Exit(1), out_of_memory=True)
        exhausted = limited and _OUT_OF_MEMORY in await running.tail()
        return await running.last_phase(context, ended, out_of_memory=exhausted)

    async def _reports_out_of_memory(self, context: TaskContext) -> bool:
        """Whether the task's error document names a MemoryError."""
        uri = locations.join(context.output_dir, locations.ERROR)
        reading = functools.partial(self._blobs.read_message, uri, errors_pb2.ErrorDocument, MAX_ERROR_BYTES)
        try:
            # Raising the error would run again what has ended.
            document = await retry_transient(reading, "error document", (Unavailable,))
        except (NotFound, Internal, InvalidRequest, StoreAccessDenied):
            return False
        return _OUT_OF_MEMORY in document.error.message

    async def _clean_up(self, context: TaskContext) -> None:
        running = self._attempts.take(context)
        if running is not None:
            await self._attempts.put_away(context, running)


def _command(context: TaskContext) -> tuple[str, ...]:
    if not context.command:
        text = "has neither a command nor arguments; a process cannot run the entry point of its image"
        raise Rejected(BAD_SPECIFICATION, f"task {context.template.id.name} {text}")
    return context.command


def _with_interpreter(variables: Mapping[str, str]) -> dict[str, str]:
    """Put the folder of this interpreter on the path, where flytekit's commands are installed."""
    folders = variables.get("PATH", os.defpath).split(os.pathsep)
    own = str(Path(sys.executable).parent)
    return {**variables, "PATH": os.pathsep.join(folders if own in folders else [own, *folders])}
