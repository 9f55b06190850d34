"""Record the events of triggers, in the transaction that makes them happen.

An event waits in its row until ``firing/delivery`` launches its execution. The name of that execution is the key of the
row and derives from trigger and event, so an event that is recorded or launched again changes nothing.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from flyteidl.core import identifier_pb2
from sqlalchemy import ARRAY, Text, and_, bindparam, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base.models import ExecutionRow, LaunchPlanRow
from flytetemporal.admin.outbox.trigger_models import TriggerEventRow, TriggerRow
from flytetemporal.idl import identifiers

TriggerKey = tuple[str, str, str, str]
"""Project, domain, launch plan, and name of the trigger."""
ExecutionId = identifier_pb2.WorkflowExecutionIdentifier

SUCCESS = "success"
# As long as the names that admin chooses; 90 bits of the hash.
_NAME_CHARACTERS = 18

_KEY = ("wanted_project", "wanted_domain", "wanted_name")
# Arrays, since IN would make another statement for each number of executions.
_WANTED = func.unnest(*(bindparam(name, type_=ARRAY(Text)) for name in _KEY)).table_valued(*_KEY).render_derived()
_OF_WANTED = and_(
    ExecutionRow.execution_project == _WANTED.c.wanted_project,
    ExecutionRow.execution_domain == _WANTED.c.wanted_domain,
    ExecutionRow.execution_name == _WANTED.c.wanted_name,
)
_OF_SOURCE = and_(
    TriggerRow.source_project == LaunchPlanRow.project,
    TriggerRow.source_domain == LaunchPlanRow.domain,
    TriggerRow.source_name == LaunchPlanRow.name,
    # As literals, so that the partial index can be used.
    TriggerRow.is_active,
    TriggerRow.kind == bindparam("kind", SUCCESS, literal_execute=True),
)
_FIRED = (
    select(
        TriggerRow.id,
        TriggerRow.project,
        TriggerRow.domain,
        TriggerRow.launch_plan,
        TriggerRow.name,
        *_WANTED.c,
    )
    .select_from(ExecutionRow)
    .join(_WANTED, _OF_WANTED)
    .join(LaunchPlanRow, LaunchPlanRow.id == ExecutionRow.launch_plan_id)
    .join(TriggerRow, _OF_SOURCE)
)


def execution_name(trigger: TriggerKey, event_id: str) -> str:
    """Return the name of the execution that an event launches. It does not depend on the version of the launch plan."""
    # No part of the key contains NUL.
    digest = hashlib.sha256("\0".join((*trigger, event_id)).encode()).digest()
    return "tr" + base64.b32encode(digest).decode().lower()[:_NAME_CHARACTERS]


def values(
    trigger_id: int, trigger: TriggerKey, event_id: str, occurred_at: datetime, payload: bytes = b""
) -> dict[str, Any]:
    """Return the columns of an event, for ``record``."""
    project, domain, *_ = trigger
    return {
        "project": project,
        "domain": domain,
        "execution_name": execution_name(trigger, event_id),
        "trigger_id": trigger_id,
        "event_id": event_id,
        "occurred_at": occurred_at,
        "payload": payload,
    }


async def record(session: AsyncSession, events: Iterable[Mapping[str, Any]]) -> None:
    """Record events; those that are recorded already stay as they are."""
    # In one order, so that two transactions with the same events cannot deadlock.
    rows = sorted(events, key=lambda event: (event["project"], event["domain"], event["execution_name"]))
    if rows:
        await session.execute(postgresql.insert(TriggerEventRow).on_conflict_do_nothing(), rows)


async def record_successes(session: AsyncSession, succeeded: Mapping[identifiers.ExecutionKey, datetime]) -> None:
    """Record the events of the triggers that wait for the launch plans of these executions.

    The values are the times at which the executions ended.
    """
    keys = list(succeeded)
    columns = {name: [key[position] for key in keys] for position, name in enumerate(_KEY)}
    found = (await session.execute(_FIRED, columns)).all()
    await record(session, (_success(row, succeeded) for row in found))


def _success(row: Any, succeeded: Mapping[identifiers.ExecutionKey, datetime]) -> dict[str, Any]:
    source = (row.wanted_project, row.wanted_domain, row.wanted_name)
    trigger = (row.project, row.domain, row.launch_plan, row.name)
    return values(row.id, trigger, source_event_id(source), succeeded[source])


def source_event_id(source: identifiers.ExecutionKey) -> str:
    """Return the id of the event that an execution succeeded."""
    return ":".join(source)


def source_of(event_id: str) -> ExecutionId:
    """Return the execution whose success is the event."""
    project, domain, name = event_id.split(":", 2)
    return ExecutionId(project=project, domain=domain, name=name)
