"""Launch executions: check, resolve, record, commit, then start.

The row is committed before the workflow is started. The sweeper finds a row without a workflow and starts it; nothing
could find a workflow without a row. The order of checks mirrors flyteadmin's pkg/manager/impl/execution_manager.go.
"""

import contextlib
import secrets
from datetime import UTC, datetime

from flyteidl.admin import common_pb2, execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.artifacts import queries
from flytetemporal.admin.base import concurrent, execution_lookup, stored_messages, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.admin.events import inline_data
from flytetemporal.admin.executions import (
    admission,
    delivery,
    launch_checks,
    launch_records,
    launch_references,
    launch_targets,
    single_task,
)
from flytetemporal.admin.executions.launch_records import Launch, Linkage, Taken
from flytetemporal.admin.outbox import event_log
from flytetemporal.admin.settings import execution_settings, run_policies, setting_checks, task_resources, webhooks
from flytetemporal.auth import access
from flytetemporal.auth import identity as identities
from flytetemporal.auth.roles import Permission, Scope
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.idl import interfaces, locations, phases

Mode = execution_pb2.ExecutionMetadata
_ENDED = frozenset(phases.W.Phase.Name(phase) for phase in phases.WORKFLOW_TERMINAL)


async def create(
    deps: Dependencies, request: execution_pb2.ExecutionCreateRequest
) -> execution_pb2.ExecutionCreateResponse:
    """Launch a launch plan or a single task."""
    return await launch(deps, request, Taken())


async def launch(
    deps: Dependencies, request: execution_pb2.ExecutionCreateRequest, taken: Taken
) -> execution_pb2.ExecutionCreateResponse:
    """Launch a launch plan or a single task with what it takes from an earlier execution."""
    labels = await validation.check_project_and_domain(deps, request.project, request.domain)
    launch_checks.check_name(request.name)
    launch_checks.check_spec(request)
    validation.check_labels(request.spec.labels)
    validation.check_notifications(request.spec.notifications.notifications)
    prepared = await _prepare(deps, request, labels, taken)
    argument = launch_records.engine_input(prepared, deps.blobs.root, deps.settings)
    queued = await _record(deps, prepared, argument)
    if queued is None:
        await delivery.start(deps, argument)
    else:
        await admission.settle(deps, queued)
    return execution_pb2.ExecutionCreateResponse(id=prepared.id)


async def relaunch(
    deps: Dependencies, request: execution_pb2.ExecutionRelaunchRequest
) -> execution_pb2.ExecutionCreateResponse:
    """Launch an execution again with the same spec and the inputs that its caller gave."""
    row = await _earlier(deps, request.id, given=request.HasField("id"))
    spec = stored_messages.parse(execution_pb2.ExecutionSpec, row.spec)
    spec.metadata.mode = Mode.RELAUNCH
    spec.metadata.reference_execution.CopyFrom(request.id)
    spec.overwrite_cache = request.overwrite_cache
    taken = Taken(artifact_ids=list(spec.metadata.artifact_ids))
    return await launch(deps, await _again(deps, row, spec, request.id, request.name), taken)


async def recover(
    deps: Dependencies, request: execution_pb2.ExecutionRecoverRequest
) -> execution_pb2.ExecutionCreateResponse:
    """Launch an execution again that reuses the nodes which succeeded. As in Flyte, it keeps ``overwrite_cache``.

    Raises:
        FailedPrecondition: the execution still runs, so which of its nodes succeed is not known.
    """
    row = await _earlier(deps, request.id, given=request.HasField("id"))
    launch_checks.check_name(request.name)
    if row.phase not in _ENDED:
        raise errors.FailedPrecondition(
            f"execution {request.id.name} is {row.phase or 'UNDEFINED'} and cannot be recovered before it has ended; "
            "wait for its end or terminate it, then recover it, or fork it as it is with: flytetemporal fork "
            f"{request.id.name}"
        )
    spec = stored_messages.parse(execution_pb2.ExecutionSpec, row.spec)
    if request.HasField("metadata"):  # Of the metadata of a request, Flyte heeds only the parent.
        spec.metadata.ClearField("parent_node_execution")
        if request.metadata.HasField("parent_node_execution"):
            spec.metadata.parent_node_execution.CopyFrom(request.metadata.parent_node_execution)
    spec.metadata.mode = Mode.RECOVERED
    spec.metadata.reference_execution.CopyFrom(request.id)
    started = stored_messages.parse(contract_pb2.ExecutionInput, row.engine_input or b"")
    taken = Taken(resources=started.node_resources, artifact_ids=list(spec.metadata.artifact_ids))
    return await launch(deps, await _again(deps, row, spec, request.id, request.name), taken)


