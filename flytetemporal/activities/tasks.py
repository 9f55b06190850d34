"""One attempt of a task, whole: inputs in, plugin run, outputs out, its events sent.

What failed and whether it may be tried again comes back as a message. Only trouble of the infrastructure is raised, and
Temporal repeats the activity for it, under the same number of Flyte's attempt.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any
from weakref import WeakValueDictionary

from flyteidl.core import identifier_pb2, literals_pb2, tasks_pb2
from google.protobuf.message import Message
from temporalio import activity

from flytetemporal.activities import data, events, outputs
from flytetemporal.activities.arrays import ElementReader
from flytetemporal.activities.heartbeats import beating
from flytetemporal.activities.offloading import DEFAULTS, UNREADABLE, Limits, Offloading
from flytetemporal.activities.slots import AttemptSlots
from flytetemporal.activities.task_events import TIMEOUT_EXPIRED, AttemptEvents, ElementEvents
from flytetemporal.contracts.v1 import events_pb2, execution_pb2
from flytetemporal.errors import Internal, ResolutionFailed, Unavailable, ValueTooLarge
from flytetemporal.idl import locations, offloading, times
from flytetemporal.plugins import command_template, environment, resources
from flytetemporal.plugins.protocol import (
    BAD_SPECIFICATION,
    ErrorKind,
    PhaseInfo,
    Plugin,
    Rejected,
    TaskContext,
    failed,
    specification_checked,
)
from flytetemporal.plugins.registry import Registry
from flytetemporal.plugins.transient import retry_transient
from flytetemporal.storage.blobs import BlobStore

HEARTBEAT_SECONDS = 1.0
# How long a running task's events wait for company; nobody waits for them.
GATHER_SECONDS = 0.2
# Linux takes no longer argument of a process (MAX_ARG_STRLEN, without its end).
ARGUMENT_BYTES = 128 * 1024 - 1
# An attempt that does not stop by then after its timeout is repeated by Temporal, maybe on another worker.
STOP_SECONDS = 120.0


class NotStopped(Unavailable):
    """An attempt whose timeout has expired, and which its plugin cannot stop."""


class TaskActivities:
    """``run_task`` of ``contracts/activities``. The plugins of ``registry`` are open while the worker runs."""

    def __init__(
        self,
        blobs: BlobStore,
        sink: events.EventSink,
        registry: Registry,
        slots: AttemptSlots,
        limits: Limits = DEFAULTS,
    ) -> None:
        self._blobs = blobs
        self._sink = sink
        self._templates = data.TemplateCache(blobs)
        self._elements = ElementReader(blobs)
        self._offloading = Offloading(blobs, limits)
        self._registry = registry
        self._slots = slots
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for the worker."""
        return [self.run_task]

    @activity.defn
    async def run_task(self, attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        """Run one attempt of a task to its end: inputs in, plugin run, outputs out, its events sent."""
        task = await self._templates.load(attempt.tasks, attempt.task)
        run = _Run(self._blobs, self._offloading, self._elements, self._sink, attempt, task)
        # After a reset of the workflow the same attempt is asked for while the earlier one is still being stopped.
        lock = self._locks.setdefault(f"{activity.info().workflow_id}/{attempt.generated_name}", asyncio.Lock())
        async with run.heartbeating(), lock:
            if activity.info().attempt > 1:
                earlier = await outputs.finished(self._blobs, attempt.output_dir)
                if earlier is not None:
                    return await run.finish(earlier)
            try:
                plugin = self._registry.find(task, _image(attempt, task))
            except Rejected as e:
                return await run.finish(outputs.failed(e.code, e.message, ErrorKind.USER, recoverable=False))
            with self._slot_of(plugin, task):
                return await _result(run, plugin)

    def _slot_of(self, plugin: Plugin, task: tasks_pb2.TaskTemplate) -> AbstractContextManager[None]:
        # Eager attempts come from a task queue of their own, whose slots are not those of ``AttemptSlots``.
        if plugin.only_watches and not task.metadata.is_eager:
            return self._slots.watching()
        return contextlib.nullcontext()


async def _result(run: "_Run", plugin: Plugin) -> execution_pb2.TaskAttemptResult:
    """Run an attempt to its end and return its result."""
    try:
        result = await run.through(plugin)
    except Rejected as e:
        result = outputs.failed(e.code, e.message, ErrorKind.USER, recoverable=False)
    except ResolutionFailed as e:
        result = outputs.failed("BindingResolutionFailure", e.message, ErrorKind.SYSTEM, recoverable=False)
    except asyncio.CancelledError:
        if not _is_unwanted():
            raise
        return await run.aborted()  # The workflow reports it, since admin may not answer now.
    return await run.finish(result)


class _Run:
    """One try of one attempt."""

    def __init__(
        self,
        blobs: BlobStore,
        offloads: Offloading,
        elements: ElementReader,
        sink: events.EventSink,
        attempt: execution_pb2.TaskAttempt,
        task: tasks_pb2.TaskTemplate,
    ) -> None:
        self._blobs = blobs
        self._offloading = offloads
        self._elements = elements
        self._sink = sink
        self._attempt = attempt
        self._task = task
        self._events = (ElementEvents if attempt.HasField("element") else AttemptEvents)(attempt, task)
        self._began = asyncio.get_running_loop().time()
        self._handle = b""
        self._unsent: list[events_pb2.Event] = []
        self._sending = asyncio.Lock()
        self._reporting: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def heartbeating(self) -> AsyncIterator[None]:
        """Tell Temporal that this worker lives; cancellation comes back the same way."""
        try:
            async with beating(HEARTBEAT_SECONDS, lambda: (self._handle,)):
                yield
        finally:
            if self._reporting is not None:
                self._reporting.cancel()

    async def through(self, plugin: Plugin) -> execution_pb2.TaskAttemptResult:
        """Run the plugin until the attempt has ended, its deadline has passed or somebody stops it.

        Raises:
            ResolutionFailed: a binding names what is not there.
            Rejected: the task can never run here.
        """
        self._events.plugin = plugin.identifier
        asked = asyncio.get_running_loop().time()
        async with plugin.place(self._task):
            self._began += asyncio.get_running_loop().time() - asked
            return await self._placed(plugin)

    async def _placed(self, plugin: Plugin) -> execution_pb2.TaskAttemptResult:
        inputs, file = await self._inputs()
        context = self._context(inputs)
        if activity.info().attempt > 1:
            await plugin.abort(context, b"")  # A worker that died cannot have done it.
        await self._lay_out(file)
        try:
            return await self._result(await self._until_end(plugin, context))
        except (Rejected, NotStopped):
            raise
        except BaseException:
            await asyncio.shield(plugin.abort(context, self._handle))
            raise

    async def aborted(self) -> execution_pb2.TaskAttemptResult:
        """Return what is left to be told of an attempt that was stopped."""
        result = outputs.failed("Aborted", "the attempt was stopped", ErrorKind.SYSTEM, recoverable=False)
        result.unreported.extend([*await self._untold(), self._events.aborted(_now())])
        return result

    async def finish(self, result: execution_pb2.TaskAttemptResult) -> execution_pb2.TaskAttemptResult:
        """Keep the result for a second try, and hand it over with every event that admin has not been told."""
        if not result.unreported:
            result.unreported.extend([*await self._untold(), self._events.ended(result, _now())])
        if self._attempt.HasField("element") and result.WhichOneof("outcome") == "outputs":
            result.outputs.uri = locations.outputs_uri(self._attempt.output_dir)  # Whoever gathers them reads them.
        marking = functools.partial(outputs.mark_finished, self._blobs, self._attempt.output_dir, result)
        await retry_transient(marking, "result")
        return result

    async def _untold(self) -> list[events_pb2.Event]:
        if self._reporting is not None:  # Events of a call that admin may not have taken come back to _unsent.
            self._reporting.cancel()
            await asyncio.gather(self._reporting, return_exceptions=True)
        untold, self._unsent = self._unsent, []
        return untold

    async def _inputs(self) -> tuple[literals_pb2.LiteralMap, literals_pb2.LiteralMap]:
        """Return the inputs, and the file that the task reads."""
        inputs = self._attempt.inputs
        if inputs.WhichOneof("value") == "element":
            values, file = await self._elements.inputs(inputs.element)
        else:
            values = file = await data.resolve_inputs(self._offloading, self._blobs, inputs)
        try:
            rendered = await self._offloading.inlined(values, command_template.inputs_named(_arguments(self._task)))
            # What an array wrote for all its elements is as its task wants it.
            as_it_is = bool(inputs.element.whole_uri) or (
                offloading.reads_references(self._task) and bool(self._offloading.limits.least)
            )
            return rendered, file if as_it_is else await self._offloading.inlined(file)
        except ValueTooLarge as e:
            raise Rejected(UNREADABLE, self._about(e)) from e

    def _about(self, problem: ValueTooLarge) -> str:
        runtime = self._task.metadata.runtime
        sdk = f"; the task is of {runtime.flavor or 'no SDK'} {runtime.version}".rstrip()
        return f"node [{_node_execution_id(self._attempt).node_id}]: {problem.message}{sdk}"

    def _context(self, inputs: literals_pb2.LiteralMap) -> TaskContext:
        attempt, task = self._attempt, self._task
        with specification_checked():
            command = command_template.render(_arguments(task), _places(attempt, task), inputs)
        self._check_arguments(command, inputs)
        return TaskContext(
            name=attempt.generated_name,
            node_execution_id=_node_execution_id(attempt),
            attempt=attempt.attempt,
            template=task,
            command=command,
            image=_image(attempt, task),
            environment={**environment.attempt_environment(attempt, task), **self._sizes()},
            resources=resources.merged(task.container.resources, attempt.overrides.resources),
            inputs_uri=attempt.inputs.element.whole_uri or locations.inputs_uri(attempt.data_dir),
            output_dir=_left_dir(attempt),
            raw_output_dir=attempt.raw_output_dir,
            timeout=attempt.timeout.ToTimedelta(),
            interruptible=attempt.interruptible,
        )

    def _check_arguments(self, command: Sequence[str], inputs: literals_pb2.LiteralMap) -> None:
        """Refuse a command that no process can be given because of an input that it names."""
        longest = max((len(argument.encode()) for argument in command), default=0)
        named = command_template.inputs_named(_arguments(self._task))
        if longest <= ARGUMENT_BYTES or not named:
            return
        sizes = ", ".join(
            f"[{name}] {inputs.literals[name].ByteSize()}" for name in sorted(named & set(inputs.literals))
        )
        raise Rejected(
            BAD_SPECIFICATION,
            f"node [{_node_execution_id(self._attempt).node_id}]: an argument of the command has {longest} bytes, "
            f"{ARGUMENT_BYTES} are the most; it names inputs of these sizes: {sizes}. Give the task their file instead",
        )

    def _sizes(self) -> dict[str, str]:
        """Return from which size on flytekit offloads by itself; it counts in whole megabytes."""
        limits = self._offloading.limits
        if not limits.least or not offloading.reads_references(self._task):
            return {}
        return environment.offloading(limits.least)

    async def _lay_out(self, file: literals_pb2.LiteralMap) -> None:
        """Write what the task reads and remove what an earlier try left."""
        attempt, task = self._attempt, self._task
        files: list[tuple[str, Message]] = []
        if not attempt.inputs.element.whole_uri:  # Those are there already, and are every element's.
            files.append((locations.inputs_uri(attempt.data_dir), file))
        if command_template.wants_task_template(_arguments(task)):
            files.append((_places(attempt, task).task_template_uri, task))
        await asyncio.gather(
            *(outputs.clear(self._blobs, directory) for directory in {attempt.output_dir, _left_dir(attempt)}),
            *(self._blobs.write_message(uri, message) for uri, message in files),
        )

    async def _until_end(self, plugin: Plugin, context: TaskContext) -> PhaseInfo:
        limit = context.timeout
        spent = asyncio.get_running_loop().time() - self._began
        deadline = asyncio.timeout(max(0.0, limit.total_seconds() - spent) if limit else None)
        try:
            async with deadline:
                return await self._watch(plugin, context)
        except TimeoutError:
            if not deadline.expired():
                raise
            await self._stop(plugin, context)
            text = f"task execution timeout [{times.go_text(limit)}] expired"
            return failed(TIMEOUT_EXPIRED, text, ErrorKind.USER, recoverable=True)

    async def _stop(self, plugin: Plugin, context: TaskContext) -> None:
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await plugin.abort(context, self._handle)
        except TimeoutError as e:
            raise NotStopped(
                f"attempt {context.key} has timed out and has not stopped within {STOP_SECONDS:.0f} s"
            ) from e

    async def _watch(self, plugin: Plugin, context: TaskContext) -> PhaseInfo:
        self._handle = await plugin.start(context)
        first = True
        async for info in plugin.watch(context, self._handle):
            if info.is_terminal:
                return info
            self._report_soon(*(self._events.running(info, _now()) if first else [self._events.phase(info, _now())]))
            first = False
        raise Internal(f"plugin {plugin.identifier} lost sight of attempt {context.key}")

    async def _result(self, last: PhaseInfo) -> execution_pb2.TaskAttemptResult:
        if last.error is None:
            left, wanted = _left_dir(self._attempt), self._attempt.output_dir
            is_element = self._attempt.HasField("element")
            collecting = functools.partial(
                outputs.collect, self._blobs, left, self._task, self._offloading, is_element=is_element
            )
            try:
                result = await retry_transient(collecting, "outputs")
            except ValueTooLarge as e:
                return outputs.failed("OutputSizeExceeded", self._about(e), ErrorKind.USER, recoverable=False)
            if left != wanted and result.WhichOneof("outcome") == "outputs":
                await retry_transient(functools.partial(outputs.copy, self._blobs, left, wanted), "outputs")
            return result
        error = last.error
        return outputs.failed(error.code, error.message, error.kind, recoverable=last.recoverable)

    def _report_soon(self, *batch: events_pb2.Event) -> None:
        """Send events while the task goes on; those of a short task travel together with its end."""
        self._unsent.extend(batch)
        if self._reporting is None or self._reporting.done():
            self._reporting = asyncio.create_task(self._send_later())

    async def _send_later(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        await self._send()

    async def _send(self) -> None:
        async with self._sending:
            batch, self._unsent = self._unsent, []
            try:
                if batch:
                    await retry_transient(functools.partial(events.send, self._sink, batch), "events")
            except BaseException:
                self._unsent = [*batch, *self._unsent]
                raise


def _is_unwanted() -> bool:
    """Say whether Temporal has asked to stop; a worker that ends and a lost lease are no such wish."""
    details = activity.cancellation_details()
    return details is not None and details.cancel_requested


def _node_execution_id(attempt: execution_pb2.TaskAttempt) -> identifier_pb2.NodeExecutionIdentifier:
    """Return what names the attempt's node; elements of an array have names of their own."""
    node = attempt.node_event.id
    node_id = attempt.element.node_id if attempt.HasField("element") else node.node_id
    return identifier_pb2.NodeExecutionIdentifier(execution_id=node.execution_id, node_id=node_id)


def _image(attempt: execution_pb2.TaskAttempt, task: tasks_pb2.TaskTemplate) -> str:
    return attempt.overrides.container_image or task.container.image


def _arguments(task: tasks_pb2.TaskTemplate) -> list[str]:
    return [*task.container.command, *task.container.args]


def _left_dir(attempt: execution_pb2.TaskAttempt) -> str:
    """Return where the container leaves its outputs: that of an old array's element appends its index."""
    if not attempt.inputs.element.whole_uri:
        return attempt.output_dir
    return locations.element_dir(attempt.output_dir, attempt.element.index)


def _places(attempt: execution_pb2.TaskAttempt, task: tasks_pb2.TaskTemplate) -> command_template.Places:
    inputs = attempt.inputs.element.whole_uri or locations.inputs_uri(attempt.data_dir)
    data_dir = inputs.removesuffix(f"/{locations.INPUTS}")
    is_directory = bool(attempt.inputs.element.whole_uri) and task.task_type_version == 0
    return command_template.Places(
        data_dir=data_dir,
        inputs=data_dir if is_directory else inputs,
        output_dir=attempt.output_dir,
        raw_output_dir=attempt.raw_output_dir,
        previous_checkpoint_dir=attempt.previous_checkpoint_dir,
        generated_name=attempt.generated_name,
        namespace=attempt.settings.namespace,
    )


def _now() -> datetime:
    return datetime.now(UTC)
