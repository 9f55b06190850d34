"""The process plugin: a task's command runs as a process of this machine, flytekit's commands as forks of a warm one.

How many run at once is bounded by the worker's activity slots. A process does not outlive its worker.
"""

import asyncio
import dataclasses
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
from flyteidl.core import errors_pb2
from prometheus_client import Counter

from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.errors import FlyteError, Internal, InvalidRequest, NotFound
from flytetemporal.idl import locations
from flytetemporal.plugins import environment, resources
from flytetemporal.plugins.local import limits, outcome, process_ownership, workspace
from flytetemporal.plugins.local.outcome import Exit
from flytetemporal.plugins.local.process_ownership import LEASE_VARIABLE
from flytetemporal.plugins.local.secrets import SecretStore
from flytetemporal.plugins.local.workspace import Workspace
from flytetemporal.plugins.process import descendants
from flytetemporal.plugins.process.client import ForkServerClient
from flytetemporal.plugins.process.messages import Launch
from flytetemporal.plugins.process.running import Process
from flytetemporal.plugins.protocol import PhaseInfo, Plugin, Rejected, TaskContext, TaskPhase
from flytetemporal.plugins.task_logs import TaskLogs
from flytetemporal.storage.blobs import BlobStore

log = structlog.get_logger()

_OUT_OF_MEMORY = "MemoryError"
ORPHAN_SECONDS = 10.0
ORPHANS = Counter("flytetemporal_orphan_processes", "Task processes that were killed because their worker was gone.")


@dataclass(frozen=True, slots=True)
class _Running:
    process: Process
    workspace: Workspace
    memory_bytes: int
    kernel_kills: int
    """Processes that the kernel had killed for memory before this one started."""