async def _again(
    deps: Dependencies,
    row: ExecutionRow,
    spec: execution_pb2.ExecutionSpec,
    earlier: identifier_pb2.WorkflowExecutionIdentifier,
    name: str,
) -> execution_pb2.ExecutionCreateRequest:
    """Return a launch with the inputs that the caller of an earlier execution gave.

    Defaults and fixed inputs are resolved again, as in Flyte, so only the caller's own inputs are read back.
    """
    inputs = await stored_messages.load(deps.blobs, row.user_inputs_uri, literals_pb2.LiteralMap)
    return execution_pb2.ExecutionCreateRequest(
        project=earlier.project, domain=earlier.domain, name=name, spec=spec, inputs=inputs
    )


async def _earlier(
    deps: Dependencies, identifier: identifier_pb2.WorkflowExecutionIdentifier, *, given: bool
) -> ExecutionRow:
    execution_lookup.check_execution_id(identifier, given=given)
    async with deps.sessions() as session:
        return await execution_lookup.execution(session, identifier)


async def _prepare(
    deps: Dependencies, request: execution_pb2.ExecutionCreateRequest, of_project: common_pb2.Labels, taken: Taken
) -> Launch:
    spec, given = request.spec, request.inputs if request.inputs.literals else request.spec.inputs
    is_task = spec.launch_plan.resource_type == identifier_pb2.TASK
    # That of an execution which is repeated can be in another project.
    access.require(Permission.LAUNCH, Scope(spec.launch_plan.project, spec.launch_plan.domain))
    # Outside the session below: the first launch of a task registers its wrapper in transactions of its own.
    target = await single_task.target(deps, spec.launch_plan) if is_task else None
    async with deps.sessions() as session:
        if target is None:
            target = await launch_targets.of_launch_plan(session, spec.launch_plan)
        place = (request.project, request.domain)
        resolved = await queries.resolve(session, deps.blobs, target.expected, target.fixed, given, place)
        given = resolved.inputs
        inputs = interfaces.launch_inputs(target.expected, target.fixed, given)
        linkage = await _linkage(session, spec.metadata)
        workflow = target.workflow_id.name
        levels = await execution_settings.attribute_levels(session, request.project, request.domain, workflow)
        heeded = execution_settings.counting(levels)
        config = execution_settings.merge(spec, target.launch_plan, heeded, deps.settings.max_parallelism)
        annotated = execution_settings.annotations(spec, target.launch_plan, levels)
        most_memory = task_resources.memory_limit(deps.settings)
        policies = run_policies.merge(annotated, deps.settings.max_execution_duration, most_memory)
        called = webhooks.effective(spec, annotated, deps.notifications)
        labels = {**of_project.values, **config.labels.values}
        # Checked again, with a lock, when the row is inserted; most launches that are refused write no inputs.
        await admission.check(session, spec, target.launch_plan)
    setting_checks.check(config)  # Those of a launch plan that was registered before they were checked.
    namespace = f"{request.project}-{request.domain}"
    execution_id = identifier_pb2.WorkflowExecutionIdentifier(
        project=request.project, domain=request.domain, name=request.name or launch_checks.new_name()
    )
    stored = launch_records.stored_spec(spec, config, linkage, namespace, single_task=is_task)
    if not is_task:
        stored.metadata.artifact_ids.extend((*taken.artifact_ids, *resolved.ids))
    return Launch(
        id=execution_id,
        spec=stored,
        target=target,
        linkage=linkage,
        settings=launch_records.engine_settings(
            config,
            labels,
            policies,
            raw_output_prefix=deps.raw_output_prefix,
            namespace=namespace,
            cluster=deps.engine.cluster,
        ),
        inherited=execution_settings.explicit(spec, target.launch_plan, config),
        # With the artifacts: an execution that repeats this one has the same.
        user_inputs=given,
        inputs=inputs,
        # No other launch under this name, failed or not, has the same directory.
        directory=locations.join(inline_data.metadata_dir(deps.blobs.root, execution_id), secrets.token_hex(8)),
        taken=taken,
        webhooks=called,
    )


