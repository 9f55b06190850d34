"""List notifications, and queue one to test the settings. Flyte's API has neither."""

import secrets
from datetime import UTC, datetime

from flyteidl.core import identifier_pb2
from sqlalchemy import insert, select

from flytetemporal import errors
from flytetemporal.admin.base import execution_lookup, stored_messages, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.outbox_rows import NotificationRow
from flytetemporal.admin.notifications.queue import PENDING
from flytetemporal.admin.outbox import notices
from flytetemporal.admin.outbox.notices import Recipient
from flytetemporal.admin.settings import webhooks
from flytetemporal.auth import access
from flytetemporal.auth.roles import Permission, Scope
from flytetemporal.contracts.v1 import notifications_pb2
from flytetemporal.idl import identifiers, times

MOST = 1000
# Of an address, by RFC 5321.
MAX_ADDRESS_LENGTH = 254
_Row = NotificationRow


async def list_notifications(
    deps: Dependencies, request: notifications_pb2.ListNotificationsRequest
) -> notifications_pb2.ListNotificationsResponse:
    """List the notifications of an execution.

    Raises:
        NotFound: the execution does not exist.
    """
    execution_lookup.check_execution_id(request.execution_id, given=request.HasField("execution_id"))
    project, domain, name = identifiers.execution_key(request.execution_id)
    query = (
        select(_Row)
        .where(_Row.execution_project == project, _Row.execution_domain == domain, _Row.execution_name == name)
        .order_by(_Row.id)
        .limit(MOST)
    )
    async with deps.sessions() as session:
        await execution_lookup.execution(session, request.execution_id)
        rows = (await session.scalars(query)).all()
    return notifications_pb2.ListNotificationsResponse(notifications=[message(row) for row in rows])


async def get_notification(
    deps: Dependencies, request: notifications_pb2.GetNotificationRequest
) -> notifications_pb2.Notification:
    """Return one notification. Raises ``NotFound`` if there is none with this id."""
    validation.check_present(request, "delivery_id")
    validation.check_length(request.delivery_id, "delivery_id", validation.MAX_NAME_LENGTH)
    async with deps.sessions() as session:
        row = await session.scalar(select(_Row).where(_Row.delivery_id == request.delivery_id))
    if row is None or not access.allows(Permission.READ, Scope(row.execution_project, row.execution_domain)):
        raise errors.NotFound(f"no notification has the delivery id {request.delivery_id}")
    return message(row)


async def send_test_notification(
    deps: Dependencies, request: notifications_pb2.SendTestNotificationRequest
) -> notifications_pb2.Notification:
    """Queue a notification that no execution is the cause of; the delivery loop sends it like others.

    Raises:
        InvalidRequest: there is no recipient, or the settings do not allow it.
    """
    recipient = _recipient(deps, request)
    notice = notifications_pb2.Notice(occurred_at=times.timestamp(datetime.now(UTC)))
    values = notices.values(
        recipient,
        notice,
        notices.delivery_id(secrets.token_hex(16)),
        identifier_pb2.WorkflowExecutionIdentifier(),
    )
    async with deps.sessions.begin() as session:
        row = (await session.scalars(insert(_Row).values(**values).returning(_Row))).one()
    return message(row)


def message(row: NotificationRow) -> notifications_pb2.Notification:
    """Return a notification as clients see it."""
    found = notifications_pb2.Notification(
        delivery_id=row.delivery_id,
        channel=row.channel,
        recipient=row.recipient,
        phase=stored_messages.parse(notifications_pb2.Notice, row.notice).phase,
        state=row.state,
        attempts=row.attempts,
        problem=row.problem,
        created_at=times.timestamp(row.created_at),
    )
    if row.ended_at is not None:
        found.ended_at.CopyFrom(times.timestamp(row.ended_at))
    if row.state == PENDING:
        found.next_attempt_at.CopyFrom(times.timestamp(row.next_attempt_at))
    return found


def _recipient(deps: Dependencies, request: notifications_pb2.SendTestNotificationRequest) -> Recipient:
    match request.WhichOneof("recipient"):
        case "email":
            validation.check_length(request.email, "email", MAX_ADDRESS_LENGTH)
            if "@" not in request.email.strip("@") or not request.email.isprintable():
                raise errors.InvalidRequest(f"{request.email!r} is not an address; give one such as ada@example.com")
            return Recipient(notices.EMAIL, notices.EMAIL, request.email)
        case "webhook":
            key = request.webhook.key or webhooks.DEFAULT_KEY
            webhooks.check_target(request.webhook.url, key, deps.notifications)
            return notices.to_webhook(notifications_pb2.Webhook(url=request.webhook.url, key=key))
        case _:
            raise errors.InvalidRequest("the test has no recipient; set email or webhook")
