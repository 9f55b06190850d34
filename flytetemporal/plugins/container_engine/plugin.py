"""The plugin that runs a task in its image, with podman or docker on this machine.

Raw containers get their inputs and leave their outputs in mounted folders (``plugins/copilot``); other tasks reach the
store by themselves. A container does not outlive its worker: those of dead workers are found by their labels.
"""

import asyncio
import contextlib
import functools
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import structlog
from flyteidl.core import literals_pb2

from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.errors import FlyteError, Internal, InvalidRequest, NotFound, Unavailable
from flytetemporal.plugins import environment, resources
from flytetemporal.plugins.container_engine import arguments, engine
from flytetemporal.plugins.container_engine.arguments import Mount, Request
from flytetemporal.plugins.container_engine.engine import Engine, EngineFailed, NoEngine, State
from flytetemporal.plugins.copilot import downloads, uploads
from flytetemporal.plugins.local import limits, outcome, process_ownership
from flytetemporal.plugins.local.outcome import Exit
from flytetemporal.plugins.local.secrets import SecretStore
from flytetemporal.plugins.local.workspace import Workspace
from flytetemporal.plugins.protocol import ErrorKind, PhaseInfo, Plugin, Rejected, TaskContext, TaskPhase, failed
from flytetemporal.plugins.task_logs import TaskLogs
from flytetemporal.plugins.transient import retry_transient
from flytetemporal.storage.blobs import BlobStore

log = structlog.get_logger()

NO_ENGINE = "ContainerEngineNotFound"
PULL_FAILED = "ContainersNotReady|ImagePullBackOff"
CREATE_FAILED = "ContainersNotReady|CreateContainerError"
START_FAILED = "ContainersNotReady|RunContainerError"
REMOVED = "ResourceDeletedExternally"
ORPHAN_SECONDS = 30.0
LAST_WORDS_SECONDS = 5.0
# Where Flyte's copilot mounts them unless the task says otherwise, and where its secrets lie.
INPUTS, OUTPUTS = "/var/flyte/inputs", "/var/flyte/outputs"
SECRETS = "/etc/flyte/secrets"


@dataclass(slots=True)
class _Running:
    engine: Engine
    name: str
    workspace: Workspace
    request: Request
    variables: Mapping[str, str]
    kernel_kills: int
    """Processes that the kernel had killed for memory before this one started."""
    ending: asyncio.Task[None] | None = None
    """Takes what the container prints until it has ended; also while somebody stops it."""

    async def ended(self) -> None:
        """Start the container and return when it has ended; giving up waiting does not stop it."""
        self.ending = asyncio.create_task(self.engine.attach(self.name, self.workspace.log, self.workspace.scratch))
        await asyncio.shield(self.ending)

    async def remove(self) -> None:
        """Kill and remove the container, and let its last words reach the log."""
        await self.engine.remove(self.name)
        if self.ending is not None:
            await asyncio.wait([self.ending], timeout=LAST_WORDS_SECONDS)
            self.ending.cancel()
            await asyncio.gather(self.ending, return_exceptions=True)