async def _linkage(session: AsyncSession, metadata: execution_pb2.ExecutionMetadata) -> Linkage:
    """Return the origin of a launch. As in Flyte, a child inherits its parent's principal and cluster label."""
    if metadata.HasField("parent_node_execution"):
        node = await execution_lookup.node(session, metadata.parent_node_execution)
        parent = await execution_lookup.execution(session, metadata.parent_node_execution.execution_id)
        spec = stored_messages.parse(execution_pb2.ExecutionSpec, parent.spec)
        parent_scope = Scope(parent.execution_project, parent.execution_domain)
        return Linkage(
            source_row=parent.id,
            parent_node_row=node.id,
            nesting=spec.metadata.nesting + 1,
            # Workers launch children. Who relaunches a child acts for themselves.
            principal=parent.user if access.allows(Permission.ENGINE, parent_scope) else _caller(),
            cluster_label=spec.execution_cluster_label.value,
        )
    if metadata.HasField("reference_execution"):
        reference = await execution_lookup.find_execution(session, metadata.reference_execution)
        return Linkage(source_row=reference.id if reference is not None else 0, principal=_caller())
    return Linkage(principal=_caller())


def _caller() -> str:
    """Return the principal of an execution that has no parent; empty without sign-in."""
    caller = identities.current()
    return caller.subject if caller is not None else ""


async def _record(deps: Dependencies, launch: Launch, argument: contract_pb2.ExecutionInput) -> admission.Queued | None:
    """Store the inputs and the row; return how the execution waits, or None if it can start.

    Raises:
        AlreadyExists: the name is taken, or the limit of the launch plan is reached.
        QuotaExceeded: the queue of the launch plan is full.
        FailedPrecondition: the execution that it repeats was deleted, or one of its name, of which files are kept.
        BeingRemoved: what had its name, or has values among its inputs, was deleted and is still being removed.
    """
    # The inputs are written before the transaction, which must not hold a connection while the store is slow. Their
    # directory belongs to this launch alone: if the name is taken, the inputs of its execution stay as they are.
    await concurrent.finish_all(
        deps.blobs.write_message(launch.inputs_uri, launch.inputs),
        deps.blobs.write_message(launch.user_inputs_uri, launch.user_inputs),
    )
    try:
        async with deps.sessions.begin() as session:
            claimed = await admission.claim(session, launch)
            await launch_records.insert(session, launch, argument, datetime.now(UTC))
            await launch_references.hold(session, launch, argument)
            await event_log.record(session, deps.events, [launch_records.start_event(launch)])
            return None if claimed is None else await admission.queue(deps, session, launch, claimed)
    except (errors.AlreadyExists, errors.QuotaExceeded, errors.FailedPrecondition, launch_references.BeingRemoved):
        await _discard_inputs(deps, launch)
        raise
    except IntegrityError as error:
        await _discard_inputs(deps, launch)
        text = str(error.orig).splitlines()[0]
        raise errors.AlreadyExists(f"value with matching already exists ({text})") from error


async def _discard_inputs(deps: Dependencies, launch: Launch) -> None:
    """Delete the inputs of a launch that was refused after they were written; what stays has no reader."""
    for uri in (launch.inputs_uri, launch.user_inputs_uri):
        with contextlib.suppress(errors.FlyteError):
            await deps.blobs.delete(uri)
