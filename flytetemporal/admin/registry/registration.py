"""What registering any versioned entity shares: one id, one structure, whoever comes first."""

from collections.abc import Mapping
from typing import Any, TypeVar

from flyteidl.admin import workflow_pb2
from flyteidl.core import identifier_pb2
from google.protobuf.message import Message
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base.models import LaunchPlanRow, TaskRow, WorkflowRow
from flytetemporal.admin.registry import message_diff
from flytetemporal.idl import identifiers

Row = TypeVar("Row", TaskRow, WorkflowRow, LaunchPlanRow)
_DIFF_BYTES = 16_000


async def insert(session: AsyncSession, row: type[Row], values: Mapping[str, Any]) -> bool:
    """Insert a version and say whether it was new; one that exists is left as it is, also when both come at once."""
    statement = postgresql.insert(row).values(**values).on_conflict_do_nothing().returning(row.id)
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def stored(session: AsyncSession, row: type[Row], identifier: identifier_pb2.Identifier) -> Row | None:
    """Return a registered version, if it is."""
    return await session.get(row, identifiers.entity_key(identifier))


def missing(kind: str, identifier: identifier_pb2.Identifier) -> errors.NotFound:
    """Return the error of a version that is not registered; ``kind`` is the resource type's name."""
    text = identifiers.unqualified_text(identifier)
    return errors.NotFound(f"missing entity of type {kind} with identifier {text}")


def identical(kind: str, identifier: identifier_pb2.Identifier) -> errors.AlreadyExists:
    """Return the answer to registering the same once more; workflows carry the id for Flyte's clients."""
    details = []
    if kind == "workflow":
        reason = workflow_pb2.WorkflowErrorExistsIdenticalStructure(id=identifier)
        details.append(workflow_pb2.CreateWorkflowFailureReason(exists_identical_structure=reason))
    return errors.AlreadyExists(f"{kind} with identical structure already exists", details=details)


def different(
    kind: str, identifier: identifier_pb2.Identifier, before: Message, after: Message
) -> errors.StructureConflict:
    """Return the answer to registering something else under a taken id, with what differs."""
    details = []
    if kind == "workflow":
        reason = workflow_pb2.WorkflowErrorExistsDifferentStructure(id=identifier)
        details.append(workflow_pb2.CreateWorkflowFailureReason(exists_different_structure=reason))
    return errors.StructureConflict(
        f"{identifier.name} {kind} with different structure already exists. "
        f"(Please register a new version of the {kind}):\n{message_diff.text(before, after, _DIFF_BYTES)}",
        details=details,
    )
