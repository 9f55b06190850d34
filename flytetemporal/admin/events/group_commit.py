"""Apply batches of several executions that arrive together in one transaction.

A transaction costs its statements, whatever the number of its batches. A batch that arrives while a transaction is
under way waits for the next one, with all others that do. Executions stay independent: if a group fails, each of its
batches is applied alone, and so is a batch whose execution another writer has locked.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal import errors
from flytetemporal.admin.artifacts import rows
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import PauseRow
from flytetemporal.admin.events import artifact_events, event_merge, event_rows, group_rows
from flytetemporal.admin.events.event_merge import Merge
from flytetemporal.admin.events.event_rows import ExecutionId, ExecutionState
from flytetemporal.admin.outbox import event_log
from flytetemporal.config.events import EventSettings
from flytetemporal.contracts.v1 import artifacts_pb2, events_pb2
from flytetemporal.idl import identifiers, phases
from flytetemporal.idl.identifiers import ExecutionKey

# A larger batch shares little: its cost is that of its rows.
ALONE_EVENTS = 100
GROUP_BATCHES = 50

# A schedule that is paused keeps no execution from its end.
_ANY_PAUSE = select(select(PauseRow.revision).where(PauseRow.is_active, PauseRow.kind != "SCHEDULE").exists())

Sessions = async_sessionmaker[AsyncSession]

_log = structlog.get_logger(__name__)
_queues: "WeakKeyDictionary[Sessions, _Queue]" = WeakKeyDictionary()


@dataclass(eq=False, slots=True)
class _Batch:
    """Events of one execution that are applied together, and the future number of those that changed something."""

    execution_id: ExecutionId
    events: Sequence[events_pb2.Event]
    root: str
    artifacts: Sequence[artifacts_pb2.Artifact]
    settings: EventSettings
    # It ends the execution, unless an abort or a pause is on its way.
    tentative: bool = False
    applied: "asyncio.Future[int]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def key(self) -> ExecutionKey:
        return identifiers.execution_key(self.execution_id)


async def apply(
    deps: Dependencies,
    execution_id: ExecutionId,
    events: Sequence[events_pb2.Event],
    artifacts: Sequence[artifacts_pb2.Artifact] = (),
    *,
    tentative: bool = False,
) -> int:
    """Apply events of one execution, all or none, with the artifacts of what has succeeded according to them.

    Return how many events changed something.

    Raises:
        NotFound: the execution does not exist.
        FailedPrecondition: they are ``tentative``, and an abort or a pause is on its way.
    """
    batch = _Batch(execution_id, events, deps.blobs.root, artifacts, deps.events, tentative)
    if len(events) > ALONE_EVENTS:
        return await _apply_alone(deps.sessions, batch)
    queue = _queues.get(deps.sessions)
    if queue is None:
        queue = _queues[deps.sessions] = _Queue(deps.sessions)
    return await queue.add(batch)


class _Queue:
    """The batches for one database that wait, and the task that applies them."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._waiting: deque[_Batch] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._alone: set[asyncio.Task[None]] = set()

    async def add(self, batch: _Batch) -> int:
        self._waiting.append(batch)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        return await asyncio.shield(batch.applied)  # A caller that gives up must not stop the others' transaction.

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                await self._write([self._waiting.popleft() for _ in range(min(GROUP_BATCHES, len(self._waiting)))])
        finally:
            self._writing = None

    async def _write(self, group: Sequence[_Batch]) -> None:
        try:
            left = await _apply_together(self._sessions, group)
        except Exception as e:  # Of one of them, or of the database; alone each gets its own answer.
            _log.warning("event_group_failed", batches=len(group), problem=str(e))
            left = group
        for batch in left:
            # In the background: it may wait for a lock, and the next group must not.
            task = asyncio.create_task(self._write_alone(batch))
            self._alone.add(task)
            task.add_done_callback(self._alone.discard)

    async def _write_alone(self, batch: _Batch) -> None:
        try:
            batch.applied.set_result(await _apply_alone(self._sessions, batch))
        except Exception as e:
            batch.applied.set_exception(e)
            batch.applied.exception()  # Read, since its caller may have been cancelled.


async def _apply_alone(sessions: Sessions, batch: _Batch) -> int:
    async with sessions.begin() as session:
        state = await event_rows.lock_execution(session, batch.execution_id)
        if await _undecided(session, {batch.key: state}, [batch]):
            raise _not_decided(batch)
        [applied] = await _apply(session, {batch.key: state}, [batch])
    return applied


async def _apply_together(sessions: Sessions, group: Sequence[_Batch]) -> Sequence[_Batch]:
    """Apply those batches whose executions exist and are not locked; return the others."""
    async with sessions.begin() as session:
        states = await group_rows.lock(session, [batch.key for batch in group])
        known = [batch for batch in group if batch.key in states]
        undecided = await _undecided(session, states, known)
        free = [batch for batch in known if batch not in undecided]
        counts = await _apply(session, states, free) if free else ()
    for batch in undecided:
        batch.applied.set_exception(_not_decided(batch))
    for batch, applied in zip(free, counts, strict=True):
        batch.applied.set_result(applied)
    return [batch for batch in group if batch.key not in states]


async def _undecided(
    session: AsyncSession, states: Mapping[ExecutionKey, ExecutionState], batches: Sequence[_Batch]
) -> Sequence[_Batch]:
    """Return the tentative batches whose execution is aborted, or may be paused: its run may hear of that in time.

    What pauses apply to which execution is not looked up: a report that is refused in vain is only sent again.
    """
    tentative = [batch for batch in batches if batch.tentative]
    if tentative and await session.scalar(_ANY_PAUSE):
        return tentative
    return [batch for batch in tentative if states[batch.key].closure.phase == phases.W.ABORTING]


def _not_decided(batch: _Batch) -> errors.FailedPrecondition:
    return errors.FailedPrecondition(
        f"execution {batch.execution_id.name} is being aborted or paused, so its end is not decided; "
        "report it again when it is"
    )


async def _apply(
    session: AsyncSession, states: Mapping[ExecutionKey, ExecutionState], batches: Sequence[_Batch]
) -> Sequence[int]:
    """Merge batches into the rows of their executions, which are locked."""
    merges = {batch.key: Merge(batch.execution_id, batch.root, states[batch.key]) for batch in batches}
    for batch in batches:
        merges[batch.key].expect(batch.events)
    await group_rows.load(session, list(merges.values()))
    accepted = [[event for event in batch.events if merges[batch.key].apply(event)] for batch in batches]
    await group_rows.store(session, list(merges.values()))
    made = [one for batch in batches for one in batch.artifacts if merges[batch.key].has_succeeded(one.source)]
    await rows.insert(session, made)
    await artifact_events.record(session, made)
    for batch, events in zip(batches, accepted, strict=True):
        await event_log.record(session, batch.settings, [event_merge.inner(event) for event in events])
    return [len(events) for events in accepted]
