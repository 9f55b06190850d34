"""An execution with all executions below it, and why they must be kept.

The values of a tree refer to each other: the inputs of a child are values of its parent, and outputs of the parent are
values of its children. So a tree is removed as a whole, or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from flyteidl.admin import execution_pb2
from sqlalchemy import Row, Select, bindparam, exists, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from flytetemporal.admin.artifacts.models import NamedArtifactRow
from flytetemporal.admin.base.models import TERMINAL, ExecutionRow
from flytetemporal.admin.base.outbox_rows import NotificationRow
from flytetemporal.admin.outbox.backfill_models import BackfillRow, BackfillRunRow
from flytetemporal.admin.outbox.trigger_models import TriggerEventRow, TriggerRow
from flytetemporal.admin.retention.models import ValueReferenceRow
from flytetemporal.idl.identifiers import ExecutionKey

RECOVERED = execution_pb2.ExecutionMetadata.RECOVERED
# Workers may still report how an execution has ended, and Temporal may still close its workflow.
SETTLED_AFTER = timedelta(seconds=30)
MOST_COUNTED = 10_000

Member = Row[int, str, str, str, str, int, bool]


@dataclass(frozen=True, slots=True)
class Tree:
    """The rows of a tree, the root first. ``kept``: why it must be kept, a name for counts; empty if it need not be.

    ``because`` names the execution that keeps it.
    """

    members: Sequence[Member]
    kept: str = ""
    because: str = ""

    @property
    def keys(self) -> list[ExecutionKey]:
        """The executions."""
        return [_key(member) for member in self.members]


async def read(session: AsyncSession, root: int) -> Tree:
    """Return the tree below a row, locked until the transaction of the session ends."""
    row, above = ExecutionRow, aliased(ExecutionRow)
    below = select(row.id).where(row.id == root).cte("below", recursive=True)
    child = select(row.id).join(below, row.source_execution_id == below.c.id).where(row.parent_node_execution_id != 0)
    below = below.union(child)
    columns = (row.id, row.execution_project, row.execution_domain, row.execution_name, row.phase)
    has_parent = exists().where(above.id == row.source_execution_id).correlate(row)
    query = (
        select(*columns, row.parent_node_execution_id, has_parent & (row.parent_node_execution_id != 0))
        .where(row.id.in_(select(below.c.id)))
        .order_by(row.id)
        .with_for_update(of=row)
    )
    members = (await session.execute(query)).all()
    tree = Tree(sorted(members, key=lambda member: member[0] != root))
    kept, because = await _kept(session, tree)
    return Tree(tree.members, kept, because)


async def _kept(session: AsyncSession, tree: Tree) -> tuple[str, str]:
    if not tree.members:
        return "gone", ""
    if tree.members[0][6]:
        return "child", ""
    running = next((member for member in tree.members if member[4] not in TERMINAL), None)
    if running is not None:
        return "running", running[3]
    for kept, query in _reasons(tree):
        found = await session.scalar(query.limit(1))
        if found is not None:
            return kept, found
    return "", ""


async def others(session: AsyncSession, tree: Tree) -> int:
    """Return how many others keep a tree for the same reason, besides the one that it names; up to ``MOST_COUNTED``."""
    query = dict(_reasons(tree)).get(tree.kept)
    if query is None:
        return 0
    some = query.distinct().limit(MOST_COUNTED + 1).subquery()
    return (await session.scalar(select(func.count()).select_from(some)) or 1) - 1


def _reasons(tree: Tree) -> list[tuple[str, Select[str]]]:
    """Return queries of what keeps a tree, with the names of the reasons."""
    ids = [member[0] for member in tree.members]
    row, notification = ExecutionRow, NotificationRow
    recent = select(row.execution_name).where(row.id.in_(ids), row.updated_at > func.now() - SETTLED_AFTER)
    derived = select(row.execution_name).where(
        row.source_execution_id.in_(ids), row.mode == RECOVERED, row.id.not_in(ids)
    )
    owed = select(notification.execution_name).where(
        tuple_(notification.execution_project, notification.execution_domain, notification.execution_name).in_(
            tree.keys
        ),
        notification.state == "PENDING",
    )
    return [
        ("recently_ended", recent),
        ("owes_notifications", owed),
        ("counted_by_backfill", _uncounted(tree)),
        *(("launches_soon", query) for query in _launching(tree)),
        ("recovered_or_forked", derived),
        ("values_in_use", _readers(tree)),
    ]


def _readers(tree: Tree) -> Select[str]:
    """Select the executions that have values of a tree as inputs. References of those that are gone do not count."""
    reference, row = ValueReferenceRow, ExecutionRow
    source = tuple_(reference.source_project, reference.source_domain, reference.source_name)
    reader = tuple_(reference.execution_project, reference.execution_domain, reference.execution_name)
    key = tuple_(row.execution_project, row.execution_domain, row.execution_name)
    return (
        select(reference.execution_name).join(row, key == reader).where(source.in_(tree.keys), reader.not_in(tree.keys))
    )


def _uncounted(tree: Tree) -> Select[str]:
    """Select the backfills that have launched executions of a tree and do not know yet how they have ended."""
    backfill, run = BackfillRow, BackfillRunRow
    return (
        select(backfill.name)
        .join(run, run.backfill_id == backfill.id)
        .where(
            backfill.ended_at.is_(None),
            run.state.in_(("CLAIMED", "RUNNING")),
            tuple_(backfill.project, backfill.domain, run.execution_name).in_(tree.keys),
        )
    )


def _launching(tree: Tree) -> list[Select[str]]:
    """Select the executions that a success, or an artifact, of a tree is about to launch."""
    event, trigger, artifact = TriggerEventRow, TriggerRow, NamedArtifactRow
    # As a literal, so that the partial index can be used.
    waits = event.state == bindparam("state", "PENDING", literal_execute=True)
    pending = select(event.execution_name).join(trigger, trigger.id == event.trigger_id).where(waits, trigger.is_active)
    key = tuple_(artifact.execution_project, artifact.execution_domain, artifact.execution_name)
    name = func.concat_ws(":", artifact.project, artifact.domain, artifact.name)
    produced = select(func.concat(name, "@", artifact.version)).where(key.in_(tree.keys))
    return [
        pending.where(trigger.kind == "success", event.event_id.in_([":".join(key) for key in tree.keys])),
        pending.where(trigger.kind == "artifact", event.event_id.in_(produced)),
    ]


def _key(member: Member) -> ExecutionKey:
    return member[1], member[2], member[3]