class ProcessPlugin(Plugin):
    """Runs whatever carries a container's command. One a worker; ``close`` it at the end."""

    def __init__(
        self,
        settings: WorkerSettings,
        storage: StorageSettings,
        blobs: BlobStore,
        own_environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._settings = settings
        self._blobs = blobs
        self._logs = TaskLogs(blobs, settings.admin_url)
        self._work_dir = Path(settings.work_dir).absolute()
        self._inherited = _with_interpreter(environment.inherited(own_environment))
        self._platform = environment.platform_environment(settings.admin_endpoint, storage)
        self._secrets = SecretStore(Path(settings.secrets_dir), dict(own_environment))
        self._client = ForkServerClient(self._work_dir, self._inherited)
        self._running: dict[str, _Running] = {}
        self._background: list[asyncio.Task[None]] = []

    @property
    def identifier(self) -> str:
        """The name that Flyte's own plugin for containers has, which clients know."""
        return "container"

    async def open(self) -> None:
        """Start to load flytekit, and to look for processes of workers that are gone."""
        self._background = [asyncio.create_task(self._warm_up()), asyncio.create_task(self._kill_orphans())]

    async def close(self) -> None:
        """Stop everything."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._client.close()

    async def _warm_up(self) -> None:
        try:
            await self._client.warm_up()
        except FlyteError as e:
            log.warning("warm_up_failed", problem=e.message)  # The first attempt tries again and reports the failure.

    async def _kill_orphans(self) -> None:
        while True:
            for orphan in await asyncio.to_thread(process_ownership.kill_orphans, str(self._work_dir)):
                log.warning("orphan_killed", pid=orphan.pid, attempt=orphan.tag, holder=orphan.holder)
                ORPHANS.inc()
            await asyncio.to_thread(process_ownership.remove_folders, workspace.runs(self._work_dir))
            await asyncio.sleep(ORPHAN_SECONDS)

    async def start(self, context: TaskContext) -> bytes:
        """Start the command; the handle is the process id, for people.

        Raises:
            Rejected: there is no command, or its memory is no quantity.
            Unavailable: the machine gives no process.
        """
        running = self._running.get(context.key)
        if running is None:
            memory_bytes = self._memory_bytes(context)
            folders = self._workspace(context)
            launch = self._launch(context, folders, memory_bytes)
            await asyncio.to_thread(folders.make)
            launch = await self._with_secrets(context, folders, launch)
            kills = limits.kernel_kills()
            process = await self._client.launch(launch)
            running = self._running[context.key] = _Running(process, folders, memory_bytes, kills)
        return str(running.process.pid.result()).encode()

    async def watch(self, context: TaskContext, handle: bytes) -> AsyncIterator[PhaseInfo]:
        """Yield RUNNING with the link to the log, then the end."""
        running = self._running.get(context.key)
        if running is None:
            raise Internal(f"attempt {context.key} was not started by this worker")
        yield PhaseInfo(TaskPhase.RUNNING, logs=(self._logs.link(context),))
        ended = await running.process.wait()
        last = await self._judge(context, running, ended)
        await self._clean_up(context)
        yield last

    async def abort(self, context: TaskContext, handle: bytes) -> None:
        """Stop the process group, gently first; kill what an earlier worker may have left of the attempt."""
        running = self._running.get(context.key)
        if running is not None:
            await running.process.stop(self._settings.grace)
            await self._clean_up(context)
            return
        await asyncio.to_thread(descendants.kill_tagged, context.key)
        await asyncio.to_thread(self._workspace(context).remove)

    def _launch(self, context: TaskContext, folders: Workspace, memory_bytes: int) -> Launch:
        if not context.command:
            text = "has neither a command nor arguments; what its image would run is not known to a process"
            raise Rejected("BadTaskSpecification", f"task {context.template.id.name} {text}")
        own = {"TMPDIR": str(folders.scratch), LEASE_VARIABLE: process_ownership.mine()}
        return Launch(
            id=0,
            tag=context.key,
            command=context.command,
            environment={**self._inherited, **self._platform, **own, **context.environment},
            directory=str(folders.directory),
            log=str(folders.log),
            bundles="",
            memory_bytes=memory_bytes,
        )

    async def _with_secrets(self, context: TaskContext, folders: Workspace, launch: Launch) -> Launch:
        wanted = context.template.security_context.secrets
        try:
            variables = await asyncio.to_thread(self._secrets.deliver, wanted, folders.secrets)
        except Rejected:
            await asyncio.to_thread(folders.remove)
            raise
        return dataclasses.replace(launch, environment={**launch.environment, **variables})

    def _memory_bytes(self, context: TaskContext) -> int:
        if not self._settings.memory_limits:
            return 0
        try:
            return resources.memory_bytes(context.resources)
        except InvalidRequest as e:
            raise Rejected("BadTaskSpecification", e.message) from e

    def _workspace(self, context: TaskContext) -> Workspace:
        return Workspace.of(context, self._work_dir, self._logs.local_path(context))

    async def _judge(self, context: TaskContext, running: _Running, ended: Exit) -> PhaseInfo:
        tail = outcome.tail(await asyncio.to_thread(running.workspace.log_end))
        if ended.code == 0 and running.memory_bytes and await self._says_out_of_memory(context):
            # flytekit catches MemoryError like any exception of the user's and ends well.
            ended, exhausted = Exit(1), True
        else:
            limited = running.memory_bytes > 0 and _OUT_OF_MEMORY in tail
            exhausted = limited or (outcome.was_killed(ended) and limits.kernel_kills() > running.kernel_kills)
        return outcome.phase(context.name, ended, tail, out_of_memory=exhausted)

    async def _says_out_of_memory(self, context: TaskContext) -> bool:
        uri = locations.join(context.output_dir, locations.ERROR)
        try:
            document = await self._blobs.read_message(uri, errors_pb2.ErrorDocument)
        except (NotFound, Internal):
            return False
        return _OUT_OF_MEMORY in document.error.message

    async def _clean_up(self, context: TaskContext) -> None:
        """Keep the log where readers look for it, remove the rest."""
        running = self._running.pop(context.key, None)
        if running is None:
            return
        await self._logs.keep(context, running.workspace.log)
        await asyncio.to_thread(running.workspace.remove)


def _with_interpreter(variables: dict[str, str]) -> dict[str, str]:
    """Put the folder of this interpreter on the path: flytekit's commands lie there."""
    folders = variables.get("PATH", os.defpath).split(os.pathsep)
    own = str(Path(sys.executable).parent)
    return {**variables, "PATH": os.pathsep.join(folders if own in folders else [own, *folders])}
