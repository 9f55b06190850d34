"""The plugin that runs a task in its image, with podman or docker on this machine.

Raw containers read their inputs and leave their outputs in mounted folders (``plugins/copilot``); other tasks read and
write the store themselves. A container does not outlive its worker: those of dead workers are found by their labels.
"""

import asyncio
import contextlib
import functools
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager

import structlog
from flyteidl.core import tasks_pb2

from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.errors import FlyteError, InvalidRequest, NotFound, Unavailable
from flytetemporal.plugins.container_engine import arguments, engine, preparation
from flytetemporal.plugins.container_engine.containers import Container
from flytetemporal.plugins.container_engine.engine import Engine, EngineFailed, NoEngine, State
from flytetemporal.plugins.container_engine.preparation import Preparation
from flytetemporal.plugins.copilot import downloads
from flytetemporal.plugins.local import limits, process_ownership
from flytetemporal.plugins.local.background import Background
from flytetemporal.plugins.local.host import Host
from flytetemporal.plugins.local.outcome import Exit
from flytetemporal.plugins.local.running import LOG_SECONDS, Running, RunningAttempts
from flytetemporal.plugins.protocol import ErrorKind, PhaseInfo, Plugin, Rejected, TaskContext, TaskPhase, failed
from flytetemporal.plugins.transient import DENIED, retry_transient
from flytetemporal.storage.blobs import BlobStore

log = structlog.get_logger()

NO_ENGINE = "ContainerEngineNotFound"
PULL_FAILED = "ContainersNotReady|ImagePullBackOff"
CREATE_FAILED = "ContainersNotReady|CreateContainerError"
START_FAILED = "ContainersNotReady|RunContainerError"
REMOVED = "ResourceDeletedExternally"
ORPHAN_SECONDS = 30.0


