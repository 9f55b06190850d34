"""Tasks: register, get, list."""

import asyncio
from datetime import UTC, datetime

from flyteidl.admin import common_pb2, task_pb2
from flyteidl.core import identifier_pb2, tasks_pb2

from flytetemporal.admin.artifacts import outputs
from flytetemporal.admin.base import list_schemas, stored_messages, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import TaskRow
from flytetemporal.admin.registry import descriptions, entity_lists, entity_rows, registration
from flytetemporal.admin.settings import attributes, setting_checks, task_resources
from flytetemporal.compiler import task as task_compiler
from flytetemporal.idl import digest, identifiers, times

TASK = identifier_pb2.TASK


async def create(deps: Dependencies, request: task_pb2.TaskCreateRequest) -> task_pb2.TaskCreateResponse:
    """Register a task version.

    Raises:
        InvalidRequest: the task is malformed or does not compile, or another structure has its id.
        AlreadyExists: the same structure is registered under this id.
    """
    template = await _checked(deps, request)
    # Off the event loop: the template may be as large as a request.
    compiled = await asyncio.to_thread(task_compiler.compile_task, template)
    compiled_digest = await asyncio.to_thread(digest.digest, compiled)
    now = datetime.now(UTC)
    closure = task_pb2.TaskClosure(compiled_task=compiled, created_at=times.timestamp(now))
    values = {
        **registration.columns(request.id, compiled_digest, now),
        "closure": closure.SerializeToString(),
        "type": template.type,
        "short_description": request.spec.description.short_description,
    }
    async with deps.sessions.begin() as session:
        if await registration.insert(session, TaskRow, values):
            await descriptions.store(session, request.id, request.spec.description)
            return task_pb2.TaskCreateResponse()
        row = await registration.existing(session, TaskRow, request.id)
    if row.digest == compiled_digest:
        raise registration.identical("task", request.id)
    before = stored_messages.parse(task_pb2.TaskClosure, row.closure).compiled_task
    raise registration.different("task", request.id, before, compiled)


async def get(deps: Dependencies, request: common_pb2.ObjectGetRequest) -> task_pb2.Task:
    """Return a task version."""
    return stored_messages.read(await entity_rows.get(deps, TaskRow, TASK, request), message)


async def list_tasks(deps: Dependencies, request: common_pb2.ResourceListRequest) -> task_pb2.TaskList:
    """List the versions of one task, or of all tasks of a project and domain."""
    rows, token = await entity_lists.versions(deps, TaskRow, list_schemas.TASK, request, "ListTasks")
    found = stored_messages.readable(rows, message, lambda tasks: task_pb2.TaskList(tasks=tasks))
    return task_pb2.TaskList(tasks=found, token=token)


async def list_ids(
    deps: Dependencies, request: common_pb2.NamedEntityIdentifierListRequest
) -> common_pb2.NamedEntityIdentifierList:
    """List the names of the tasks of a project and domain."""
    return await entity_lists.names(deps, TaskRow, request, "ListTaskIds")


def message(row: TaskRow) -> task_pb2.Task:
    """Return a task as clients read it."""
    return task_pb2.Task(
        id=identifiers.identifier(TASK, entity_rows.key(row)),
        closure=stored_messages.parse(task_pb2.TaskClosure, row.closure),
        short_description=row.short_description,
    )


async def _checked(deps: Dependencies, request: task_pb2.TaskCreateRequest) -> tasks_pb2.TaskTemplate:
    validation.check_identifier(request.id, TASK, given=request.HasField("id"))
    validation.check_registrable(request.id)
    await validation.check_project_and_domain(deps, request.id.project, request.id.domain)
    if not request.HasField("spec") or not request.spec.HasField("template"):
        raise validation.missing("spec")
    template = tasks_pb2.TaskTemplate()
    template.CopyFrom(request.spec.template)
    template.id.CopyFrom(request.id)
    validation.check_present(template, "type")
    validation.check_present(template, "metadata")
    if template.metadata.HasField("runtime") and not template.metadata.runtime.version:
        raise validation.missing("runtime version")
    if not template.HasField("interface"):
        raise validation.missing("typed interface")
    outputs.check(template.interface, task=True)
    await _check_target(deps, template)
    return template


async def _check_target(deps: Dependencies, template: tasks_pb2.TaskTemplate) -> None:
    limits = await attributes.task_limits(deps, template.id.project, template.id.domain)
    if template.HasField("container"):
        if not template.container.image:
            raise validation.missing("image")
        task_resources.check_container(template.id.name, template.container.resources, limits)
        setting_checks.check_environment(template.container.env, "env")
    elif template.HasField("k8s_pod"):
        if not template.k8s_pod.HasField("pod_spec"):
            raise validation.missing("pod_spec")
        task_resources.check_pod(template.id.name, template.k8s_pod, limits)
        setting_checks.check_pod_environment(template.k8s_pod)
