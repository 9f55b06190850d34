"""Find executions that are older than their policy allows, and begin to remove them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base import validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import TERMINAL, ExecutionRow
from flytetemporal.admin.retention import finishing, removing, trees
from flytetemporal.admin.retention.models import RetentionPolicyRow
from flytetemporal.admin.retention.trees import Tree
from flytetemporal.admin.upkeep.loops import Found
from flytetemporal.contracts.v1 import retention_pb2
from flytetemporal.idl import times

# Trees that a round, or a call, looks at.
PAGE = 100
REMOVED_BY = "retention"


@dataclass(slots=True)
class Looked:
    """What looking at a page of executions came to. ``position``: where to continue; 0 after the last page."""

    position: int = 0
    executions: int = 0
    nodes: int = 0
    tasks: int = 0
    kept: Counter[str] = field(default_factory=Counter)


async def round_(deps: Dependencies, cached: finishing.CachedOutputs) -> Found:
    """Look at a page of executions per policy, and finish what was begun."""
    async with deps.sessions() as session:
        policies = (await session.scalars(select(RetentionPolicyRow).order_by(RetentionPolicyRow.project))).all()
    begun, more = 0, False
    for policy in policies:
        looked = await look(deps, policy, policy.position)
        await _continue_at(deps, policy, looked.position)
        begun += looked.executions
        more |= looked.position != 0
    finished = await finishing.finish_some(deps, cached)
    counts = dict(finished.counts) | ({"executions_due": begun} if begun else {})
    return Found(counts, more=more or finished.more, error=finished.error)


async def run(deps: Dependencies, request: retention_pb2.RunRetentionRequest) -> retention_pb2.RunRetentionResponse:
    """Look at a page of the executions of a policy now, and begin to remove them, or only count them.

    Raises:
        FailedPrecondition: the project and domain have no policy.
    """
    validation.check_names(request, "project", "domain")
    validation.check_length(request.requested_by, "requested_by", validation.MAX_NAME_LENGTH)
    async with deps.sessions() as session:
        policy = await session.get(RetentionPolicyRow, (request.project, request.domain))
    if policy is None:
        raise errors.FailedPrecondition(
            f"project {request.project} and domain {request.domain} have no retention policy, so their executions are "
            "kept; set one with `flytetemporal retention set`"
        )
    looked = await look(deps, policy, _position(request.token), request.requested_by, dry_run=request.dry_run)
    return retention_pb2.RunRetentionResponse(
        executions=looked.executions,
        nodes=looked.nodes,
        tasks=looked.tasks,
        kept=looked.kept,
        token=str(looked.position) if looked.position else "",
    )


async def look(
    deps: Dependencies, policy: RetentionPolicyRow, position: int, removed_by: str = "", *, dry_run: bool = False
) -> Looked:
    """Remove, or count, the trees of one page that the policy no longer keeps and nothing else needs."""
    looked = Looked()
    async with deps.sessions() as session:
        page = await _page(session, policy, position)
    for root in page:
        async with deps.sessions.begin() as session:
            if not await _is_in_force(session, policy):
                return looked
            # Read again with its lock: the execution may have changed, or be removed by another call.
            tree = await trees.read(session, root)
            await _take(session, policy, tree, looked, removed_by or REMOVED_BY, dry_run=dry_run)
    looked.position = page[-1] if len(page) == PAGE else 0
    return looked


async def _is_in_force(session: AsyncSession, policy: RetentionPolicyRow) -> bool:
    """Whether the policy is still the one that was read. Until the transaction ends nobody changes it."""
    row = RetentionPolicyRow
    query = select(row.updated_at).where(row.project == policy.project, row.domain == policy.domain)
    return await session.scalar(query.with_for_update(read=True)) == policy.updated_at


async def _take(
    session: AsyncSession, policy: RetentionPolicyRow, tree: Tree, looked: Looked, removed_by: str, *, dry_run: bool
) -> None:
    if tree.kept == "gone":
        return
    if tree.kept:
        looked.kept[tree.kept] += len(tree.members)
        return
    looked.executions += len(tree.members)
    nodes, tasks = await removing.counts(session, tree.keys)
    looked.nodes += nodes
    looked.tasks += tasks
    if not dry_run:
        await removing.begin(session, tree, removed_by, _reason(policy))


async def _page(session: AsyncSession, policy: RetentionPolicyRow, position: int) -> Sequence[int]:
    row = ExecutionRow
    query = select(row.id).where(*_ended_roots(policy), row.id > position, _is_due(policy)).order_by(row.id)
    return (await session.scalars(query.limit(PAGE))).all()


def _ended_roots(policy: RetentionPolicyRow) -> tuple[ColumnElement[bool], ...]:
    row = ExecutionRow
    return (
        row.execution_project == policy.project,
        row.execution_domain == policy.domain,
        row.parent_node_execution_id == 0,
        row.phase.in_(TERMINAL),
    )


def _is_due(policy: RetentionPolicyRow) -> ColumnElement[bool]:
    row = ExecutionRow
    due: list[ColumnElement[bool]] = []
    if policy.max_age is not None:
        # An execution is not older than its row; that comparison uses an index.
        limit = func.now() - policy.max_age
        due.append((row.created_at < limit) & (row.updated_at < limit))
    if policy.max_count is not None:
        newest = select(row.id).where(*_ended_roots(policy)).order_by(row.id.desc())
        due.append(row.id <= newest.offset(policy.max_count).limit(1).scalar_subquery())
    return or_(*due)


def _reason(policy: RetentionPolicyRow) -> str:
    limits = []
    if policy.max_age is not None:
        limits.append(f"older than {times.go_text(policy.max_age)}")
    if policy.max_count is not None:
        limits.append(f"not among the newest {policy.max_count}")
    return " or ".join(limits)


async def _continue_at(deps: Dependencies, policy: RetentionPolicyRow, position: int) -> None:
    row = RetentionPolicyRow
    own = (row.project == policy.project) & (row.domain == policy.domain)
    async with deps.sessions.begin() as session:
        # Not an update of the policy itself. A policy that was set meanwhile starts from the first row.
        unchanged = own & (row.updated_at == policy.updated_at)
        values = {"position": position, "updated_at": row.updated_at}
        await session.execute(update(row).where(unchanged).values(values))


def _position(token: str) -> int:
    if not token:
        return 0
    if not token.isascii() or not token.isdigit() or len(token) > 18:
        raise errors.InvalidRequest("invalid value for token: pass the token of the page before")
    return int(token)
