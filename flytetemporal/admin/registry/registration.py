"""Registration of tasks, workflows and launch plans: an id belongs to the first structure registered under it.

Mirrors flyteadmin's pkg/errors/errors.go: the same structure again is ALREADY_EXISTS, another one is INVALID_ARGUMENT
and says what differs.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flyteidl.admin import workflow_pb2
from flyteidl.core import identifier_pb2
from google.protobuf.message import Message
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.registry import message_diff
from flytetemporal.admin.registry.entity_rows import Row
from flytetemporal.idl import identifiers

# Bounds the work of a diff. rpc/status cuts the text of an error to what clients accept.
_DIFF_BYTES = 16_000


def columns(identifier: identifier_pb2.Identifier, digest: str, now: datetime) -> dict[str, object]:
    """Return the columns that the rows of all kinds have."""
    return {
        **dict(zip(("project", "domain", "name", "version"), identifiers.entity_key(identifier), strict=True)),
        "digest": digest,
        "created_at": now,
        "updated_at": now,
    }


async def insert(session: AsyncSession, row: type[Row], values: Mapping[str, Any]) -> bool:
    """Insert a version unless it exists; return whether it is new.

    Of two transactions that insert the same id at once, the second one waits until the first one ends.
    """
    statement = postgresql.insert(row).values(**values).on_conflict_do_nothing().returning(row.id)
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def existing(session: AsyncSession, row: type[Row], identifier: identifier_pb2.Identifier) -> Row:
    """Return the version because of which ``insert`` did nothing. Rows are not deleted, so it exists."""
    return await session.get_one(row, identifiers.entity_key(identifier))


def identical(kind: str, identifier: identifier_pb2.Identifier) -> errors.AlreadyExists:
    """Return the error of a structure that is registered under this id. For workflows, its details carry the id."""
    details = []
    if kind == "workflow":
        reason = workflow_pb2.WorkflowErrorExistsIdenticalStructure(id=identifier)
        details.append(workflow_pb2.CreateWorkflowFailureReason(exists_identical_structure=reason))
    return errors.AlreadyExists(f"{kind} with identical structure already exists", details=details)


def different(
    kind: str, identifier: identifier_pb2.Identifier, before: Message, after: Message
) -> errors.StructureConflict:
    """Return the error of an id that is taken by another structure; its text shows the difference."""
    details = []
    if kind == "workflow":
        reason = workflow_pb2.WorkflowErrorExistsDifferentStructure(id=identifier)
        details.append(workflow_pb2.CreateWorkflowFailureReason(exists_different_structure=reason))
    return errors.StructureConflict(
        f"{identifier.name} {kind} with different structure already exists. "
        f"(Please register a new version of the {kind}):\n{message_diff.text(before, after, _DIFF_BYTES)}",
        details=details,
    )
