"""Matchable attributes: settings of a project, of one of its domains, or of a workflow.

Mirrors flyteadmin's pkg/manager/impl/resources/resource_manager.go, except that a delete removes one level only.
"""

from dataclasses import dataclass

from flyteidl.admin import (
    matchable_resource_pb2,
    project_attributes_pb2,
    project_domain_attributes_pb2,
    workflow_attributes_pb2,
)
from flyteidl.core import tasks_pb2
from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql

from flytetemporal import errors
from flytetemporal.admin.access import readable
from flytetemporal.admin.base import stored_messages, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import MatchableAttributesRow
from flytetemporal.admin.settings import run_policies, setting_checks, task_resources

Attributes = matchable_resource_pb2.MatchingAttributes
Resource = matchable_resource_pb2.MatchableResource
_KINDS = {
    "task_resource_attributes": matchable_resource_pb2.TASK_RESOURCE,
    "cluster_resource_attributes": matchable_resource_pb2.CLUSTER_RESOURCE,
    "execution_queue_attributes": matchable_resource_pb2.EXECUTION_QUEUE,
    "execution_cluster_label": matchable_resource_pb2.EXECUTION_CLUSTER_LABEL,
    "quality_of_service": matchable_resource_pb2.QUALITY_OF_SERVICE_SPECIFICATION,
    "plugin_overrides": matchable_resource_pb2.PLUGIN_OVERRIDE,
    "workflow_execution_config": matchable_resource_pb2.WORKFLOW_EXECUTION_CONFIG,
    "cluster_assignment": matchable_resource_pb2.CLUSTER_ASSIGNMENT,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """The level that attributes belong to; an empty part stands for all domains or all workflows."""

    project: str
    domain: str = ""
    workflow: str = ""

    def wider(self) -> "list[Scope]":
        """Return this level and the levels above it, the most specific one first."""
        levels = [self, Scope(self.project, self.domain), Scope(self.project)]
        return list(dict.fromkeys(levels))


async def update_project_domain(
    deps: Dependencies, request: project_domain_attributes_pb2.ProjectDomainAttributesUpdateRequest
) -> project_domain_attributes_pb2.ProjectDomainAttributesUpdateResponse:
    """Set attributes of a project's domain."""
    given = request.attributes
    if not request.HasField("attributes"):
        raise validation.missing("attributes")
    await validation.check_project_and_domain(deps, given.project, given.domain)
    await _store(deps, Scope(given.project, given.domain), given.matching_attributes)
    return project_domain_attributes_pb2.ProjectDomainAttributesUpdateResponse()


async def get_project_domain(
    deps: Dependencies, request: project_domain_attributes_pb2.ProjectDomainAttributesGetRequest
) -> project_domain_attributes_pb2.ProjectDomainAttributesGetResponse:
    """Return the attributes of a project's domain; if it has none, those of the project."""
    await validation.check_project_and_domain(deps, request.project, request.domain)
    row = await _require(deps, Scope(request.project, request.domain), request.resource_type)
    return project_domain_attributes_pb2.ProjectDomainAttributesGetResponse(
        attributes=project_domain_attributes_pb2.ProjectDomainAttributes(
            project=row.project,
            domain=row.domain,
            matching_attributes=stored_messages.parse(Attributes, row.attributes),
        )
    )


async def delete_project_domain(
    deps: Dependencies, request: project_domain_attributes_pb2.ProjectDomainAttributesDeleteRequest
) -> project_domain_attributes_pb2.ProjectDomainAttributesDeleteResponse:
    """Delete attributes of a project's domain."""
    await validation.check_project_and_domain(deps, request.project, request.domain)
    await _delete(deps, Scope(request.project, request.domain), request.resource_type)
    return project_domain_attributes_pb2.ProjectDomainAttributesDeleteResponse()


async def update_project(
    deps: Dependencies, request: project_attributes_pb2.ProjectAttributesUpdateRequest
) -> project_attributes_pb2.ProjectAttributesUpdateResponse:
    """Set attributes of a project."""
    if not request.HasField("attributes"):
        raise validation.missing("attributes")
    await validation.check_project(deps, request.attributes.project)
    await _store(deps, Scope(request.attributes.project), request.attributes.matching_attributes)
    return project_attributes_pb2.ProjectAttributesUpdateResponse()


async def get_project(
    deps: Dependencies, request: project_attributes_pb2.ProjectAttributesGetRequest
) -> project_attributes_pb2.ProjectAttributesGetResponse:
    """Return the attributes of a project. As in Flyte, the server's defaults complete an execution config."""
    await validation.check_project(deps, request.project, active=False)
    scope = Scope(request.project)
    row = await best(deps, scope, request.resource_type)
    found = stored_messages.parse(Attributes, row.attributes) if row is not None else Attributes()
    if request.resource_type == matchable_resource_pb2.WORKFLOW_EXECUTION_CONFIG:
        config = found.workflow_execution_config
        config.max_parallelism = config.max_parallelism or deps.settings.max_parallelism
    elif row is None:
        raise _not_found(scope, request.resource_type)
    return project_attributes_pb2.ProjectAttributesGetResponse(
        attributes=project_attributes_pb2.ProjectAttributes(project=request.project, matching_attributes=found)
    )


async def delete_project(
    deps: Dependencies, request: project_attributes_pb2.ProjectAttributesDeleteRequest
) -> project_attributes_pb2.ProjectAttributesDeleteResponse:
    """Delete attributes of a project."""
    await validation.check_project(deps, request.project)
    await _delete(deps, Scope(request.project), request.resource_type)
    return project_attributes_pb2.ProjectAttributesDeleteResponse()


async def update_workflow(
    deps: Dependencies, request: workflow_attributes_pb2.WorkflowAttributesUpdateRequest
) -> workflow_attributes_pb2.WorkflowAttributesUpdateResponse:
    """Set attributes of a workflow. As in Flyte, it need not be registered."""
    if not request.HasField("attributes"):
        raise validation.missing("attributes")
    given = request.attributes
    await validation.check_project_and_domain(deps, given.project, given.domain)
    validation.check_names(given, "workflow")
    await _store(deps, Scope(given.project, given.domain, given.workflow), given.matching_attributes)
    return workflow_attributes_pb2.WorkflowAttributesUpdateResponse()


async def get_workflow(
    deps: Dependencies, request: workflow_attributes_pb2.WorkflowAttributesGetRequest
) -> workflow_attributes_pb2.WorkflowAttributesGetResponse:
    """Return the attributes of a workflow; if it has none, those of its domain or project."""
    await validation.check_project_and_domain(deps, request.project, request.domain)
    validation.check_names(request, "workflow")
    row = await _require(deps, Scope(request.project, request.domain, request.workflow), request.resource_type)
    return workflow_attributes_pb2.WorkflowAttributesGetResponse(
        attributes=workflow_attributes_pb2.WorkflowAttributes(
            project=row.project,
            domain=row.domain,
            workflow=row.workflow,
            matching_attributes=stored_messages.parse(Attributes, row.attributes),
        )
    )


async def delete_workflow(
    deps: Dependencies, request: workflow_attributes_pb2.WorkflowAttributesDeleteRequest
) -> workflow_attributes_pb2.WorkflowAttributesDeleteResponse:
    """Delete attributes of a workflow."""
    await validation.check_project_and_domain(deps, request.project, request.domain)
    validation.check_names(request, "workflow")
    await _delete(deps, Scope(request.project, request.domain, request.workflow), request.resource_type)
    return workflow_attributes_pb2.WorkflowAttributesDeleteResponse()


async def list_all(
    deps: Dependencies, request: matchable_resource_pb2.ListMatchableAttributesRequest
) -> matchable_resource_pb2.ListMatchableAttributesResponse:
    """List all attributes of one kind, workflows first, then domains, then projects."""
    _check_kind(request.resource_type)
    row = MatchableAttributesRow
    query = (
        select(row)
        .where(row.resource_type == request.resource_type, readable.rows(row.project, row.domain))
        .order_by(row.workflow == "", row.domain == "", row.id)
    )
    async with deps.sessions() as session:
        rows = (await session.scalars(query)).all()
    response = matchable_resource_pb2.ListMatchableAttributesResponse
    return response(
        configurations=stored_messages.readable(rows, _configuration, lambda listed: response(configurations=listed))
    )


def _configuration(row: MatchableAttributesRow) -> matchable_resource_pb2.MatchableAttributesConfiguration:
    return matchable_resource_pb2.MatchableAttributesConfiguration(
        attributes=stored_messages.parse(Attributes, row.attributes),
        project=row.project,
        domain=row.domain,
        workflow=row.workflow,
        launch_plan=row.launch_plan,
    )


async def best(deps: Dependencies, scope: Scope, resource_type: int) -> MatchableAttributesRow | None:
    """Return the row of the most specific level that has one; None if no level has."""
    _check_kind(resource_type)
    async with deps.sessions() as session:
        for level in scope.wider():
            row = await session.get(MatchableAttributesRow, _key(level, resource_type))
            if row is not None:
                return row
    return None


async def task_limits(deps: Dependencies, project: str, domain: str) -> dict[int, str]:
    """Return the limits of task resources by kind: those of the most specific attributes, else those configured.

    The two are not merged: a kind that the attributes leave out has no limit.
    """
    row = await best(deps, Scope(project, domain), matchable_resource_pb2.TASK_RESOURCE)
    if row is None:
        return task_resources.platform_limits(deps.settings)
    limits = stored_messages.parse(Attributes, row.attributes).task_resource_attributes.limits
    named = {
        tasks_pb2.Resources.CPU: limits.cpu,
        tasks_pb2.Resources.MEMORY: limits.memory,
        tasks_pb2.Resources.GPU: limits.gpu,
        tasks_pb2.Resources.EPHEMERAL_STORAGE: limits.ephemeral_storage,
    }
    return {kind: limit for kind, limit in named.items() if task_resources.is_quantity(limit)}


async def _store(deps: Dependencies, scope: Scope, given: matchable_resource_pb2.MatchingAttributes) -> None:
    target = given.WhichOneof("target")
    if target is None:
        raise validation.missing("matching_attributes")
    kind = _KINDS.get(target)
    if kind is None or target == "quality_of_service":
        raise errors.InvalidRequest(f"unrecognized matching attributes type for request: {target}")
    run_policies.check(("the attributes", given.workflow_execution_config.annotations))
    setting_checks.check(given.workflow_execution_config)
    setting_checks.check_resources(given.task_resource_attributes)
    key = _key(scope, kind)
    names = ("project", "domain", "workflow", "launch_plan", "resource_type")
    statement = postgresql.insert(MatchableAttributesRow).values(
        **dict(zip(names, key, strict=True)), attributes=given.SerializeToString()
    )
    async with deps.sessions.begin() as session:
        inserted = await session.execute(statement.on_conflict_do_nothing().returning(MatchableAttributesRow.id))
        if inserted.scalar_one_or_none() is None:
            # The row exists, so it can be locked: of two concurrent updates the second one merges with the first one's
            # result.
            row = await session.get_one(MatchableAttributesRow, key, with_for_update=True)
            row.attributes = _merged(row.attributes, given).SerializeToString()


def _merged(
    stored: bytes, given: matchable_resource_pb2.MatchingAttributes
) -> matchable_resource_pb2.MatchingAttributes:
    """Return the new attributes: plugin overrides are merged by task type, other kinds replace the old value."""
    if not given.HasField("plugin_overrides"):
        return given
    before = stored_messages.parse(Attributes, stored)
    by_type = {override.task_type: override for override in before.plugin_overrides.overrides}
    by_type |= {override.task_type: override for override in given.plugin_overrides.overrides}
    return Attributes(
        plugin_overrides=matchable_resource_pb2.PluginOverrides(overrides=[by_type[name] for name in sorted(by_type)])
    )


async def _delete(deps: Dependencies, scope: Scope, resource_type: int) -> None:
    _check_kind(resource_type)
    row = MatchableAttributesRow
    async with deps.sessions.begin() as session:
        await session.execute(
            delete(row).where(
                row.project == scope.project,
                row.domain == scope.domain,
                row.workflow == scope.workflow,
                row.resource_type == resource_type,
            )
        )


async def _require(deps: Dependencies, scope: Scope, resource_type: int) -> MatchableAttributesRow:
    row = await best(deps, scope, resource_type)
    if row is None:
        raise _not_found(scope, resource_type)
    return row


def _not_found(scope: Scope, resource_type: int) -> errors.NotFound:
    kind = Resource.Name(resource_type)
    return errors.NotFound(
        f"Resource [{{Project:{scope.project} Domain:{scope.domain} Workflow:{scope.workflow} LaunchPlan: "
        f"ResourceType:{kind}}}] not found"
    )


def _check_kind(resource_type: int) -> None:
    if resource_type not in Resource.values():
        raise validation.invalid("resource_type")


def _key(scope: Scope, resource_type: int) -> tuple[str, str, str, str, int]:
    return scope.project, scope.domain, scope.workflow, "", resource_type
