"""Whether what an operation on cached outputs names exists. The catalog itself does not know."""

from flyteidl.core import identifier_pb2
from sqlalchemy import select

from flytetemporal import errors
from flytetemporal.admin.base import execution_lookup
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ProjectRow, TaskRow
from flytetemporal.contracts.v1 import cache_operations_pb2


async def check(deps: Dependencies, scope: cache_operations_pb2.CacheScope) -> None:
    """Check that the names of a scope exist.

    Raises:
        NotFound: names the first one that does not.
    """
    if scope.domain and scope.domain not in deps.settings.domains:
        raise errors.NotFound(f"domain {scope.domain} does not exist; there are {', '.join(deps.settings.domains)}")
    async with deps.sessions() as session:
        if await session.get(ProjectRow, scope.project) is None:
            raise errors.NotFound(f"project {scope.project} does not exist")
        if scope.execution:
            identifier = identifier_pb2.WorkflowExecutionIdentifier(
                project=scope.project, domain=scope.domain, name=scope.execution
            )
            await execution_lookup.execution(session, identifier)
    if scope.task and not scope.execution:  # What an execution has run can be of any project.
        await _check_task(deps, scope)


async def _check_task(deps: Dependencies, scope: cache_operations_pb2.CacheScope) -> None:
    query = select(TaskRow.project).where(TaskRow.project == scope.project, TaskRow.name == scope.task)
    if scope.domain:
        query = query.where(TaskRow.domain == scope.domain)
    if scope.task_version:
        query = query.where(TaskRow.version == scope.task_version)
    async with deps.sessions() as session:
        found = await session.scalar(query.limit(1))
    if found is None:
        version = f" in version {scope.task_version}" if scope.task_version else ""
        place = ":".join(filter(None, (scope.project, scope.domain)))
        raise errors.NotFound(
            f"task {scope.task} of {place} is not registered{version}, and no outputs of it are stored; see: "
            "flytetemporal get tasks"
        )
