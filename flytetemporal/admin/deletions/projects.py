"""Begin to delete a project: from then on nothing new starts in it. Rounds of a loop carry out the rest."""

import dataclasses

from flyteidl.admin import project_pb2
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base import operator_actions, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ProjectRow
from flytetemporal.admin.deletions import contents
from flytetemporal.admin.deletions.contents import Contents
from flytetemporal.admin.retention.models import RemovalRow
from flytetemporal.admin.settings import projects
from flytetemporal.contracts.v1 import retention_pb2


async def delete_project(
    deps: Dependencies, request: retention_pb2.DeleteProjectRequest
) -> retention_pb2.DeleteProjectResponse:
    """Begin to delete a project, in all domains. A repeated call returns what is left.

    Raises:
        NotFound: the project does not exist.
        FailedPrecondition: it is in use, by its own executions and schedules or from another project; or every start
            of admin would register it again.
    """
    validation.check_names(request, "project")
    validation.check_length(request.deleted_by, "deleted_by", validation.MAX_NAME_LENGTH)
    project = request.project
    async with deps.sessions.begin() as session:
        # The lock keeps a second call, and an update of the project, out until this one is committed.
        row = await session.get(ProjectRow, project, with_for_update=True)
        if row is None:
            raise projects.unknown(project)
        found = await contents.count(session, project)
        if row.deleted_at is None:
            await _refuse(deps, session, project, found, terminate=request.terminate)
            if not request.dry_run:
                _begin(session, row, request, found)
    return retention_pb2.DeleteProjectResponse(**dataclasses.asdict(found))


async def _refuse(deps: Dependencies, session: AsyncSession, project: str, found: Contents, *, terminate: bool) -> None:
    if project in deps.settings.projects:
        raise _refusal(
            project, "every start of admin registers it again: take it out of FLYTETEMPORAL_ADMIN__PROJECTS first"
        )
    used = await contents.used_elsewhere(session, project)
    if used:
        raise _refusal(project, used)
    at_work = found.at_work()
    if at_work and not terminate:
        raise _refusal(project, f"it has {at_work}: end them first, or have them ended (terminate, or --terminate)")


def _refusal(project: str, why: str) -> errors.FailedPrecondition:
    return errors.FailedPrecondition(f"project {project} cannot be deleted: {why}")


def _begin(
    session: AsyncSession, row: ProjectRow, request: retention_pb2.DeleteProjectRequest, found: Contents
) -> None:
    project = row.identifier
    # Nothing can be launched or registered in an archived project, and one that is being deleted stays archived.
    row.state, row.deleted_at = project_pb2.Project.ARCHIVED, func.clock_timestamp()
    session.add(
        RemovalRow(
            kind="project",
            project=project,
            domain="",
            name=project,
            removed_by=request.deleted_by,
            reason="deleted",
            versions=found.tasks + found.workflows + found.launch_plans,
        )
    )
    operator_actions.record(
        session, request.deleted_by, "delete project", (project, "", ""), terminate=request.terminate
    )