class ContainerPlugin(Plugin):
    """Runs tasks in their images, at most ``max_containers`` at once."""

    only_watches = True

    def __init__(
        self,
        settings: WorkerSettings,
        storage: StorageSettings,
        blobs: BlobStore,
        own_environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._settings = settings
        self._host = Host.of(settings, storage, blobs, own_environment)
        self._preparation = Preparation(self._host, blobs, settings.container_options)
        self._engine: Engine | None = None
        self._attempts = RunningAttempts[Container](self._host)
        self._places = asyncio.Semaphore(settings.max_containers or 2 * (os.cpu_count() or 1))
        self._background = Background()

    @property
    def identifier(self) -> str:
        """The name of Flyte's own plugin for containers, which clients know."""
        return "container"

    def place(self, template: tasks_pb2.TaskTemplate) -> AbstractAsyncContextManager[None]:
        """Return a context that holds one of the ``max_containers`` places; attempts get them in their order.

        Eager tasks take none. They wait for containers that they have launched, so they could occupy every place
        that those need; the slots of their own task queue bound them.
        """
        return contextlib.nullcontext() if template.metadata.is_eager else self._places

    async def open(self) -> None:
        """Start to look for containers of workers that are gone, and to limit logs."""
        self._background.start(self._remove_orphans())
        self._background.repeat(self._attempts.limit_logs, LOG_SECONDS)

    async def close(self) -> None:
        """Stop everything."""
        await self._background.stop()
        # Taken first: an attempt whose container is being created finds itself gone, and does not start it.
        for running in self._attempts.take_all():
            await running.program.remove()
            await asyncio.to_thread(running.workspace.remove)

    async def start(self, context: TaskContext) -> bytes:
        """Prepare the folders of the container; the handle is its name. ``watch`` creates it.

        Raises:
            Rejected: there is no engine or no image, or an output has a type that no file can hold.
            Unavailable: the engine does not answer.
        """
        running = self._attempts.find(context)
        if running is None:
            found = await self._find_engine(context)
            name = arguments.container_name(context.name, context.key)
            preparation.check(context)
            await found.remove(name)  # An earlier try may have left it, and its name is taken until then.
            async with self._attempts.prepared(context) as folders:
                request, variables = await asyncio.to_thread(self._preparation.request, context, folders)
            container = Container(found, name, request, variables, folders)
            running = self._attempts.add(context, Running(container, folders, limits.kernel_kills()))
        return running.program.name.encode()

    async def watch(self, context: TaskContext, handle: bytes) -> AsyncIterator[PhaseInfo]:
        """Yield INITIALIZING if the image must be pulled, RUNNING with the link to the log, then the end."""
        running = self._attempts.get(context)
        container, logs = running.program, (self._host.logs.link(context),)
        absent = not await container.engine.has_image(context.image)
        if absent:
            yield PhaseInfo(TaskPhase.INITIALIZING, reason=f"pulling image {context.image}", logs=logs)
        last = await self._created(context, running, pull=absent)
        if self._attempts.find(context) is not running:
            # ``close`` has removed the container before the engine had made it.
            await container.engine.remove(container.name)
            raise Unavailable(f"container {container.name} is not started: the worker stops")
        if last is None:
            yield PhaseInfo(TaskPhase.RUNNING, logs=logs)
            last = await self._finished(context, running)
        await self._clean_up(context)
        yield last

    async def abort(self, context: TaskContext, handle: bytes) -> None:
        """Stop the container, gently first, and remove it; also one that an earlier worker may have left."""
        running = self._attempts.find(context)
        if running is not None:
            await running.program.stop(self._settings.grace)
            await self._clean_up(context)
            return
        with contextlib.suppress(Rejected):  # Without an engine no container can run.
            await (await self._find_engine(context)).remove(arguments.container_name(context.name, context.key))
        await self._host.remove(context)

    async def _find_engine(self, context: TaskContext) -> Engine:
        """Return the engine. If there is none, look again the next time: it can be installed while the worker runs."""
        if self._engine is None:
            try:
                self._engine = await engine.find(self._settings.container_engine, self._host.environment)
            except NoEngine as e:
                text = (
                    f"task {context.template.id.name} of type [{context.template.type}] runs in image "
                    f"[{context.image}], but this worker has no container engine: {e}. "
                    "Install podman (or docker and start it) on the worker's machine"
                )
                raise Rejected(NO_ENGINE, text) from e
        return self._engine

    async def _created(self, context: TaskContext, running: Running[Container], *, pull: bool) -> PhaseInfo | None:
        """Fetch image and inputs, and create the container; return the last phase of the attempt if that fails."""
        container = running.program
        try:
            if pull:
                await container.engine.pull(context.image)
        except EngineFailed as e:
            return failed(PULL_FAILED, f"image [{context.image}]: {e}", ErrorKind.USER, recoverable=True)
        try:
            # Temporal repeats the attempt after other errors of the store.
            fetching = functools.partial(self._preparation.download, context, running.workspace)
            await retry_transient(fetching, "inputs", DENIED)
        except (InvalidRequest, NotFound) as e:
            return failed(downloads.FAILED, e.message, ErrorKind.USER, recoverable=True)
        try:
            await container.create(context)
        except EngineFailed as e:
            return failed(CREATE_FAILED, str(e), ErrorKind.USER, recoverable=False)
        return None

    async def _finished(self, context: TaskContext, running: Running[Container]) -> PhaseInfo:
        """Run the container to its end, upload its outputs, and return the last phase."""
        state = await running.program.run()
        if state is None:
            text = f"container {running.program.name} was removed, but not by this worker"
            return failed(REMOVED, text, ErrorKind.SYSTEM, recoverable=True)
        if not state.has_run:
            return failed(START_FAILED, await running.tail(), ErrorKind.USER, recoverable=True)
        if state.exit_code == 0:
            uploading = functools.partial(self._preparation.upload, context, running.workspace)
            await retry_transient(uploading, "outputs")
        return await running.last_phase(context, Exit(state.exit_code), out_of_memory=state.out_of_memory)

    async def _clean_up(self, context: TaskContext) -> None:
        running = self._attempts.take(context)
        if running is not None:
            await running.program.remove()
            await self._attempts.put_away(context, running)

    async def _remove_orphans(self) -> None:
        try:
            found = self._engine or await engine.find(self._settings.container_engine, self._host.environment)
        except NoEngine:
            return  # Then no earlier worker had one either.
        self._background.repeat(functools.partial(self._remove_orphans_of, found), ORPHAN_SECONDS)

    async def _remove_orphans_of(self, found: Engine) -> None:
        try:
            for state in await found.labelled(arguments.WORK_DIR_LABEL, str(self._host.work_dir)):
                await self._remove_orphan(found, state)
        except FlyteError as e:
            log.warning("orphans_unknown", problem=e.message)

    async def _remove_orphan(self, found: Engine, state: State) -> None:
        holder = state.labels.get(arguments.LEASE_LABEL, "")
        if holder and not process_ownership.is_held(holder):
            attempt = state.labels.get(arguments.ATTEMPT_LABEL, "")
            log.warning("orphan_killed", container=state.name, attempt=attempt, holder=holder)
            await found.remove(state.name)
