"""Compile the workflow that a dynamic task has made into a graph for the engine."""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from flyteidl.admin import launch_plan_pb2
from flyteidl.core import compiler_pb2, dynamic_job_pb2, identifier_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.event import event_pb2
from google.protobuf.message import Message
from temporalio import activity

from flytetemporal.activities import events
from flytetemporal.activities.data import TemplateCache
from flytetemporal.compiler import compact, constants, dynamic
from flytetemporal.contracts import content, limits
from flytetemporal.contracts.v1 import events_pb2, execution_pb2
from flytetemporal.errors import Internal, InvalidRequest, NotFound, QuotaExceeded
from flytetemporal.idl import bounds, error_text, locations, times
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.concurrency import for_each

CONCURRENT_FILES = 64
CONCURRENT_CALLS = 64
MAX_FUTURES_BYTES = 256 * 1024 * 1024
BUILD_FAILED = "DynamicWorkflowBuildFailed"
Error = core_execution_pb2.ExecutionError


class Admin(events.EventSink, Protocol):
    """The calls of admin that are needed here."""

    async def get_launch_plan(self, identifier: identifier_pb2.Identifier) -> launch_plan_pb2.LaunchPlan:
        """Return a launch plan.

        Raises:
            NotFound: there is no such launch plan.
            Unavailable: admin does not answer.
        """


class DynamicActivities:
    """``compile_dynamic`` of ``contracts/activities``."""

    def __init__(self, blobs: BlobStore, admin: Admin) -> None:
        self._blobs = blobs
        self._admin = admin
        self._templates = TemplateCache(blobs)

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for the worker."""
        return [self.compile_dynamic]

    @activity.defn
    async def compile_dynamic(self, request: execution_pb2.DynamicRequest) -> execution_pb2.DynamicGraph:
        """Compile the workflow that an attempt has made, show it to clients, and return the graph for the engine."""
        try:
            compiled = await self._closure(request)
            least = limits.MIN_OFFLOADED_CONSTANT_BYTES
            closure, files = await asyncio.to_thread(constants.offload, compiled, request.output_dir, least)
            graph, templates = await asyncio.to_thread(compact.compact, closure)
            graph_reference, graph_data = await asyncio.to_thread(_packed, request.output_dir, graph)
            tasks, tasks_data = await asyncio.to_thread(_packed, request.output_dir, templates)
            constants.check_size(graph, len(graph_data), limits.MAX_GRAPH_BYTES)
        except (InvalidRequest, NotFound) as e:
            return _failed(BUILD_FAILED, e.message)
        files = {**files, tasks.uri: tasks_data, graph_reference.uri: graph_data}
        await for_each(lambda uri: self._blobs.write(uri, files[uri]), files, CONCURRENT_FILES)
        await self._blobs.write_message(locations.join(request.output_dir, locations.FUTURES_COMPILED), closure)
        try:
            await events.send(self._admin, [_shown(request, closure)])
        except (InvalidRequest, QuotaExceeded) as e:
            return _failed("NodeFailed", e.message)
        made = execution_pb2.DynamicGraph(tasks=tasks)
        if len(graph_data) <= limits.MAX_INLINE_GRAPH_BYTES:
            made.inline_graph = graph_data
        else:
            made.stored_graph.CopyFrom(graph_reference)
        return made

    async def _closure(self, request: execution_pb2.DynamicRequest) -> compiler_pb2.CompiledWorkflowClosure:
        parent = await self._templates.load(request.tasks, request.task)
        uri = locations.join(request.futures_dir or request.output_dir, locations.FUTURES)
        try:
            spec = await self._blobs.read_message(uri, dynamic_job_pb2.DynamicJobSpec, MAX_FUTURES_BYTES)
            await asyncio.to_thread(bounds.check, spec)
        except (Internal, InvalidRequest) as e:
            raise InvalidRequest(f"the plan of the dynamic node at [{uri}] cannot be used: {e.message}") from e
        template = dynamic.template_of(spec, _identifier(request), parent)
        wanted = dynamic.launch_plans_of(spec, template)
        plans = await for_each(self._admin.get_launch_plan, wanted, CONCURRENT_CALLS)
        return await asyncio.to_thread(dynamic.compile_dynamic, spec, template, parent, plans)


def _identifier(request: execution_pb2.DynamicRequest) -> identifier_pb2.Identifier:
    """Return the id of the workflow. Its version derives from the attempt, so a repeated activity has the same."""
    execution = request.node_event.id.execution_id
    return identifier_pb2.Identifier(
        resource_type=identifier_pb2.WORKFLOW,
        project=execution.project,
        domain=execution.domain,
        name=f"{dynamic.WORKFLOW_PREFIX}{request.node_event.spec_node_id}",
        version=hashlib.sha256(request.generated_name.encode()).hexdigest()[:10],
    )


def _shown(request: execution_pb2.DynamicRequest, closure: compiler_pb2.CompiledWorkflowClosure) -> events_pb2.Event:
    event = event_pb2.NodeExecutionEvent()
    event.CopyFrom(request.node_event)
    event.phase = core_execution_pb2.NodeExecution.DYNAMIC_RUNNING
    event.occurred_at.CopyFrom(times.timestamp(datetime.now(UTC)))
    event.is_dynamic = event.is_parent = True
    event.task_node_metadata.dynamic_workflow.CopyFrom(
        event_pb2.DynamicWorkflowNodeMetadata(
            id=closure.primary.template.id,
            compiled_workflow=closure,
            dynamic_job_spec_uri=locations.join(request.futures_dir or request.output_dir, locations.FUTURES),
        )
    )
    return events_pb2.Event(node=event)


def _packed(directory: str, message: Message) -> tuple[execution_pb2.ContentReference, bytes]:
    name = type(message).__name__.lower()
    return content.pack(message, lambda sha256: locations.join(directory, f"{name}-{sha256[:16]}.pb.gz"))


def _failed(code: str, message: str) -> execution_pb2.DynamicGraph:
    error = Error(code=code, message=error_text.shortened(message), kind=Error.USER)
    return execution_pb2.DynamicGraph(error=error)
