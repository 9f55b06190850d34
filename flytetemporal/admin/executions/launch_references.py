"""What a new execution needs of others: the one that it recovers or forks, and those whose values are its inputs.

Recorded and locked in the transaction that records the launch, so that none of them is removed at the same time.
"""

from collections.abc import Iterable

from flyteidl.core import literals_pb2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.admin.executions.launch_records import Launch
from flytetemporal.admin.retention.models import RemovalRow, ValueReferenceRow
from flytetemporal.idl import identifiers, locations, offloading
from flytetemporal.idl.identifiers import ExecutionKey


class BeingRemoved(errors.Unavailable):
    """An execution of the name of a launch is being removed."""


async def hold(session: AsyncSession, launch: Launch, metadata_dir: str) -> None:
    """Refuse a launch whose name or source is being removed, and record what its inputs refer to.

    The row of the launch has been inserted: if the name was free because it is being removed, that is visible now.

    Raises:
        BeingRemoved: an execution of this name is being removed.
        FailedPrecondition: the execution that is recovered or forked was removed.
    """
    project, domain, name = identifiers.execution_key(launch.id)
    removal = select(RemovalRow.id).where(
        RemovalRow.project == project,
        RemovalRow.domain == domain,
        RemovalRow.name == name,
        RemovalRow.kind == "execution",
        RemovalRow.finished_at.is_(None),
    )
    if await session.scalar(removal) is not None:
        # Not AlreadyExists: that would tell the parent of a child that it had launched it before.
        raise BeingRemoved(
            f"execution {name} was deleted and its files are still being removed: try again in a minute, or choose "
            "another name"
        )
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
    for source_key in sorted(sources(launch.inputs, metadata_dir)):
        source_project, source_domain, source_name = source_key
        session.add(
            ValueReferenceRow(
                source_project=source_project,
                source_domain=source_domain,
                source_name=source_name,
                execution_project=project,
                execution_domain=domain,
                execution_name=name,
            )
        )


def sources(inputs: literals_pb2.LiteralMap, metadata_dir: str) -> set[ExecutionKey]:
    """Return the executions in whose folders values of the inputs are stored."""
    uris: Iterable[str] = (found.uri for found in offloading.references(offloading.values_by_name(inputs)))
    folder = locations.parent(metadata_dir)
    return {owner for uri in uris if (owner := locations.owner(uri, folder)) is not None}
