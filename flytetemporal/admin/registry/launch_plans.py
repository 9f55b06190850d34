"""Launch plans: register, activate, get, list."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime

from flyteidl.admin import common_pb2, launch_plan_pb2
from flyteidl.core import identifier_pb2, interface_pb2
from google.rpc import error_details_pb2
from sqlalchemy import ColumnElement, select, update

from flytetemporal import errors
from flytetemporal.admin.artifacts import conditions
from flytetemporal.admin.base import list_schemas, stored_messages, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import LaunchPlanRow, WorkflowRow
from flytetemporal.admin.registry import entity_lists, entity_rows, launch_plan_access, launch_plan_checks, registration
from flytetemporal.admin.schedules import limits as schedule_limits
from flytetemporal.admin.schedules import reconciliation
from flytetemporal.admin.settings import setting_checks
from flytetemporal.admin.triggers import checks, declarations, following
from flytetemporal.idl import digest, identifiers, times

LAUNCH_PLAN, WORKFLOW = identifier_pb2.LAUNCH_PLAN, identifier_pb2.WORKFLOW
ACTIVE, INACTIVE = launch_plan_pb2.ACTIVE, launch_plan_pb2.INACTIVE


async def create(
    deps: Dependencies, request: launch_plan_pb2.LaunchPlanCreateRequest
) -> launch_plan_pb2.LaunchPlanCreateResponse:
    """Register a launch plan version. It starts inactive.

    Raises:
        InvalidRequest: the launch plan is malformed or does not fit its workflow, or another structure has its id.
        NotFound: the workflow is not registered.
        PermissionDenied: it would read of another project what its author may not.
        AlreadyExists: the same structure is registered under this id.
    """
    with _in_details(request.id):
        plan, workflow_row = await _checked(deps, request)
    # The workflow was read in its own transaction: versions do not change, and rows are not deleted.
    values = _values(plan, workflow_row)
    async with deps.sessions.begin() as session:
        if await registration.insert(session, LaunchPlanRow, values):
            return launch_plan_pb2.LaunchPlanCreateResponse()
        row = await registration.existing(session, LaunchPlanRow, request.id)
    if row.digest == values["digest"]:
        raise registration.identical("launch plan", request.id)
    raise registration.different("launch plan", request.id, message(row).spec, plan.spec)


async def _checked(
    deps: Dependencies, request: launch_plan_pb2.LaunchPlanCreateRequest
) -> tuple[launch_plan_pb2.LaunchPlan, int]:
    """Check a request; return the launch plan as it is stored, and the row of its workflow."""
    await _check(deps, request)
    async with deps.sessions() as session:
        (workflow,) = await entity_rows.load(session, WorkflowRow, WORKFLOW, [request.spec.workflow_id])
    interface = stored_messages.parse(interface_pb2.TypedInterface, workflow.typed_interface)
    plan = launch_plan_pb2.LaunchPlan(id=request.id, spec=request.spec)
    plan.spec.default_inputs.CopyFrom(launch_plan_checks.expected_inputs(request.spec, interface))
    plan.closure.expected_inputs.CopyFrom(plan.spec.default_inputs)
    plan.closure.expected_outputs.CopyFrom(interface.outputs)
    schedule = request.spec.entity_metadata.schedule
    if schedule.ByteSize():
        launch_plan_checks.check_schedule(schedule, plan.closure.expected_inputs)
    if plan.spec.entity_metadata.HasField("launch_conditions"):
        condition = conditions.parse(plan.spec.entity_metadata.launch_conditions)
        plan.spec.entity_metadata.launch_conditions.Pack(condition)  # As a message that clients over HTTP can read.
    with _named(request.id):
        triggers = declarations.of_plan(plan.spec)
        launch_plan_access.check(deps, plan, triggers)
        if triggers:
            await checks.check(deps, plan, triggers)
    return plan, workflow.id


async def get(deps: Dependencies, request: common_pb2.ObjectGetRequest) -> launch_plan_pb2.LaunchPlan:
    """Return a launch plan version."""
    return stored_messages.read(await entity_rows.get(deps, LaunchPlanRow, LAUNCH_PLAN, request), message)


async def get_active(
    deps: Dependencies, request: launch_plan_pb2.ActiveLaunchPlanRequest
) -> launch_plan_pb2.LaunchPlan:
    """Return the active version of a launch plan."""
    name = request.id
    validation.check_names(name, "project", "domain", "name")
    query = select(LaunchPlanRow).where(*entity_lists.scope(LaunchPlanRow, name), LaunchPlanRow.state == ACTIVE)
    async with deps.sessions() as session:
        row = (await session.scalars(query)).one_or_none()
    if row is None:
        raise errors.NotFound(f"No active launch plan could be found: {name.project}:{name.domain}:{name.name}")
    return message(row)


async def list_active(
    deps: Dependencies, request: launch_plan_pb2.ActiveLaunchPlanListRequest
) -> launch_plan_pb2.LaunchPlanList:
    """List the active launch plans of a project and domain."""
    listing = common_pb2.ResourceListRequest(
        id=common_pb2.NamedEntityIdentifier(project=request.project, domain=request.domain),
        limit=request.limit,
        token=request.token,
        sort_by=request.sort_by if request.HasField("sort_by") else None,
    )
    return await _list(deps, listing, "ListActiveLaunchPlans", LaunchPlanRow.state == ACTIVE)


async def list_launch_plans(
    deps: Dependencies, request: common_pb2.ResourceListRequest
) -> launch_plan_pb2.LaunchPlanList:
    """List the versions of one launch plan, or of all launch plans of a project and domain."""
    return await _list(deps, request, "ListLaunchPlans")


async def list_ids(
    deps: Dependencies, request: common_pb2.NamedEntityIdentifierListRequest
) -> common_pb2.NamedEntityIdentifierList:
    """List the names of the launch plans of a project and domain."""
    return await entity_lists.names(deps, LaunchPlanRow, request, "ListLaunchPlanIds")


async def set_state(
    deps: Dependencies, request: launch_plan_pb2.LaunchPlanUpdateRequest
) -> launch_plan_pb2.LaunchPlanUpdateResponse:
    """Activate or deactivate a version. Activation deactivates the version that was active.

    Raises:
        NotFound: the version does not exist.
        FailedPrecondition: with its triggers, the launch plan would launch itself without end.
        QuotaExceeded: its schedule would be one too many.
    """
    validation.check_get(request.id, LAUNCH_PLAN, given=request.HasField("id"))
    if request.state not in (ACTIVE, INACTIVE):
        raise validation.invalid("state")
    name = common_pb2.NamedEntityIdentifier(project=request.id.project, domain=request.id.domain, name=request.id.name)
    async with deps.sessions.begin() as session:
        # All versions of the name are locked, in one order: two concurrent activations run one after the other, without
        # a deadlock. The old version is deactivated first, because a unique index allows one active version per name.
        query = select(LaunchPlanRow).where(*entity_lists.scope(LaunchPlanRow, name)).order_by(LaunchPlanRow.id)
        rows = (await session.scalars(query.with_for_update())).all()
        wanted = next((row for row in rows if row.version == request.id.version), None)
        if wanted is None:
            raise entity_rows.missing(LAUNCH_PLAN, request.id)
        if wanted.state != request.state:
            now = datetime.now(UTC)
            if request.state == ACTIVE:
                await schedule_limits.check(session, wanted, deps.settings.max_active_schedules)
                clauses = (*entity_lists.scope(LaunchPlanRow, name), LaunchPlanRow.state == ACTIVE)
                await session.execute(update(LaunchPlanRow).where(*clauses).values(state=INACTIVE, updated_at=now))
            wanted.state, wanted.updated_at = request.state, now
        active = next((row for row in rows if row.state == ACTIVE and row is not wanted), None)
        plan = (name.project, name.domain, name.name)
        await following.follow(session, plan, wanted if request.state == ACTIVE else active)
    # Also if nothing changed: the call can be the repetition of one whose admin died before this.
    await reconciliation.apply_soon(deps, name.project, name.domain, name.name)
    return launch_plan_pb2.LaunchPlanUpdateResponse()


def message(row: LaunchPlanRow) -> launch_plan_pb2.LaunchPlan:
    """Return a launch plan as clients read it. Raises ``UnreadableRow``."""
    plan = launch_plan_pb2.LaunchPlan(
        id=identifiers.identifier(LAUNCH_PLAN, entity_rows.key(row)),
        spec=stored_messages.parse(launch_plan_pb2.LaunchPlanSpec, row.spec),
        closure=stored_messages.parse(launch_plan_pb2.LaunchPlanClosure, row.closure),
    )
    plan.closure.state = ACTIVE if row.state == ACTIVE else INACTIVE
    plan.closure.created_at.CopyFrom(times.timestamp(row.created_at))
    plan.closure.updated_at.CopyFrom(times.timestamp(row.updated_at))
    return plan


async def _list(
    deps: Dependencies, request: common_pb2.ResourceListRequest, method: str, *conditions: ColumnElement[bool]
) -> launch_plan_pb2.LaunchPlanList:
    rows, token = await entity_lists.versions(
        deps, LaunchPlanRow, list_schemas.LAUNCH_PLAN, request, method, *conditions
    )
    found = stored_messages.readable(rows, message, lambda plans: launch_plan_pb2.LaunchPlanList(launch_plans=plans))
    return launch_plan_pb2.LaunchPlanList(launch_plans=found, token=token)


async def _check(deps: Dependencies, request: launch_plan_pb2.LaunchPlanCreateRequest) -> None:
    validation.check_identifier(request.id, LAUNCH_PLAN, given=request.HasField("id"))
    validation.check_registrable(request.id)
    await validation.check_project_and_domain(deps, request.id.project, request.id.domain)
    if not request.HasField("spec"):
        raise validation.missing("spec")
    spec = request.spec
    validation.check_identifier(spec.workflow_id, WORKFLOW, given=spec.HasField("workflow_id"))
    validation.check_labels(spec.labels)
    setting_checks.check_parallelism(spec.max_parallelism)
    setting_checks.check_raw_output_prefix(spec.raw_output_data_config.output_location_prefix)
    setting_checks.check_environment(spec.envs.values)
    with _named(request.id):
        launch_plan_checks.check_annotations(spec, deps.notifications)
    validation.check_notifications(spec.entity_metadata.notifications)


@contextlib.contextmanager
def _named(identifier: identifier_pb2.Identifier) -> Iterator[None]:
    """Name the launch plan in errors of what Flyte does not know. Texts that are Flyte's stay as they are."""
    try:
        yield
    except errors.InvalidRequest as e:
        name = ":".join(identifiers.entity_key(identifier))
        raise errors.InvalidRequest(f"launch plan {name} cannot be registered: {e.message}", details=e.details) from e


