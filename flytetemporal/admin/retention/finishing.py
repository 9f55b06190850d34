"""Finish removals: nodes and tasks, cached outputs, Temporal histories and files of executions that are gone.

Every step can be repeated, so a process may die at any instruction: the removal stays unfinished, and the next round
starts again from the first step that finds something left. Files come last, as the rows before them say which of
them others may use.
"""

import contextlib
import posixpath
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from flyteidl.admin import task_execution_pb2
from flyteidl.core import catalog_pb2, identifier_pb2
from sqlalchemy import Delete, delete, func, select, tuple_, update

from flytetemporal.admin.artifacts.models import NamedArtifactRow
from flytetemporal.admin.base import stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import NodeExecutionRow, TaskExecutionRow
from flytetemporal.admin.retention.models import RemovalRow
from flytetemporal.admin.upkeep.loops import Found
from flytetemporal.contracts.v1 import artifacts_pb2
from flytetemporal.idl import identifiers, locations
from flytetemporal.storage.concurrency import for_each

ExecutionId = identifier_pb2.WorkflowExecutionIdentifier

# Of one round.
MOST_REMOVALS = 200
# Of one execution in one round.
MOST_BATCHES = 10
BATCH = 1000
FILES = 10_000
AT_ONCE = 4
_NOT_CACHED = ("CACHE_DISABLED",)
_NONE = catalog_pb2.CACHE_DISABLED


@dataclass(frozen=True, slots=True)
class CachedOutputs:
    """The cached outputs that an execution has stored: whether there are any, and the removal of some of them."""

    has_any: Callable[[ExecutionId], Awaitable[bool]]
    remove_some: Callable[[ExecutionId], Awaitable[int]]


async def finish_some(deps: Dependencies, cached: CachedOutputs) -> Found:
    """Finish the oldest removals, or a part of them."""
    row = RemovalRow
    query = select(row).where(row.finished_at.is_(None), row.kind == "execution").order_by(row.id).limit(MOST_REMOVALS)
    async with deps.sessions() as session:
        unfinished = (await session.scalars(query)).all()
    done: list[bool] = []
    failed: list[str] = []

    async def finish(removal: RemovalRow) -> None:
        try:
            done.append(await _finish(deps, cached, removal))
        except Exception as e:  # One that cannot be finished now must not keep the others from their turn.
            failed.append(f"{removal.name}: {e}")

    await for_each(finish, unfinished, AT_ONCE)
    counts = {"executions_removed": sum(done)} if any(done) else {}
    more = len(unfinished) == MOST_REMOVALS or not all(done)
    return Found(counts, more=more and not failed, error="; ".join(failed[:5]))


async def _finish(deps: Dependencies, cached: CachedOutputs, removal: RemovalRow) -> bool:
    """Do what is left; return whether the removal is finished."""
    execution_id = identifiers.execution_identifier((removal.project, removal.domain, removal.name))
    steps: list[Callable[[], Awaitable[bool]]] = [
        partial(_remove_rows, deps, removal, execution_id),
        partial(_forget_cached, deps, cached, removal, execution_id),
        partial(_delete_histories, deps, removal, execution_id),
        partial(_delete_files, deps, removal, execution_id),
    ]
    for step in steps:
        if not await step():
            return False
    await _add(deps, removal, finished_at=func.clock_timestamp())
    return True


async def _remove_rows(deps: Dependencies, removal: RemovalRow, execution_id: ExecutionId) -> bool:
    for _ in range(MOST_BATCHES):
        if not await _remove_batch(deps, removal, execution_id):
            return True
    return False


async def _remove_batch(deps: Dependencies, removal: RemovalRow, execution_id: ExecutionId) -> bool:
    """Remove some nodes and tasks; return whether there were any. What they say of the cache is kept."""
    node, task, row = NodeExecutionRow, TaskExecutionRow, RemovalRow
    async with deps.sessions.begin() as session:
        tasks = (await session.scalars(_batch(task, execution_id).returning(task.closure))).all()
        statuses = (await session.scalars(_batch(node, execution_id).returning(node.cache_status))).all()
        if not tasks and not statuses:
            return False
        used = any(status and status not in _NOT_CACHED for status in statuses) or any(map(_used_cache, tasks))
        changed: dict[str, object] = {"nodes": row.nodes + len(statuses), "tasks": row.tasks + len(tasks)}
        if used:
            changed["keeps_values"] = True
        await session.execute(update(row).where(row.id == removal.id).values(changed))
    return True


