"""The notifications of an execution that ends, written in the transaction that records its end.

Each recipient has a row of its own, so that one that is refused, or slow, is no matter of the others.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from flyteidl.admin import common_pb2, execution_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base import execution_rows, stored_messages
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.admin.base.outbox_rows import NotificationRow
from flytetemporal.contracts.v1 import notifications_pb2
from flytetemporal.idl import identifiers, times

EMAIL, WEBHOOK = "email", "webhook"
# Characters of a text of an error: each recipient has its own copy.
MAX_TEXT = 4000
_NAMESPACE = uuid.UUID("0a8f3c1e-5d0e-4c53-9d0e-6b8a3f0f6d11")


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where a notification goes, and what of it differs between recipients."""

    channel: str
    destination: str
    address: str
    template: str = ""
    key: str = ""


async def record(
    session: AsyncSession,
    execution_id: identifier_pb2.WorkflowExecutionIdentifier,
    closure: execution_pb2.ExecutionClosure,
    webhooks: bytes | None,
) -> None:
    """Add the notifications that an execution which has just ended owes. Those that exist stay as they are."""
    recipients = list(_recipients(closure, webhooks))
    if not recipients:
        return
    notice = await _notice(session, execution_id, closure)
    made_at = str(closure.created_at.ToNanoseconds())  # A name can be used again after a hard delete.
    text = ":".join([*identifiers.execution_key(execution_id), made_at, str(closure.phase)])
    rows = [
        values(recipient, notice, delivery_id(f"{text}:{position}"), execution_id)
        for position, recipient in enumerate(recipients)
    ]
    insert = postgresql.insert(NotificationRow).on_conflict_do_nothing(index_elements=["delivery_id"])
    await session.execute(insert, rows)


def delivery_id(text: str) -> str:
    """Return the delivery id of what the text names; the same for the same text."""
    return f"msg_{uuid.uuid5(_NAMESPACE, text).hex}"


def values(
    recipient: Recipient,
    notice: notifications_pb2.Notice,
    identifier: str,
    execution_id: identifier_pb2.WorkflowExecutionIdentifier,
) -> dict[str, object]:
    """Return the columns of a notification that is due at once."""
    own = notifications_pb2.Notice()
    own.CopyFrom(notice)
    own.template, own.key = recipient.template, recipient.key
    now = datetime.now(UTC)
    return {
        "delivery_id": identifier,
        "execution_project": execution_id.project,
        "execution_domain": execution_id.domain,
        "execution_name": execution_id.name,
        "channel": recipient.channel,
        "destination": recipient.destination,
        # No column can hold NUL, and the end of the execution must be recorded anyway. The sender refuses the rest.
        "recipient": recipient.address.replace("\0", "\ufffd"),
        "notice": own.SerializeToString(),
        "state": "PENDING",
        "attempts": 0,
        "next_attempt_at": now,
        "problem": "",
        "created_at": now,
    }


def to_webhook(webhook: notifications_pb2.Webhook) -> Recipient:
    """Return the recipient of a webhook."""
    return Recipient(WEBHOOK, urlsplit(webhook.url).netloc.lower(), webhook.url, key=webhook.key)


def _recipients(closure: execution_pb2.ExecutionClosure, webhooks: bytes | None) -> Iterator[Recipient]:
    for notification in closure.notifications:
        if closure.phase in notification.phases:
            yield from _addresses(notification)
    if webhooks:
        for webhook in stored_messages.parse(notifications_pb2.Webhooks, webhooks).webhooks:
            if closure.phase in webhook.phases:
                yield to_webhook(webhook)


def _addresses(notification: common_pb2.Notification) -> Iterator[Recipient]:
    """Yield the recipients of an email. As in Flyte, those of Slack and PagerDuty are addresses of theirs."""
    kind = notification.WhichOneof("type")
    if kind is None:
        return
    template = notification.email.template if kind == "email" else ""
    for address in getattr(notification, kind).recipients_email:
        yield Recipient(kind, EMAIL, address, template=template)


async def _notice(
    session: AsyncSession,
    execution_id: identifier_pb2.WorkflowExecutionIdentifier,
    closure: execution_pb2.ExecutionClosure,
) -> notifications_pb2.Notice:
    query = select(ExecutionRow.spec).where(execution_rows.of_execution(ExecutionRow, execution_id))
    spec = stored_messages.parse(execution_pb2.ExecutionSpec, (await session.execute(query)).scalar_one())
    notice = notifications_pb2.Notice(
        execution_id=execution_id,
        phase=closure.phase,
        occurred_at=closure.updated_at if closure.HasField("updated_at") else times.timestamp(datetime.now(UTC)),
        workflow_id=closure.workflow_id,
        launch_plan_id=spec.launch_plan,
    )
    match closure.WhichOneof("output_result"):
        case "error":
            notice.error.CopyFrom(closure.error)
            notice.error.message = closure.error.message[:MAX_TEXT]
        case "abort_metadata":
            notice.abort_cause = closure.abort_metadata.cause[:MAX_TEXT]
        case _:
            pass
    return notice
