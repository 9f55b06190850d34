"""Workflows: compile and register, get, list.

The closure that clients read, and the graph and task templates that the engine runs, are in the object store. The row
has the columns that lists and launches need.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from flyteidl.admin import common_pb2, task_pb2, workflow_pb2
from flyteidl.core import compiler_pb2, identifier_pb2, interface_pb2
from flyteidl.core import workflow_pb2 as core_workflow_pb2
from google.protobuf.message import Message

from flytetemporal import errors
from flytetemporal.admin.artifacts import outputs
from flytetemporal.admin.base import concurrent, list_schemas, stored_messages, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import LaunchPlanRow, TaskRow, WorkflowRow
from flytetemporal.admin.registry import descriptions, entity_lists, entity_rows, launch_plans, registration
from flytetemporal.auth import access
from flytetemporal.auth.roles import Permission, Scope
from flytetemporal.compiler import compact, constants, requirements
from flytetemporal.compiler import workflow as workflow_compiler
from flytetemporal.contracts import content, limits
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.idl import digest, identifiers, locations, times

WORKFLOW = identifier_pb2.WORKFLOW
# File systems allow names of 255 bytes. A longer segment is cut and ends in a hash.
_LONGEST_SEGMENT = 200


async def create(
    deps: Dependencies, request: workflow_pb2.WorkflowCreateRequest
) -> workflow_pb2.WorkflowCreateResponse:
    """Compile and register a workflow version.

    Raises:
        InvalidRequest: the workflow is malformed or does not compile, or another structure has its id.
        AlreadyExists: the same structure is registered under this id.
    """
    template = await _checked(deps, request)
    compiled = await _compile(deps, template, request)
    compiled_digest = await asyncio.to_thread(digest.digest, compiled)
    async with deps.sessions() as session:
        row = await entity_rows.find(session, WorkflowRow, request.id)
    # Clients register all of a project again and again: a known version needs no files.
    if row is None:
        values, files = await asyncio.to_thread(_prepare, deps, request, compiled, compiled_digest)
        # Written before the transaction, which must not hold a connection while the store is slow; a visible row has
        # its files. Every URI derives from the content, so registrations of two structures under one id do not
        # overwrite each other's files. What the losing one leaves behind is small and has no reader.
        await concurrent.finish_all(*(deps.blobs.write(uri, data) for uri, data in files.items()))
        async with deps.sessions.begin() as session:
            if await registration.insert(session, WorkflowRow, values):
                await descriptions.store(session, request.id, request.spec.description)
                return workflow_pb2.WorkflowCreateResponse()
            row = await registration.existing(session, WorkflowRow, request.id)
    if row.digest == compiled_digest:
        raise registration.identical("workflow", request.id)
    before = await _closure(deps, row)
    raise registration.different("workflow", request.id, before.compiled_workflow, compiled)


async def get(deps: Dependencies, request: common_pb2.ObjectGetRequest) -> workflow_pb2.Workflow:
    """Return a workflow version with its closure."""
    row = await entity_rows.get(deps, WorkflowRow, WORKFLOW, request)
    closure = await _closure(deps, row)
    return stored_messages.read(
        row,
        lambda row: workflow_pb2.Workflow(id=_id(row), closure=closure, short_description=row.short_description),
    )


async def list_workflows(deps: Dependencies, request: common_pb2.ResourceListRequest) -> workflow_pb2.WorkflowList:
    """List the versions of one workflow, or of all workflows of a project and domain, with their interfaces only."""
    rows, token = await entity_lists.versions(deps, WorkflowRow, list_schemas.WORKFLOW, request, "ListWorkflows")
    found = stored_messages.readable(rows, _summary, lambda listed: workflow_pb2.WorkflowList(workflows=listed))
    return workflow_pb2.WorkflowList(workflows=found, token=token)


async def list_ids(
    deps: Dependencies, request: common_pb2.NamedEntityIdentifierListRequest
) -> common_pb2.NamedEntityIdentifierList:
    """List the names of the workflows of a project and domain."""
    return await entity_lists.names(deps, WorkflowRow, request, "ListWorkflowIds")


async def _checked(
    deps: Dependencies, request: workflow_pb2.WorkflowCreateRequest
) -> core_workflow_pb2.WorkflowTemplate:
    validation.check_identifier(request.id, WORKFLOW, given=request.HasField("id"))
    validation.check_registrable(request.id)
    await validation.check_project_and_domain(deps, request.id.project, request.id.domain)
    if not request.HasField("spec") or not request.spec.HasField("template"):
        raise validation.missing("spec")
    template = core_workflow_pb2.WorkflowTemplate()
    template.CopyFrom(request.spec.template)
    template.id.CopyFrom(request.id)
    outputs.check(template.interface, task=False)
    limit = deps.settings.max_workflow_nodes
    if limit and len(template.nodes) > limit:
        raise errors.InvalidRequest(
            f"number of nodes in workflow [{identifiers.text(request.id)}] exceeds limit "
            f"({len(template.nodes)} > {limit})"
        )
    deepest = deps.settings.max_workflow_depth
    depth = workflow_compiler.depth(template, request.spec.sub_workflows)
    if deepest and depth > deepest:
        raise errors.InvalidRequest(
            f"workflow [{identifiers.text(request.id)}] nests subworkflows {depth} levels deep; the limit is {deepest} "
            "(FLYTETEMPORAL_ADMIN__MAX_WORKFLOW_DEPTH)"
        )
    return template


async def _compile(
    deps: Dependencies, template: core_workflow_pb2.WorkflowTemplate, request: workflow_pb2.WorkflowCreateRequest
) -> compiler_pb2.CompiledWorkflowClosure:
    subworkflows = list(request.spec.sub_workflows)
    task_ids, plan_ids = requirements.requirements(template, subworkflows)
    _check_access(task_ids, plan_ids)
    try:
        async with deps.sessions() as session:
            task_rows = await entity_rows.load(session, TaskRow, identifier_pb2.TASK, task_ids)
            plan_rows = await entity_rows.load(session, LaunchPlanRow, identifier_pb2.LAUNCH_PLAN, plan_ids)
        tasks = [stored_messages.parse(task_pb2.TaskClosure, row.closure).compiled_task for row in task_rows]
        plans = [launch_plans.message(row) for row in plan_rows]
        # A workflow of 10,000 nodes takes a second, in which the event loop has to serve everybody else.
        return await asyncio.to_thread(workflow_compiler.compile_workflow, template, subworkflows, tasks, plans)
    except (errors.NotFound, errors.CompileFailed) as e:
        text = f"failed to compile workflow for [{identifiers.text(request.id)}] with err: {e.message}"
        raise errors.CompileFailed(text) from e


def _check_access(task_ids: Sequence[identifier_pb2.Identifier], plan_ids: Sequence[identifier_pb2.Identifier]) -> None:
    """Check that the caller may use what a workflow refers to, which can be in other projects.

    Here and not when it runs: workers launch what the launch plan nodes of an execution name.

    Raises:
        PermissionDenied: the caller may not read a task, or not launch a launch plan.
    """
    for permission, ids in ((Permission.READ, task_ids), (Permission.LAUNCH, plan_ids)):
        for project, domain in sorted({(one.project, one.domain) for one in ids}):
            access.require(permission, Scope(project, domain))


def closure_uri(root: str, key: identifiers.EntityKey, digest: str) -> str:
    """Return the URI of the closure of a workflow version. Each part of the key is one path segment.

    ``digest`` is that of the compiled workflow: the files of two structures under one id have different names.
    """
    return locations.join(root, "metadata/admin", *(_segment(part) for part in key), digest.rpartition(":")[2])


def _segment(part: str) -> str:
    quoted = quote(part, safe="")
    if not quoted.strip("."):
        return quoted.replace(".", "%2E")  # "." and ".." would name another folder.
    if len(quoted) <= _LONGEST_SEGMENT:
        return quoted
    return f"{quoted[: _LONGEST_SEGMENT - 65]}-{hashlib.sha256(part.encode()).hexdigest()}"


def _prepare(
    deps: Dependencies,
    request: workflow_pb2.WorkflowCreateRequest,
    compiled: compiler_pb2.CompiledWorkflowClosure,
    compiled_digest: str,
) -> tuple[dict[str, object], dict[str, bytes]]:
    """Return the columns of the row, and the files that it names by URI."""
    now = datetime.now(UTC)
    uri = closure_uri(deps.blobs.root, identifiers.entity_key(request.id), compiled_digest)
    closure = workflow_pb2.WorkflowClosure(compiled_workflow=compiled, created_at=times.timestamp(now))
    lean, constant_files = constants.offload(
        compiled, locations.join(deps.blobs.root, "metadata/constants"), limits.MIN_OFFLOADED_CONSTANT_BYTES
    )
    walked, used = compact.compact(lean)
    graph, templates = _packed(deps.blobs.root, walked), _packed(deps.blobs.root, used)
    constants.check_size(walked, len(graph[1]), limits.MAX_GRAPH_BYTES)
    files = {
        **constant_files,
        uri: closure.SerializeToString(deterministic=True),
        graph[0].uri: graph[1],
        templates[0].uri: templates[1],
    }
    values = {
        **registration.columns(request.id, compiled_digest, now),
        "typed_interface": compiled.primary.template.interface.SerializeToString(),
        "remote_closure_identifier": uri,
        "short_description": request.spec.description.short_description,
        "graph": graph[0].SerializeToString(),
        "task_templates": templates[0].SerializeToString(),
    }
    return values, files


def _packed(root: str, message: Message) -> tuple[execution_pb2.ContentReference, bytes]:
    return content.pack(message, lambda sha256: locations.join(root, "metadata/graphs", sha256))


async def _closure(deps: Dependencies, row: WorkflowRow) -> workflow_pb2.WorkflowClosure:
    try:
        return await stored_messages.load(deps.blobs, row.remote_closure_identifier, workflow_pb2.WorkflowClosure)
    except errors.NotFound as e:
        raise errors.Internal(f"the closure of workflow {row.name} is missing from the store: {e.message}") from e


def _id(row: WorkflowRow) -> identifier_pb2.Identifier:
    return identifiers.identifier(WORKFLOW, entity_rows.key(row))


def _summary(row: WorkflowRow) -> workflow_pb2.Workflow:
    workflow = workflow_pb2.Workflow(id=_id(row), short_description=row.short_description)
    workflow.closure.created_at.CopyFrom(times.timestamp(row.created_at))
    interface = stored_messages.parse(interface_pb2.TypedInterface, row.typed_interface)
    workflow.closure.compiled_workflow.primary.template.interface.CopyFrom(interface)
    return workflow
