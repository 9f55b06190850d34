"""For how long pauses applied to an execution, by the record of what operators did.

The row of a pause only knows the newest one of its target; the actions of operators are kept.
"""

import json
from collections.abc import Iterable, Iterator

from google.protobuf import timestamp_pb2
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base.models import OperatorActionRow
from flytetemporal.admin.executions import pausing
from flytetemporal.contracts.v1 import pauses_pb2, records_pb2
from flytetemporal.idl import identifiers, times

Target = pauses_pb2.PauseTarget
# Actions that are read, the newest ones: a person pauses and resumes.
ACTIONS = 10_000


async def read(session: AsyncSession, execution_id: pausing.ExecutionId) -> list[records_pb2.PausedTime]:
    """Return the times for which pauses applied to an execution, or to nodes of it, in the order of their starts."""
    above = await pausing.ancestors(session, identifiers.execution_key(execution_id))
    row = OperatorActionRow
    named = [
        (row.project == key[0]) & (row.domain == key[1]) & (row.name == key[2])
        for found in above
        for key in (found.key, found.launch_plan)
        if key is not None
    ]
    whole = [(row.project == found.key[0]) & row.domain.in_(("", found.key[1])) & (row.name == "") for found in above]
    query = select(row).where(row.action.in_(("pause", "resume")), or_(*named, *whole)).order_by(row.id.desc())
    actions = reversed((await session.scalars(query.limit(ACTIONS))).all())
    return sorted(_intervals(actions, above), key=lambda found: found.since.ToNanoseconds())


def _intervals(actions: Iterable[OperatorActionRow], above: list[pausing.Ancestor]) -> Iterator[records_pb2.PausedTime]:
    """Yield the times between pauses and resumptions; ``actions`` are in the order in which they were recorded."""
    began: dict[bytes, records_pb2.PausedTime] = {}
    for action in actions:
        target = _target(action)
        if not _applies(action, target, above):
            continue
        at, key = times.timestamp(action.created_at), target.SerializeToString(deterministic=True)
        if action.action == "pause":  # A pause that is repeated only has another reason.
            began.setdefault(key, records_pb2.PausedTime(target=target, since=at))
        elif key in began:
            yield _until(began.pop(key), at)
    yield from began.values()


def _until(paused: records_pb2.PausedTime, at: timestamp_pb2.Timestamp) -> records_pb2.PausedTime:
    paused.until.CopyFrom(at)
    return paused


def _target(action: OperatorActionRow) -> Target:
    return Target(
        kind=json.loads(action.details).get("kind", "EXECUTION"),
        project=action.project,
        domain=action.domain,
        name=action.name,
        node_id=action.node_id,
    )


def _applies(action: OperatorActionRow, target: Target, above: list[pausing.Ancestor]) -> bool:
    key = (target.project, target.domain, target.name)
    match target.kind:
        case Target.EXECUTION | Target.NODE:
            # An execution and a launch plan can have the same name, and a removed execution can have had it.
            return any(
                found.key == key
                and action.created_at >= found.created_at
                and (not target.node_id or found.nodes is None or target.node_id in found.nodes)
                for found in above
            )
        case Target.LAUNCH_PLAN:
            return any(found.launch_plan == key for found in above)
        case Target.PROJECT:
            return True
        case _:
            return False
