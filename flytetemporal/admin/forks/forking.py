"""Fork an execution: check, read the source at one moment, plan, store what is reused, launch."""

import asyncio
import hashlib

from flyteidl.admin import execution_pb2
from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2

from flytetemporal import errors
from flytetemporal.admin.artifacts import queries
from flytetemporal.admin.base import execution_lookup, plain_values, stored_messages, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.executions import launch_checks, launching
from flytetemporal.admin.executions.launch_records import Taken
from flytetemporal.admin.executions.launch_targets import LaunchTarget
from flytetemporal.admin.forks import definitions, elements, node_resources, planning, records, sources
from flytetemporal.admin.forks.planning import Asked, Plan, Planner
from flytetemporal.admin.forks.sources import Source
from flytetemporal.contracts import content
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.contracts.v1 import fork_pb2
from flytetemporal.idl import identifiers, interfaces, locations, naming

ExecutionId = identifier_pb2.WorkflowExecutionIdentifier
# Nodes that one answer lists.
LISTED = 5000
_REQUEST_ID_LENGTH = 100
_HASH_LENGTH = 19


async def fork(deps: Dependencies, request: fork_pb2.ForkRequest) -> fork_pb2.ForkResponse:
    """Launch an execution that reuses what succeeded in another one, in whatever phase that is; or only plan it.

    Raises:
        InvalidRequest: an input or a resource is unknown or of the wrong type.
        NotFound: the execution, the version or a node does not exist.
        FailedPrecondition: a node before one to start from cannot be reused.
        AlreadyExists: the name is taken, or the limit of the launch plan is reached.
    """
    _check(request)
    resources = node_resources.check(request, deps.settings)
    execution_id = _execution_id(request)
    before = None if request.dry_run else await _repeated(deps, request, execution_id)
    if before is not None:
        return before
    source = await sources.read(deps, request.execution_id)
    spec = _spec(source, request)
    target = await definitions.target(deps, spec)
    given, changed = await _inputs(deps, source, target, request)
    plan = await _plan(deps, source, target, request, changed)
    node_resources.check_nodes(plan, resources, source.id.name)
    await elements.add(deps, source, plan)
    response = _response(plan, changed)
    if request.dry_run:
        return response
    create = execution_pb2.ExecutionCreateRequest(
        project=execution_id.project, domain=execution_id.domain, name=execution_id.name, spec=spec, inputs=given
    )
    return await _launch(deps, request, create, plan, response)


async def _launch(
    deps: Dependencies,
    request: fork_pb2.ForkRequest,
    create: execution_pb2.ExecutionCreateRequest,
    plan: Plan,
    response: fork_pb2.ForkResponse,
) -> fork_pb2.ForkResponse:
    execution_id = ExecutionId(project=create.project, domain=create.domain, name=create.name)
    taken = Taken(
        reused=await _store(deps, execution_id, plan.reused),
        resources=node_resources.check(request, deps.settings),
        artifact_ids=list(create.spec.metadata.artifact_ids),
        rows=records.rows(_record(request, execution_id, response)),
    )
    try:
        await launching.launch(deps, create, taken)
    except errors.AlreadyExists:
        # The same call may have come twice at once; otherwise the name is taken.
        before = await _repeated(deps, request, execution_id)
        if before is not None:
            return before
        await _check_free(deps, execution_id)
        raise
    response.execution_id.CopyFrom(execution_id)
    return response


async def _check_free(deps: Dependencies, execution_id: ExecutionId) -> None:
    """Refuse the name of an existing execution with a sentence; CreateExecution has Flyte's text."""
    async with deps.sessions() as session:
        found = await execution_lookup.find_execution(session, execution_id)
    if found is not None:
        place = f"{execution_id.project}:{execution_id.domain}:{execution_id.name}"
        raise errors.AlreadyExists(f"execution {place} exists already; give the fork another name, or none")


def _check(request: fork_pb2.ForkRequest) -> None:
    execution_lookup.check_execution_id(request.execution_id, given=request.HasField("execution_id"))
    launch_checks.check_name(request.name)
    validation.check_length(request.request_id, "request_id", _REQUEST_ID_LENGTH)
    validation.check_length(request.forked_by, "forked_by", validation.MAX_NAME_LENGTH)
    if request.plain_inputs and request.inputs.literals:
        raise errors.InvalidRequest("the fork has both inputs and plain_inputs; send one of them")
    for node_id in request.from_nodes:
        if not node_id:
            raise errors.InvalidRequest("a node to fork from has no name; leave it out to run what has not succeeded")


def _execution_id(request: fork_pb2.ForkRequest) -> ExecutionId:
    source = request.execution_id
    name = request.name
    if not name and request.request_id:
        text = ":".join((*identifiers.execution_key(source), request.request_id))
        name = "f" + hashlib.sha256(text.encode()).hexdigest()[:_HASH_LENGTH]
    return ExecutionId(project=source.project, domain=source.domain, name=name or launch_checks.new_name())


async def _repeated(
    deps: Dependencies, request: fork_pb2.ForkRequest, execution_id: ExecutionId
) -> fork_pb2.ForkResponse | None:
    """Return the answer to a call that was answered before; None if it was not."""
    record = await records.find(deps, execution_id) if request.request_id else None
    if record is None or record.request_id != request.request_id or record.source != request.execution_id:
        return None
    return fork_pb2.ForkResponse(
        execution_id=execution_id,
        reused=record.reused,
        run_again=record.run_again,
        changed_inputs=record.changed_inputs,
    )