def _batch(row: type[NodeExecutionRow] | type[TaskExecutionRow], execution_id: ExecutionId) -> Delete:
    key = tuple_(row.execution_project, row.execution_domain, row.execution_name)
    numbers = select(row.id).where(key == identifiers.execution_key(execution_id)).limit(BATCH)
    return delete(row).where(row.id.in_(numbers.with_for_update(skip_locked=True).scalar_subquery()))


def _used_cache(closure: bytes) -> bool:
    """Whether an element of a map task used the cache; what cannot be read counts as if it did."""
    try:
        parsed = stored_messages.parse(task_execution_pb2.TaskExecutionClosure, closure)
    except stored_messages.UnreadableRow:
        return True
    return any(resource.cache_status != _NONE for resource in parsed.metadata.external_resources)


async def _forget_cached(
    deps: Dependencies, cached: CachedOutputs, removal: RemovalRow, execution_id: ExecutionId
) -> bool:
    for _ in range(MOST_BATCHES):
        if not await cached.has_any(execution_id):
            return True
        # Before they are gone: a process that dies in between must not forget that others may use their values.
        await _add(deps, removal, keeps_values=True)
        removed = await cached.remove_some(execution_id)
        await _add(deps, removal, cached_outputs=RemovalRow.cached_outputs + removed)
    return False


async def _delete_histories(deps: Dependencies, removal: RemovalRow, execution_id: ExecutionId) -> bool:
    """Ask Temporal to delete the runs of the execution and its shards; return whether it lists none any more."""
    deleted = await deps.engine.histories.delete(execution_id)
    if deleted:
        # Temporal deletes later, so the next round finds the same runs again.
        await _add(deps, removal, histories=func.greatest(RemovalRow.histories, deleted))
    return not deleted


async def _delete_files(deps: Dependencies, removal: RemovalRow, execution_id: ExecutionId) -> bool:
    """Delete the files in the folders of the execution, but not the values that others may use.

    Raw data of tasks is not in these folders.
    """
    async with deps.sessions() as session:
        query = select(RemovalRow.keeps_values).where(RemovalRow.id == removal.id)
        keeps_values = (await session.execute(query)).scalar_one()
    names = await _artifact_files(deps, execution_id)

    def keep(name: str) -> bool:
        return name in names or (keeps_values and locations.is_offloaded(name))

    kept = 0
    for folder in locations.execution_dirs(deps.blobs.root, execution_id):
        found = await deps.blobs.remove_below(folder, keep, FILES)
        if found.removed:
            await _add(deps, removal, files=RemovalRow.files + found.removed)
        if found.more:
            return False
        kept += found.kept
    await _add(deps, removal, kept_files=kept)
    return True


async def _artifact_files(deps: Dependencies, execution_id: ExecutionId) -> set[str]:
    """Return the names of the files that contain the artifacts of an execution, which outlive it."""
    row = NamedArtifactRow
    key = tuple_(row.execution_project, row.execution_domain, row.execution_name)
    async with deps.sessions() as session:
        stored = (
            await session.scalars(select(row.artifact).where(key == identifiers.execution_key(execution_id)))
        ).all()
    names = set()
    for one in stored:
        with contextlib.suppress(stored_messages.UnreadableRow):  # Nothing can read its value either.
            names.add(posixpath.basename(stored_messages.parse(artifacts_pb2.Artifact, one).outputs_uri))
    return names - {""}


async def _add(deps: Dependencies, removal: RemovalRow, **changed: object) -> None:
    async with deps.sessions.begin() as session:
        await session.execute(update(RemovalRow).where(RemovalRow.id == removal.id).values(changed))
