"""What a new execution needs of others: the one that it recovers or forks, and those whose values are its inputs.

Recorded and locked in the transaction that records the launch, so that none of them is removed at the same time.
"""

from collections.abc import Iterable

from flyteidl.core import literals_pb2
from sqlalchemy import select, text, tuple_
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.admin.executions.launch_records import Launch
from flytetemporal.admin.retention.models import OCCUPIES_NAME, RemovalRow, ValueReferenceRow
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.idl import identifiers, locations, offloading
from flytetemporal.idl.identifiers import ExecutionKey


class BeingRemoved(errors.Unavailable):
    """An execution that a launch depends on, by its name or by its inputs, is being removed."""


async def hold(session: AsyncSession, launch: Launch, argument: contract_pb2.ExecutionInput) -> None:
    """Refuse a launch whose name or source is being removed, and record what its inputs refer to.

    The row of the launch has been inserted: if the name was free because it is being removed, that is visible now.

    Raises:
        BeingRemoved: an execution of this name, or one with values among the inputs, is being removed.
        FailedPrecondition: the execution that is recovered or forked was removed, or one of this name left files.
    """
    key = identifiers.execution_key(launch.id)
    await _refuse_occupied(session, key)
    linkage = launch.linkage
    # The parent of a child runs, so it is not removed.
    if linkage.source_row and not linkage.parent_node_row:
        source = (
            select(ExecutionRow.id)
            .where(ExecutionRow.id == linkage.source_row)
            .with_for_update(key_share=True, read=True)
        )
        if await session.scalar(source) is None:
            raise errors.FailedPrecondition("the execution that is repeated was deleted meanwhile, with its outputs")
    needed = sources(launch.inputs, argument.metadata_dir)
    if linkage.parent_node_row and argument.HasField("recovered_from"):
        # The source in the row of a child is its parent, so nothing else says what it reuses.
        needed.add(identifiers.execution_key(argument.recovered_from))
    await refer(session, key, sorted(needed))


async def _refuse_occupied(session: AsyncSession, key: ExecutionKey) -> None:
    row = RemovalRow
    query = select(row.finished_at).where(tuple_(row.project, row.domain, row.name) == key, text(OCCUPIES_NAME))
    finished = (await session.scalars(query)).all()
    *_, name = key
    if None in finished:
        # Not AlreadyExists: that would tell the parent of a child that it had launched it before.
        raise BeingRemoved(
            f"execution {name} was deleted and its files are still being removed: try again in a minute, or choose "
            "another name"
        )
    if finished:
        raise errors.FailedPrecondition(
            f"execution {name} was deleted, but others can use files of it, which a new execution of this name would "
            "overwrite: choose another name; schedules, backfills and triggers have no other and do not launch it"
        )


async def refer(session: AsyncSession, reader: ExecutionKey, needed: list[ExecutionKey]) -> None:
    """Record what an execution needs, with locks that a removal at the same time waits for."""
    if not needed:
        return
    row, removal = ExecutionRow, RemovalRow
    key = tuple_(row.execution_project, row.execution_domain, row.execution_name)
    lock = select(row.id).where(key.in_(needed)).order_by(row.id).with_for_update(key_share=True, read=True)
    await session.execute(lock)
    removed = select(removal.name).where(
        tuple_(removal.project, removal.domain, removal.name).in_(needed),
        text(OCCUPIES_NAME),
        removal.finished_at.is_(None),
    )
    found = await session.scalar(removed.limit(1))
    if found is not None:
        raise BeingRemoved(
            f"execution {found} was deleted and is still being removed, and inputs are stored as its values: try again "
            "in a minute, or launch with other inputs"
        )
    names = ("project", "domain", "name")
    own = {f"execution_{name}": part for name, part in zip(names, reader, strict=True)}
    values = [own | {f"source_{name}": part for name, part in zip(names, one, strict=True)} for one in needed]
    # Of an execution of this name that is gone, the same reference can be left.
    await session.execute(postgresql.insert(ValueReferenceRow).on_conflict_do_nothing(), values)


def sources(inputs: literals_pb2.LiteralMap, metadata_dir: str) -> set[ExecutionKey]:
    """Return the executions in whose folders values of the inputs are stored."""
    uris: Iterable[str] = (found.uri for found in offloading.references(offloading.values_by_name(inputs)))
    folder = locations.parent(metadata_dir)
    return {owner for uri in uris if (owner := locations.owner(uri, folder)) is not None}
