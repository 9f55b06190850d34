"""Named entities: the names of tasks, workflows and launch plans, each with a description and a display state.

A name exists if a version of it is registered. Its metadata is a row only after the first update.
"""

import re
from typing import Any

from flyteidl.admin import common_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import Select, and_, func, literal, select
from sqlalchemy.dialects import postgresql

from flytetemporal import errors
from flytetemporal.admin.base import validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import LaunchPlanRow, NamedEntityMetadataRow, TaskRow, WorkflowRow
from flytetemporal.admin.registry.entity_rows import EntityRow
from flytetemporal.db import filters
from flytetemporal.db.filters import Entity

_ROWS: dict[int, EntityRow] = {
    identifier_pb2.TASK: TaskRow,
    identifier_pb2.WORKFLOW: WorkflowRow,
    identifier_pb2.LAUNCH_PLAN: LaunchPlanRow,
}
DESCRIPTION_LENGTH = 300
# Names of the workflows and launch plans that wrap single tasks, as Flyte generates them.
GENERATED = ".flytegen%"
_OWN_COLUMNS = ("resource_type", "project", "domain", "name", "description", "state")
_METADATA_COLUMNS = ("id", "created_at", "updated_at", "deleted_at")
_METADATA_COLUMN = "named_entity_metadata_{}"
_METADATA_FIELD = re.compile(r"\(named_entity_metadata\.(\w*)")


async def get(deps: Dependencies, request: common_pb2.NamedEntityGetRequest) -> common_pb2.NamedEntity:
    """Return a name."""
    _check(request.resource_type, request.id)
    names = _names(request.resource_type, request.id.project, request.id.domain).subquery()
    async with deps.sessions() as session:
        row = (await session.execute(select(names).where(names.c.name == request.id.name))).one_or_none()
    if row is None:
        raise errors.NotFound("entry not found")
    return _message(request.resource_type, row)


async def update(
    deps: Dependencies, request: common_pb2.NamedEntityUpdateRequest
) -> common_pb2.NamedEntityUpdateResponse:
    """Set the description, unless it is empty, and always the state of a name, as Flyte does."""
    _check(request.resource_type, request.id)
    if not request.HasField("metadata"):
        raise validation.missing("metadata")
    metadata = request.metadata
    validation.check_length(metadata.description, "description", DESCRIPTION_LENGTH)
    if metadata.state not in common_pb2.NamedEntityState.values():
        raise validation.invalid("state")
    statement = postgresql.insert(NamedEntityMetadataRow).values(
        resource_type=request.resource_type,
        project=request.id.project,
        domain=request.id.domain,
        name=request.id.name,
        description=metadata.description,
        state=metadata.state,
    )
    changes: dict[str, Any] = {"state": metadata.state, "updated_at": func.now()}
    if metadata.description:
        changes["description"] = metadata.description
    # One statement, so that two concurrent first updates do not conflict.
    async with deps.sessions.begin() as session:
        await session.execute(
            statement.on_conflict_do_update(index_elements=["resource_type", "project", "domain", "name"], set_=changes)
        )
    return common_pb2.NamedEntityUpdateResponse()


async def list_named_entities(
    deps: Dependencies, request: common_pb2.NamedEntityListRequest
) -> common_pb2.NamedEntityList:
    """List the names of one kind. Without filters, the generated wrappers of single tasks are left out."""
    if request.resource_type not in _ROWS:
        raise validation.invalid("resource_type")
    if not request.project:
        raise validation.missing("project")
    if not request.domain:
        raise validation.missing("domain")
    names = _names(request.resource_type, request.project, request.domain).subquery()
    page = filters.page(
        limit=request.limit,
        token=request.token,
        filters=_unprefixed(request.filters),
        sort_by=request.sort_by,
        entity=_entity(names),
        method="ListNamedEntities",
    )
    query = select(names)
    if not request.filters:
        query = query.where(names.c.name.not_like(GENERATED))
    async with deps.sessions() as session:
        rows = (await session.execute(page.apply(query))).all()
    return common_pb2.NamedEntityList(
        entities=[_message(request.resource_type, row) for row in rows], token=page.next_token(rows)
    )


def _check(resource_type: int, identifier: common_pb2.NamedEntityIdentifier) -> None:
    if resource_type not in _ROWS:
        raise validation.invalid("resource_type")
    validation.check_names(identifier, "project", "domain", "name")


def _names(resource_type: int, project: str, domain: str) -> Select[Any]:
    """Return the query for distinct names with metadata. A name without metadata is active and has no description."""
    row, metadata = _ROWS[resource_type], NamedEntityMetadataRow
    distinct = (
        select(row.project, row.domain, row.name)
        .where(row.project == project, row.domain == domain)
        .distinct()
        .subquery()
    )
    on = and_(
        metadata.resource_type == resource_type,
        metadata.project == distinct.c.project,
        metadata.domain == distinct.c.domain,
        metadata.name == distinct.c.name,
    )
    return select(
        literal(resource_type).label("resource_type"),
        distinct.c.project,
        distinct.c.domain,
        distinct.c.name,
        func.coalesce(metadata.description, "").label("description"),
        func.coalesce(metadata.state, 0).label("state"),
        metadata.id,
        metadata.created_at,
        metadata.updated_at,
        metadata.deleted_at,
    ).select_from(distinct.outerjoin(metadata, on))


def _entity(names: Any) -> Entity:
    columns = {name: names.c[name] for name in _OWN_COLUMNS}
    columns |= {_METADATA_COLUMN.format(name): names.c[name] for name in _METADATA_COLUMNS}
    return Entity("entities", columns, [names.c.name.asc()])


def _unprefixed(text: str) -> str:
    """Return filters without the name of Flyte's metadata table: here a name and its metadata are one row.

    As in Flyte, only filters with this name reach the columns that every table has.
    """
    return _METADATA_FIELD.sub(
        lambda found: "(" + (_METADATA_COLUMN.format(found[1]) if found[1] in _METADATA_COLUMNS else found[1]), text
    )


def _message(resource_type: int, row: Any) -> common_pb2.NamedEntity:
    return common_pb2.NamedEntity(
        resource_type=identifier_pb2.ResourceType.Name(resource_type),
        id=common_pb2.NamedEntityIdentifier(project=row.project, domain=row.domain, name=row.name),
        metadata=common_pb2.NamedEntityMetadata(
            description=row.description, state=common_pb2.NamedEntityState.Name(row.state)
        ),
    )