class ContainerPlugin(Plugin):
    """Runs tasks in their images."""

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
        self._own = environment.inherited(own_environment)
        self._platform = environment.platform_environment(settings.admin_endpoint, storage)
        self._secrets = SecretStore(Path(settings.secrets_dir), dict(own_environment))
        self._engine: Engine | None = None
        self._running: dict[str, _Running] = {}
        self._watching: asyncio.Task[None] | None = None

    @property
    def identifier(self) -> str:
        """The name that Flyte's own plugin for containers has, which clients know."""
        return "container"

    async def open(self) -> None:
        """Look, from now on, for containers that earlier workers left."""
        self._watching = asyncio.create_task(self._remove_orphans())

    async def close(self) -> None:
        """Stop everything."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        for running in list(self._running.values()):
            await running.remove()
            await asyncio.to_thread(running.workspace.remove)
        self._running.clear()

    async def start(self, context: TaskContext) -> bytes:
        """Prepare the folders of the container; the handle is its name. ``watch`` creates it.

        Raises:
            Rejected: there is no engine or no image, or an output has a type that no file can hold.
            Unavailable: the engine does not answer.
        """
        if context.key not in self._running:
            found = await self._find_engine(context)
            folders = self._workspace(context)
            name = arguments.container_name(context.name, context.key)
            _check(context)
            await found.remove(name)
            await asyncio.to_thread(folders.make)
            try:
                request, variables = await asyncio.to_thread(self._request, context, folders)
            except Rejected:
                await asyncio.to_thread(folders.remove)
                raise
            self._running[context.key] = _Running(found, name, folders, request, variables, limits.kernel_kills())
        return self._running[context.key].name.encode()

    async def watch(self, context: TaskContext, handle: bytes) -> AsyncIterator[PhaseInfo]:
        """Yield what it waits for, RUNNING with the link to the log, then the end."""
        running = self._running.get(context.key)
        if running is None:
            raise Internal(f"attempt {context.key} was not started by this worker")
        logs = (self._logs.link(context),)
        absent = not await running.engine.has_image(context.image)
        if absent:
            yield PhaseInfo(TaskPhase.INITIALIZING, reason=f"pulling image {context.image}", logs=logs)
        last = await self._created(context, running, pull=absent)
        if self._running.get(context.key) is not running:
            await running.engine.remove(running.name)
            raise Unavailable(f"container {running.name} is not started: the worker stops")
        if last is None:
            yield PhaseInfo(TaskPhase.RUNNING, logs=logs)
            last = await self._finished(context, running)
        await self._clean_up(context)
        yield last

    async def abort(self, context: TaskContext, handle: bytes) -> None:
        """Stop the container, gently first, and remove it; also one that an earlier worker may have left."""
        running = self._running.get(context.key)
        if running is not None:
            await running.engine.stop(running.name, self._settings.grace)
            await self._clean_up(context)
            return
        with contextlib.suppress(Rejected):  # Without an engine there is nothing.
            await (await self._find_engine(context)).remove(arguments.container_name(context.name, context.key))
        await asyncio.to_thread(self._workspace(context).remove)

    async def _find_engine(self, context: TaskContext) -> Engine:
        """Return the engine; one that was not there is looked for again, so that it can be installed meanwhile."""
        if self._engine is None:
            try:
                self._engine = await engine.find(self._settings.container_engine, self._own)
            except NoEngine as e:
                text = (
                    f"task {context.template.id.name} of type [{context.template.type}] runs in image "
                    f"[{context.image}], and no container engine of this worker does: {e}. "
                    "Install podman (or docker and start it) on the worker's machine"
                )
                raise Rejected(NO_ENGINE, text) from e
        return self._engine

    def _request(self, context: TaskContext, folders: Workspace) -> tuple[Request, Mapping[str, str]]:
        """Return what the container is made of, and variables that only the engine itself is told."""
        wanted = context.template.security_context.secrets
        variables = self._secrets.deliver(wanted, folders.secrets, SECRETS)
        mounts = self._mounts(context, folders)
        if folders.secrets.is_dir():
            _let_read(folders.secrets)
            mounts.append(Mount(folders.secrets, SECRETS, read_only=True))
        if not context.template.container.data_config.enabled:
            variables = {**self._platform, **variables}
        folders.folder.chmod(0o700)  # What is mounted is open to every user of the container, not of the machine.
        try:
            memory_bytes, cpus = resources.memory_bytes(context.resources), resources.cpus(context.resources)
        except InvalidRequest as e:
            raise Rejected("BadTaskSpecification", e.message) from e
        request = Request(
            labels={
                arguments.LEASE_LABEL: process_ownership.mine(),
                arguments.WORK_DIR_LABEL: str(self._work_dir),
                arguments.ATTEMPT_LABEL: context.key,
            },
            mounts=mounts,
            environment={name: value for name, value in context.environment.items() if name not in variables},
            hidden=variables,
            memory_bytes=memory_bytes,
            cpus=min(cpus, Decimal(os.cpu_count() or 1)),  # docker refuses more than there are
            options=self._settings.container_options,
        )
        return request, variables

    def _mounts(self, context: TaskContext, folders: Workspace) -> list[Mount]:
        data, interface = context.template.container.data_config, context.template.interface
        if not data.enabled:
            store = self._blobs.local_path(self._blobs.root)
            return [] if store is None else [Mount(store, str(store))]
        mounts = []
        if interface.inputs.variables:
            mounts.append(Mount(_inputs(folders), data.input_path or INPUTS))
        if interface.outputs.variables:
            mounts.append(Mount(_outputs(folders), data.output_path or OUTPUTS))
        for mount in mounts:
            mount.source.mkdir()
            mount.source.chmod(0o777)
        return mounts

    async def _created(self, context: TaskContext, running: _Running, *, pull: bool) -> PhaseInfo | None:
        """Bring image and inputs, and create the container; return the end of the attempt when that fails."""
        try:
            if pull:
                await running.engine.pull(context.image)
        except EngineFailed as e:
            return failed(PULL_FAILED, f"image [{context.image}]: {e}", ErrorKind.USER, recoverable=True)
        try:
            await self._download(context, running)
        except (InvalidRequest, NotFound) as e:
            return failed(downloads.FAILED, e.message, ErrorKind.USER, recoverable=True)
        try:
            await running.engine.create(arguments.create(context, running.request), running.variables)
        except EngineFailed as e:
            return failed(CREATE_FAILED, str(e), ErrorKind.USER, recoverable=False)
        return None

    async def _download(self, context: TaskContext, running: _Running) -> None:
        data, variables = context.template.container.data_config, context.template.interface.inputs.variables
        if data.enabled and variables:
            inputs = await self._blobs.read_message(context.inputs_uri, literals_pb2.LiteralMap)
            folder, seen_at = _inputs(running.workspace), data.input_path or INPUTS
            await downloads.download(self._blobs, inputs, folder, seen_at, data.format)

    async def _finished(self, context: TaskContext, running: _Running) -> PhaseInfo:
        """Run the container to its end, and make outputs of what it left."""
        await running.ended()
        state = await running.engine.state(running.name)
        if state is None:
            text = f"container {running.name} was removed by somebody else"
            return failed(REMOVED, text, ErrorKind.SYSTEM, recoverable=True)
        tail = outcome.tail(await asyncio.to_thread(running.workspace.log_end))
        if not state.has_run:
            return failed(START_FAILED, tail, ErrorKind.USER, recoverable=True)
        if state.exit_code == 0:
            await self._upload(context, running)
        ended = Exit(state.exit_code)
        killed = outcome.was_killed(ended) and limits.kernel_kills() > running.kernel_kills
        return outcome.phase(context.name, ended, tail, out_of_memory=state.out_of_memory or killed)

    async def _upload(self, context: TaskContext, running: _Running) -> None:
        template = context.template
        if template.container.data_config.enabled and template.interface.outputs.variables:
            uploading = functools.partial(
                uploads.upload,
                *(self._blobs, _outputs(running.workspace), template.interface.outputs),
                *(context.output_dir, context.raw_output_dir),
            )
            await retry_transient(uploading, "outputs")

    def _workspace(self, context: TaskContext) -> Workspace:
        return Workspace.of(context, self._work_dir, self._logs.local_path(context))

    async def _clean_up(self, context: TaskContext) -> None:
        """Keep the log where readers look for it, remove the rest."""
        running = self._running.pop(context.key, None)
        if running is not None:
            await running.remove()
            await self._logs.keep(context, running.workspace.log)
            await asyncio.to_thread(running.workspace.remove)

    async def _remove_orphans(self) -> None:
        try:
            found = self._engine or await engine.find(self._settings.container_engine, self._own)
        except NoEngine:
            return  # Then no earlier worker had one either.
        while True:
            try:
                for state in await found.labelled(arguments.WORK_DIR_LABEL, str(self._work_dir)):
                    await self._remove_orphan(found, state)
            except FlyteError as e:
                log.warning("orphans_unknown", problem=e.message)
            await asyncio.sleep(ORPHAN_SECONDS)

    async def _remove_orphan(self, found: Engine, state: State) -> None:
        holder = state.labels.get(arguments.LEASE_LABEL, "")
        if holder and not process_ownership.is_held(holder):
            attempt = state.labels.get(arguments.ATTEMPT_LABEL, "")
            log.warning("orphan_killed", container=state.name, attempt=attempt, holder=holder)
            await found.remove(state.name)


def _check(context: TaskContext) -> None:
    """Refuse what can be seen to fail before anything runs."""
    name, data = context.template.id.name, context.template.container.data_config
    if not context.image:
        raise Rejected("BadTaskSpecification", f"task {name} runs in a container and names no image")
    unsupported = uploads.unsupported(context.template.interface.outputs) if data.enabled else []
    if unsupported:
        text = "has outputs that a raw container cannot leave in files: only primitives, structures, files and folders"
        raise Rejected("BadTaskSpecification", f"task {name} {text}; not {', '.join(unsupported)}")


def _let_read(folder: Path) -> None:
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    folder.chmod(0o755)


def _inputs(folders: Workspace) -> Path:
    return folders.folder / "inputs"


def _outputs(folders: Workspace) -> Path:
    return folders.folder / "outputs"
