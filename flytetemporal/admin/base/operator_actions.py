"""The record of what operators did: who, when, and what."""

import json

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base.models import ExecutionRow, OperatorActionRow


def record(
    session: AsyncSession,
    operator: str,
    action: str,
    target: tuple[str, str, str],
    node_id: str = "",
    **details: object,
) -> OperatorActionRow:
    """Add an action to the record, in the transaction that carries it out.

    ``target`` is project, domain and name, as far as there are any; ``details`` are the parameters of the action.
    """
    added = row(operator, action, target, node_id, **details)
    session.add(added)
    return added


def row(
    operator: str, action: str, target: tuple[str, str, str], node_id: str = "", **details: object
) -> OperatorActionRow:
    """Return the record of an action, for a transaction that starts later; see ``record``."""
    project, domain, name = target
    return OperatorActionRow(
        operator=operator,
        action=action,
        project=project,
        domain=domain,
        name=name,
        node_id=node_id,
        details=json.dumps(details, sort_keys=True),
    )


def of_execution(execution: ExecutionRow) -> ColumnElement[bool]:
    """Return the condition that an action concerns an execution, and not a removed one that had its name before."""
    action = OperatorActionRow
    return (
        (action.project == execution.execution_project)
        & (action.domain == execution.execution_domain)
        & (action.name == execution.execution_name)
        & (action.created_at >= execution.created_at)
    )
