"""What the lists of tasks, workflows and launch plans share: scope, page, distinct names."""

from flyteidl.admin import common_pb2
from sqlalchemy import ColumnElement, select

from flytetemporal import errors
from flytetemporal.admin.base import validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import LaunchPlanRow, TaskRow, WorkflowRow
from flytetemporal.db import filters

EntityRow = type[TaskRow] | type[WorkflowRow] | type[LaunchPlanRow]
_NAME_SORT_KEYS = ("project", "domain", "name")


def page(request: common_pb2.ResourceListRequest, entity: filters.Entity, method: str) -> filters.Page:
    """Return the page a list request asks for; project and domain must be named.

    Raises:
        InvalidRequest: the scope, limit, token, filters or sort key is wrong.
    """
    validation.check_present(request.id, "project", "domain")
    return filters.page(
        limit=request.limit,
        token=request.token,
        filters=request.filters,
        sort_by=request.sort_by,
        entity=entity,
        method=method,
    )


def scope(row: EntityRow, identifier: common_pb2.NamedEntityIdentifier) -> list[ColumnElement[bool]]:
    """Return the clauses of a project and domain, and of a name when there is one."""
    clauses = [row.project == identifier.project, row.domain == identifier.domain]
    return [*clauses, row.name == identifier.name] if identifier.name else clauses


async def names(
    deps: Dependencies, row: EntityRow, request: common_pb2.NamedEntityIdentifierListRequest, method: str
) -> common_pb2.NamedEntityIdentifierList:
    """List distinct names. As in Flyte, filters of the request are ignored."""
    validation.check_present(request, "project", "domain")
    filters.check_limit(request.limit)
    offset = filters.parse_token(request.token, method)
    key = request.sort_by.key or "name"
    if key not in _NAME_SORT_KEYS:
        raise errors.InvalidRequest(f"invalid sort key '{key}'")
    column: ColumnElement[str] = getattr(row, key)
    ascending = not request.HasField("sort_by") or request.sort_by.direction == common_pb2.Sort.ASCENDING
    query = (
        select(row.project, row.domain, row.name)
        .where(row.project == request.project, row.domain == request.domain)
        .distinct()
        .order_by(column.asc() if ascending else column.desc(), row.name)
        .limit(request.limit)
        .offset(offset)
    )
    async with deps.sessions() as session:
        found = (await session.execute(query)).all()
    return common_pb2.NamedEntityIdentifierList(
        entities=[common_pb2.NamedEntityIdentifier(project=p, domain=d, name=n) for p, d, n in found],
        token=str(offset + len(found)) if len(found) == request.limit else "",
    )
