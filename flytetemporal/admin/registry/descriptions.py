"""Description entities: the documentation that a task or workflow version is registered with."""

from flyteidl.admin import common_pb2, description_entity_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base import list_requests, list_schemas, stored_messages, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import DescriptionEntityRow
from flytetemporal.errors import NotFound

_KINDS = {identifier_pb2.TASK: "task", identifier_pb2.WORKFLOW: "workflow", identifier_pb2.LAUNCH_PLAN: "launch_plan"}


async def store(
    session: AsyncSession,
    identifier: identifier_pb2.Identifier,
    description: description_entity_pb2.DescriptionEntity,
) -> None:
    """Insert the description of a version, in the transaction that registers it. An empty one is not stored."""
    if not description.ByteSize():
        return
    entity = description_entity_pb2.DescriptionEntity()
    entity.CopyFrom(description)
    entity.id.CopyFrom(identifier)
    statement = postgresql.insert(DescriptionEntityRow).values(
        resource_type=identifier.resource_type,
        project=identifier.project,
        domain=identifier.domain,
        name=identifier.name,
        version=identifier.version,
        short_description=description.short_description,
        long_description=description.long_description.SerializeToString(),
        link=description.source_code.link,
        description=entity.SerializeToString(),
    )
    await session.execute(statement.on_conflict_do_nothing())


async def get(deps: Dependencies, request: common_pb2.ObjectGetRequest) -> description_entity_pb2.DescriptionEntity:
    """Return the description of a version."""
    _check_kind(request.id.resource_type)
    validation.check_names(request.id, "project", "domain", "name", "version")
    key = (request.id.resource_type, request.id.project, request.id.domain, request.id.name, request.id.version)
    async with deps.sessions() as session:
        row = await session.get(DescriptionEntityRow, key)
    if row is None:
        raise NotFound("entry not found")
    return _message(row)


async def list_descriptions(
    deps: Dependencies, request: description_entity_pb2.DescriptionEntityListRequest
) -> description_entity_pb2.DescriptionEntityList:
    """List the descriptions of the versions of one name."""
    _check_kind(request.resource_type)
    validation.check_present(request.id, "project", "domain", "name")
    schema = list_schemas.description(_KINDS[request.resource_type])
    page = list_requests.page(request, schema, "ListDescriptionEntities")
    query = select(DescriptionEntityRow).where(
        DescriptionEntityRow.resource_type == request.resource_type,
        DescriptionEntityRow.project == request.id.project,
        DescriptionEntityRow.domain == request.id.domain,
        DescriptionEntityRow.name == request.id.name,
    )
    async with deps.sessions() as session:
        rows = (await session.scalars(page.apply(query))).all()
    found = stored_messages.readable(
        rows, _message, lambda listed: description_entity_pb2.DescriptionEntityList(descriptionEntities=listed)
    )
    return description_entity_pb2.DescriptionEntityList(descriptionEntities=found, token=page.next_token(rows))


def _check_kind(resource_type: identifier_pb2.ResourceType) -> None:
    if resource_type not in _KINDS:
        raise validation.invalid("resource_type")


def _message(row: DescriptionEntityRow) -> description_entity_pb2.DescriptionEntity:
    message = stored_messages.parse(description_entity_pb2.DescriptionEntity, row.description)
    # The console reads fields of both without asking whether they are set.
    message.long_description.SetInParent()
    message.source_code.SetInParent()
    return message
