"""Rows of tasks, workflows and launch plans: their keys, and lookup by id with Flyte's errors."""

from collections.abc import Sequence
from typing import TypeVar

from flyteidl.admin import common_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base import validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import LaunchPlanRow, TaskRow, WorkflowRow
from flytetemporal.idl import identifiers

EntityRow = type[TaskRow] | type[WorkflowRow] | type[LaunchPlanRow]
Row = TypeVar("Row", TaskRow, WorkflowRow, LaunchPlanRow)
Kind = identifier_pb2.ResourceType


def key(row: TaskRow | WorkflowRow | LaunchPlanRow) -> identifiers.EntityKey:
    """Return (project, domain, name, version)."""
    return row.project, row.domain, row.name, row.version


def has_id(row: EntityRow, identifier: identifier_pb2.Identifier) -> ColumnElement[bool]:
    """Return the condition that a row is the version with this id."""
    return tuple_(row.project, row.domain, row.name, row.version) == identifiers.entity_key(identifier)


async def find(session: AsyncSession, row: type[Row], identifier: identifier_pb2.Identifier) -> Row | None:
    """Return a registered version; None if there is none."""
    return await session.get(row, identifiers.entity_key(identifier))


async def get(deps: Dependencies, row: type[Row], kind: Kind, request: common_pb2.ObjectGetRequest) -> Row:
    """Return the version that a request asks for.

    Raises:
        InvalidRequest: the id is incomplete or of another kind.
        NotFound: the version is not registered.
    """
    validation.check_get(request.id, kind, given=request.HasField("id"))
    async with deps.sessions() as session:
        found = await find(session, row, request.id)
    if found is None:
        raise missing(kind, request.id)
    return found


async def load(
    session: AsyncSession, row: type[Row], kind: Kind, wanted: Sequence[identifier_pb2.Identifier]
) -> list[Row]:
    """Return several versions with one query, in the order of ``wanted``.

    Raises:
        NotFound: a version is not registered; the first such one is named.
    """
    if not wanted:
        return []
    keys = [identifiers.entity_key(identifier) for identifier in wanted]
    query = select(row).where(tuple_(row.project, row.domain, row.name, row.version).in_(keys))
    found = {key(one): one for one in await session.scalars(query)}
    for identifier in wanted:
        if identifiers.entity_key(identifier) not in found:
            raise missing(kind, identifier)
    return [found[one] for one in keys]


def missing(kind: Kind, identifier: identifier_pb2.Identifier) -> errors.NotFound:
    """Return the error of a version that is not registered."""
    text = identifiers.unqualified_text(identifier)
    return errors.NotFound(f"missing entity of type {identifiers.resource_type_name(kind)} with identifier {text}")
