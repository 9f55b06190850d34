"""Checks of requests that several resources share. Texts mirror flyteadmin's pkg/manager/impl/validation/."""

import unicodedata

from flyteidl.admin import common_pb2, project_pb2
from flyteidl.core import identifier_pb2
from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from google.protobuf.message import Message
from sqlalchemy import Row, select

from flytetemporal import errors
from flytetemporal.admin.base import kubernetes_labels as label_rules
from flytetemporal.admin.base import stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ProjectRow
from flytetemporal.idl import identifiers, phases

# Each recipient of a notification is a row and an email at the end of every execution.
MAX_RECIPIENTS = 100
MAX_RECIPIENT_LENGTH = 320
# Each recipient has a copy of it.
MAX_TEMPLATE_LENGTH = 64 * 1024
MAX_NAME_LENGTH = 255


def missing(field: str) -> errors.InvalidRequest:
    """Return the error of a required field that is empty."""
    return errors.InvalidRequest(f"missing {field}")


def invalid(field: str) -> errors.InvalidRequest:
    """Return the error of a field whose value is not allowed."""
    return errors.InvalidRequest(f"invalid value for {field}")


def check_present(message: Message, *fields: str) -> None:
    """Refuse empty fields, in the order given.

    Raises:
        InvalidRequest: ``missing <field>``.
    """
    for field in fields:
        descriptor = message.DESCRIPTOR.fields_by_name[field]
        is_message = descriptor.message_type is not None and not descriptor.is_repeated
        if not (message.HasField(field) if is_message else getattr(message, field)):
            raise missing(field)


def check_names(message: Message, *fields: str) -> None:
    """Refuse names that are empty or do not fit into their column. Raises ``InvalidRequest``."""
    check_present(message, *fields)
    for field in fields:
        check_length(getattr(message, field), field, MAX_NAME_LENGTH)


def check_length(text: str, field: str, limit: int) -> None:
    """Refuse a text that is too long, or that has a NUL character. Raises ``InvalidRequest``."""
    if len(text) > limit:
        raise errors.InvalidRequest(f"{field} cannot exceed {limit} characters")
    # Postgres cannot store NUL in a text column.
    if "\0" in text:
        raise errors.InvalidRequest(f"invalid value for {field}: it contains a NUL character")


def check_identifier(
    identifier: identifier_pb2.Identifier, resource_type: identifier_pb2.ResourceType, *, given: bool = True
) -> None:
    """Refuse an incomplete id and one of another kind. ``given``: the request has the field at all.

    Raises:
        InvalidRequest: the text names the first problem.
    """
    if not given:
        raise missing("id")
    if identifier.resource_type != resource_type:
        found, expected = (
            identifiers.resource_type_name(kind).lower() for kind in (identifier.resource_type, resource_type)
        )
        raise errors.InvalidRequest(
            f"unexpected resource type {found} for identifier [{identifiers.text(identifier)}], "
            f"expected {expected} instead"
        )
    check_names(identifier, "project", "domain", "name", "version")


def check_registrable(identifier: identifier_pb2.Identifier) -> None:
    """Refuse ids that cannot be part of a URL path, a log line or a command. Raises ``InvalidRequest``."""
    for field in ("project", "domain", "name", "version"):
        if any(unicodedata.category(character) == "Cc" for character in getattr(identifier, field)):
            raise errors.InvalidRequest(f"invalid value for {field}: it contains control characters")


def check_get(
    identifier: identifier_pb2.Identifier, resource_type: identifier_pb2.ResourceType, *, given: bool
) -> None:
    """Refuse an incomplete id of a get request. It may leave out the kind. Raises ``InvalidRequest``."""
    if identifier.resource_type == identifier_pb2.UNSPECIFIED and given:
        with_kind = identifiers.identifier(resource_type, identifiers.entity_key(identifier))
        check_identifier(with_kind, resource_type)
    else:
        check_identifier(identifier, resource_type, given=given)


async def check_project_and_domain(deps: Dependencies, project: str, domain: str) -> common_pb2.Labels:
    """Refuse a project that is not registered or not active, and a domain that is not configured; return its labels.

    Raises:
        InvalidRequest: with ``InactiveProject`` as detail if the project is not active.
    """
    if not project:
        raise missing("project")
    if not domain:
        raise missing("domain")
    found = await _project(deps, project)
    if found is None:
        raise errors.InvalidRequest(
            f"failed to validate that project [{project}] and domain [{domain}] are registered, "
            f"err: [project [{project}] not found]"
        )
    if found.state != project_pb2.Project.ACTIVE:
        detail = project_pb2.InactiveProject(id=project)
        raise errors.InvalidRequest(f"project [{project}] is not active", details=[detail])
    check_domain(deps, domain)
    return stored_messages.parse(common_pb2.Labels, found.labels or b"")


def check_domain(deps: Dependencies, domain: str) -> None:
    """Refuse a domain that is not configured. Raises ``InvalidRequest``."""
    if domain not in deps.settings.domains:
        raise errors.InvalidRequest(f"domain [{domain}] is unrecognized by system")


async def check_project(deps: Dependencies, project: str, *, active: bool = True) -> None:
    """Refuse a project that is not registered or, if ``active``, not active. Raises ``InvalidRequest``."""
    if not project:
        raise missing("project")
    found = await _project(deps, project)
    if found is None or (active and found.state != project_pb2.Project.ACTIVE):
        problem = "not found" if found is None else "is not active"
        raise errors.InvalidRequest(
            f"failed to validate that project [{project}] is registered, err: [project [{project}] {problem}]"
        )


def check_labels(labels: common_pb2.Labels) -> None:
    """Refuse too many labels, and labels that Kubernetes would refuse. Raises ``InvalidRequest``."""
    label_rules.check(labels.values)


def check_notifications(notifications: "RepeatedCompositeFieldContainer[common_pb2.Notification]") -> None:
    """Refuse notifications without recipients or with very many, texts that are too long, and phases before the end.

    Raises:
        InvalidRequest: names what is wrong.
    """
    count = 0
    for notification in notifications:
        kind = notification.WhichOneof("type")
        if kind is None:
            raise invalid("notification type")
        recipients = getattr(notification, kind).recipients_email
        if not recipients or not all(recipients):
            raise missing("recipients")
        for recipient in recipients:
            check_length(recipient, "recipients", MAX_RECIPIENT_LENGTH)
        check_length(notification.email.template, "template of a notification", MAX_TEMPLATE_LENGTH)
        count += len(recipients)
        if not all(phase in phases.WORKFLOW_TERMINAL for phase in notification.phases):
            raise invalid("phase")
    if count > MAX_RECIPIENTS:
        raise errors.InvalidRequest(
            f"the notifications have {count} recipients, more than {MAX_RECIPIENTS}; send them to a list instead"
        )


async def _project(deps: Dependencies, project: str) -> Row[int, bytes | None] | None:
    """Return state and labels of a project."""
    check_length(project, "project", MAX_NAME_LENGTH)
    async with deps.sessions() as session:
        query = select(ProjectRow.state, ProjectRow.labels).where(ProjectRow.identifier == project)
        return (await session.execute(query)).one_or_none()
