"""Lists of tasks, workflows and launch plans: the versions of one name or of all names, and the names."""

from collections.abc import Sequence

from flyteidl.admin import common_pb2
from sqlalchemy import ColumnElement, select

from flytetemporal import errors
from flytetemporal.admin.base import list_requests, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.registry.entity_rows import EntityRow, Row
from flytetemporal.db import filters

_NAME_SORT_KEYS = ("project", "domain", "name")


async def versions(
    deps: Dependencies,
    row: type[Row],
    schema: filters.Entity,
    request: common_pb2.ResourceListRequest,
    method: str,
    *conditions: ColumnElement[bool],
) -> tuple[Sequence[Row], str]:
    """Return one page of versions that meet the conditions, and the token of the next page.

    Raises:
        InvalidRequest: project or domain is missing, or the limit, token, filters or sort key is wrong.
    """
    validation.check_present(request.id, "project", "domain")
    page = list_requests.page(request, schema, method)
    query = select(row).where(*scope(row, request.id), *conditions)
    async with deps.sessions() as session:
        rows = (await session.scalars(page.apply(query))).all()
    return rows, page.next_token(rows)


def scope(row: EntityRow, identifier: common_pb2.NamedEntityIdentifier) -> list[ColumnElement[bool]]:
    """Return the conditions that a row has the project, the domain and, unless it is empty, the name."""
    conditions = [row.project == identifier.project, row.domain == identifier.domain]
    return [*conditions, row.name == identifier.name] if identifier.name else conditions


async def names(
    deps: Dependencies, row: EntityRow, request: common_pb2.NamedEntityIdentifierListRequest, method: str
) -> common_pb2.NamedEntityIdentifierList:
    """List distinct names. As in Flyte, filters of the request are ignored.

    Raises:
        InvalidRequest: project or domain is missing, or the limit, token or sort key is wrong.
    """
    validation.check_present(request, "project", "domain")
    filters.check_limit(request.limit)
    offset = filters.parse_token(request.token, method)
    key = request.sort_by.key or "name"
    if key not in _NAME_SORT_KEYS:
        raise errors.InvalidRequest(f"invalid sort key '{key}'")
    column: ColumnElement[str] = getattr(row, key)
    # Enum value 0 is DESCENDING, so a request without ``sort_by`` reads like one that asks for it.
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
