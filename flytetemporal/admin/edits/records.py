"""The records of edits among the actions of operators."""

import hashlib
import json
from dataclasses import dataclass

from google.protobuf import json_format
from google.protobuf.message import Message
from sqlalchemy import cast, delete, select
from sqlalchemy.dialects.postgresql import JSONB

from flytetemporal import errors
from flytetemporal.admin.base import operator_actions
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, OperatorActionRow
from flytetemporal.contracts.v1 import edits_pb2
from flytetemporal.idl import identifiers, times

# The names of edits in the record, by the field of EditRequest.
_ACTIONS = {"execution": "edit", "node": "edit", "retry": "retry", "skip": "skip"}


@dataclass(frozen=True, slots=True)
class Record:
    """The record of an edit. ``revision`` is 0 while no answer has been heard."""

    number: int
    is_new: bool = False
    revision: int = 0


def asked(request: edits_pb2.EditRequest) -> Message:
    """Return the part of a request that says what is to be done. Raises ``InvalidRequest`` if nothing is."""
    kind = request.WhichOneof("edit")
    if kind is None:
        raise errors.InvalidRequest("the edit asks for nothing; set execution, node, retry or skip")
    found: Message = getattr(request, kind)
    return found


async def find(deps: Dependencies, execution: ExecutionRow, request: edits_pb2.EditRequest) -> Record | None:
    """Return the record of an earlier call with the same request id for the execution; None if there is none.

    Raises:
        InvalidRequest: that call asked for something else.
    """
    if not request.request_id:
        return None
    row = OperatorActionRow
    # Forks have request ids, too.
    query = select(row).where(operator_actions.of_execution(execution), row.action.in_(set(_ACTIONS.values())))
    async with deps.sessions() as session:
        is_it = cast(row.details, JSONB)["request_id"].astext == request.request_id
        found = (await session.scalars(query.where(is_it).order_by(row.id).limit(1))).first()
    if found is None:
        return None
    details = json.loads(found.details)
    if details["digest"] != _digest(request):
        raise errors.InvalidRequest(
            f"request {request.request_id} was used for another edit; give each edit a request id of its own"
        )
    return Record(found.id, revision=details.get("revision", 0))


async def add(deps: Dependencies, request: edits_pb2.EditRequest) -> Record:
    """Record an edit before it is sent to the workflow."""
    edit = asked(request)
    details: dict[str, object] = json_format.MessageToDict(edit, preserving_proto_field_name=True)
    for outputs in ("json", "literals"):  # They are the user's data.
        details.pop(outputs, None)
    node_id = str(details.pop("node_id", ""))
    details |= {"request_id": request.request_id, "reason": request.reason, "digest": _digest(request)}
    action = _ACTIONS[request.WhichOneof("edit") or ""]
    async with deps.sessions.begin() as session:
        target = identifiers.execution_key(request.execution_id)
        row = operator_actions.record(session, request.edited_by, action, target, node_id, **details)
        await session.flush()
        return Record(row.id, is_new=True)


async def answered(deps: Dependencies, record: Record, response: edits_pb2.EditResponse) -> None:
    """Add the answer of the workflow to a record."""
    async with deps.sessions.begin() as session:
        row = await session.get_one(OperatorActionRow, record.number)
        row.details = json.dumps({**json.loads(row.details), "revision": response.revision}, sort_keys=True)


async def remove(deps: Dependencies, record: Record) -> None:
    """Remove the record of an edit that was refused."""
    async with deps.sessions.begin() as session:
        await session.execute(delete(OperatorActionRow).where(OperatorActionRow.id == record.number))


def message(row: OperatorActionRow) -> edits_pb2.OperatorAction:
    """Return an action as clients see it."""
    details = json.loads(row.details)
    request_id = str(details.pop("request_id", ""))
    details.pop("digest", None)
    return edits_pb2.OperatorAction(
        at=times.timestamp(row.created_at),
        action=row.action,
        operator=row.operator,
        node_id=row.node_id,
        reason=str(details.pop("reason", "")),
        request_id=request_id,
        details=json.dumps(details, sort_keys=True),
        unanswered=row.action in _ACTIONS.values() and "revision" not in details,
    )


def _digest(request: edits_pb2.EditRequest) -> str:
    same = edits_pb2.EditRequest()
    same.CopyFrom(request)
    same.ClearField("edited_by")
    same.ClearField("reason")
    return hashlib.sha256(same.SerializeToString(deterministic=True)).hexdigest()