def _spec(source: Source, request: fork_pb2.ForkRequest) -> execution_pb2.ExecutionSpec:
    """Return the spec of the fork. It stands alone, even if the source is the child of another execution."""
    spec = execution_pb2.ExecutionSpec()
    spec.CopyFrom(source.spec)
    # The end of the parent, or of the eager task that launched the source, would abort the fork too.
    for label in (*naming.PARENT_LABELS, naming.EAGER_LABEL, naming.EAGER_NODE_LABEL):
        spec.labels.values.pop(label, None)
    spec.metadata.ClearField("parent_node_execution")
    spec.metadata.ClearField("nesting")
    spec.metadata.mode = execution_pb2.ExecutionMetadata.RECOVERED
    spec.metadata.reference_execution.CopyFrom(source.id)
    if request.version:
        spec.launch_plan.version = request.version
    spec.overwrite_cache = spec.overwrite_cache or request.overwrite_cache
    return spec


async def _inputs(
    deps: Dependencies, source: Source, target: LaunchTarget, request: fork_pb2.ForkRequest
) -> tuple[literals_pb2.LiteralMap, list[str]]:
    """Return the inputs that the caller of the fork gives, and the names of those that change.

    Inputs that another version does not expect any more are left out.
    """
    given = await stored_messages.load(deps.blobs, source.row.user_inputs_uri, literals_pb2.LiteralMap)
    for name in set(given.literals) - set(target.expected.parameters):
        del given.literals[name]
    for name, literal in _new_inputs(target, request).literals.items():
        given.literals[name].CopyFrom(literal)
    async with deps.sessions() as session:
        place = (source.id.project, source.id.domain)
        resolved = await queries.resolve(session, deps.blobs, target.expected, target.fixed, given, place)
    given = resolved.inputs
    before = await stored_messages.load(deps.blobs, source.row.inputs_uri, literals_pb2.LiteralMap)
    after = interfaces.launch_inputs(target.expected, target.fixed, given)
    old, new = _values(before), _values(after)
    return given, sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _new_inputs(target: LaunchTarget, request: fork_pb2.ForkRequest) -> literals_pb2.LiteralMap:
    """Return the inputs of a request, also of one that has plain values. Raises ``InvalidRequest``."""
    if not request.plain_inputs:
        return request.inputs
    variables = {name: parameter.var for name, parameter in target.expected.parameters.items()}
    found = plain_values.literal_map(
        request.plain_inputs, interface_pb2.VariableMap(variables=variables), f"inputs of {target.workflow_id.name}"
    )
    for name in sorted(found.literals.keys() - variables.keys()):
        raise errors.InvalidRequest(f"invalid input {name}; the inputs are {', '.join(sorted(variables)) or 'none'}")
    return found


def _values(inputs: literals_pb2.LiteralMap) -> dict[str, bytes]:
    return {name: literal.SerializeToString(deterministic=True) for name, literal in inputs.literals.items()}


async def _plan(
    deps: Dependencies, source: Source, target: LaunchTarget, request: fork_pb2.ForkRequest, changed: list[str]
) -> Plan:
    has_version = target.workflow_row != source.row.workflow_id
    version = request.version or source.spec.launch_plan.version
    definition = await definitions.load(deps, target.workflow_row, version, with_interfaces=has_version)
    request.from_nodes[:] = planning.named_nodes(request.from_nodes, definition, source.nodes)  # Ids are recorded.
    asked = Asked(source.id.name, frozenset(request.from_nodes), changed, has_version)
    earlier = definition
    if has_version:
        before = source.spec.launch_plan.version
        earlier = await definitions.load(deps, source.row.workflow_id, before, with_interfaces=True)
    entered = planning.entered_nodes(asked, source.nodes)
    generated = {} if has_version else await sources.generated_graphs(deps, source.nodes, entered)
    open_children = {node.id for node in source.nodes if sources.is_open_child(source, node)}
    # A workflow of 10,000 nodes takes a while, in which the event loop has to serve everybody else.
    planner = Planner(asked, source.nodes, generated, open_children)
    return await asyncio.to_thread(planner.plan, definition, earlier)


async def _store(
    deps: Dependencies, execution_id: ExecutionId, reused: contract_pb2.ReusedNodes
) -> contract_pb2.ContentReference:
    """Store what is reused under the name of its content, which a repeated call does not change."""
    directory = locations.join(locations.metadata_dir(deps.blobs.root, execution_id), "reused")
    reference, data = await asyncio.to_thread(content.pack, reused, lambda sha256: locations.join(directory, sha256))
    await deps.blobs.write(reference.uri, data)
    return reference


def _response(plan: Plan, changed: list[str]) -> fork_pb2.ForkResponse:
    reused = plan.reused_count
    return fork_pb2.ForkResponse(
        nodes=list(plan.nodes.values())[:LISTED],
        reused=reused,
        run_again=len(plan.nodes) - reused,
        changed_inputs=changed,
    )


def _record(request: fork_pb2.ForkRequest, execution_id: ExecutionId, response: fork_pb2.ForkResponse) -> fork_pb2.Fork:
    return fork_pb2.Fork(
        execution_id=execution_id,
        source=request.execution_id,
        from_nodes=request.from_nodes,
        changed_inputs=response.changed_inputs,
        version=request.version,
        resources=request.resources,
        reused=response.reused,
        run_again=response.run_again,
        request_id=request.request_id,
        forked_by=request.forked_by,
    )