@contextlib.contextmanager
def _in_details(identifier: identifier_pb2.Identifier) -> Iterator[None]:
    """Name the launch plan in the details of every refusal: texts that are Flyte's have no place for its name."""
    try:
        yield
    except errors.InvalidRequest as e:
        name = ":".join(identifiers.entity_key(identifier))
        e.details += (error_details_pb2.ResourceInfo(resource_type="launch plan", resource_name=name),)
        raise


def _values(plan: launch_plan_pb2.LaunchPlan, workflow_row: int) -> dict[str, object]:
    schedule = plan.spec.entity_metadata.schedule
    return {
        **registration.columns(plan.id, digest.digest(plan), datetime.now(UTC)),
        "spec": plan.spec.SerializeToString(),
        "closure": plan.closure.SerializeToString(),
        "workflow_id": workflow_row,
        "state": INACTIVE,
        "schedule_type": launch_plan_checks.schedule_type(schedule),
        "launch_condition_type": _condition_type(plan.spec.entity_metadata),
    }


def _condition_type(metadata: launch_plan_pb2.LaunchPlanMetadata) -> str | None:
    """Return what launches a launch plan. Flyte has only SCHED."""
    if metadata.schedule.ByteSize():
        return "SCHED"
    return "ARTIFACT" if metadata.HasField("launch_conditions") else None
