"""Choose what a backfill launches next, and under which name.

The choice is committed before the launch: whoever repeats the step finds the same name, and launches once. Names are
those of the schedule, so what the schedule has launched is not launched again. The last three digits, zeros in those
of the schedule, count how often a time was launched again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ARRAY, Select, Text, func, literal, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.backfills import records
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import TERMINAL, ExecutionRow, PauseRow
from flytetemporal.admin.executions import scheduled_launching
from flytetemporal.admin.outbox.backfill_models import BackfillRow, BackfillRunRow
from flytetemporal.contracts.v1 import backfills_pb2

DIGITS = 3
# Times that are looked at together when most of them are skipped.
PAGE = 200
_AGAIN = tuple(phase for phase in TERMINAL if phase != "SUCCEEDED")


@dataclass(frozen=True, slots=True)
class _Launched:
    """The newest execution of a time."""

    name: str
    phase: str


async def claim(deps: Dependencies, identifier: backfills_pb2.BackfillId) -> Sequence[BackfillRunRow]:
    """Return the times to launch now: those claimed before, and more as far as the backfill may run more at once."""
    async with deps.sessions.begin() as session:
        row = await records.find(session, identifier, lock=True)
        row.waits_for = await _pause(session, row) if row.state == "RUNNING" else ""
        if row.state != "RUNNING" or row.waits_for:
            return []
        run = BackfillRunRow
        claimed = list(await session.scalars(of_backfill(row, records.CLAIMED)))
        query = select(func.count()).where(run.backfill_id == row.id, run.state == "RUNNING")
        running = (await session.execute(query)).scalar_one()
        claimed += await _take(session, row, row.parallel - running - len(claimed))
        await session.flush()
        await records.count(session, row)
        return sorted(claimed, key=lambda one: one.scheduled_at, reverse=row.newest_first)


def of_backfill(row: BackfillRow, state: str) -> Select[BackfillRunRow]:
    """Select the times of a backfill in a state, in the order in which they are launched."""
    run = BackfillRunRow
    order = run.scheduled_at.desc() if row.newest_first else run.scheduled_at
    return select(run).where(run.backfill_id == row.id, run.state == state).order_by(order)


async def _take(session: AsyncSession, row: BackfillRow, wanted: int) -> list[BackfillRunRow]:
    """Claim up to ``wanted`` of the times that come next; skip those that are not to be launched."""
    taken: list[BackfillRunRow] = []
    size = wanted
    while len(taken) < wanted:
        page = (await session.scalars(of_backfill(row, "PENDING").limit(size))).all()
        newest = await _newest(session, row, page)
        for run in page:
            if len(taken) == wanted:
                break
            _decide(row, run, newest.get(_base(row, run)))
            if run.state == records.CLAIMED:
                taken.append(run)
        await session.flush()
        if len(page) < size:
            break
        size = PAGE
    return taken


def _decide(row: BackfillRow, run: BackfillRunRow, newest: _Launched | None) -> None:
    """Claim a time, or skip it."""
    base = _base(row, run)
    if newest is None:
        problem = "it has not run, so nothing has failed" if row.failed_only else ""
        _set(run, problem, f"{base}{'0' * DIGITS}")
    elif not row.failed_only:
        _set(run, f"it ran already: {newest.name} {newest.phase}", newest.name)
    elif newest.phase not in _AGAIN:
        _set(run, f"its execution has not failed: {newest.name} {newest.phase}", newest.name)
    else:
        number = int(newest.name[-DIGITS:]) + 1
        problem = "it was launched again too often" if number >= 10**DIGITS else ""
        _set(run, problem, f"{base}{number:0{DIGITS}}")


def _set(run: BackfillRunRow, problem: str, name: str) -> None:
    run.state, run.problem, run.execution_name = "SKIPPED" if problem else records.CLAIMED, problem, name


def _base(row: BackfillRow, run: BackfillRunRow) -> str:
    name = scheduled_launching.execution_name(records.launch_plan(row), int(run.scheduled_at.timestamp()))
    return name[:-DIGITS]


async def _newest(session: AsyncSession, row: BackfillRow, runs: Sequence[BackfillRunRow]) -> Mapping[str, _Launched]:
    """Return the newest execution of each time that has one, by the name without its number."""
    bases = literal([_base(row, run) for run in runs], ARRAY(Text))
    wanted = func.unnest(bases).table_valued("base").render_derived(name="wanted")
    execution = ExecutionRow
    # A range of the primary key per time.
    last = (
        select(execution.execution_name, execution.phase)
        .where(
            execution.execution_project == row.project,
            execution.execution_domain == row.domain,
            execution.execution_name >= wanted.c.base.concat("0" * DIGITS),
            execution.execution_name <= wanted.c.base.concat("9" * DIGITS),
        )
        .order_by(execution.execution_name.desc())
        .limit(1)
        .lateral()
    )
    query = select(wanted.c.base, last.c.execution_name, last.c.phase).select_from(wanted.join(last, true()))
    return {found.base: _Launched(found.execution_name, found.phase) for found in await session.execute(query)}


async def _pause(session: AsyncSession, row: BackfillRow) -> str:
    """Return which pause of the project or the launch plan keeps the backfill from launching; empty if none does."""
    pause = PauseRow
    is_project = (pause.kind == "PROJECT") & pause.domain.in_(("", row.domain))
    is_plan = (pause.kind == "LAUNCH_PLAN") & (pause.domain == row.domain) & (pause.name == row.launch_plan_name)
    query = select(pause).where(pause.is_active, pause.project == row.project, or_(is_project, is_plan))
    found = (await session.scalars(query.order_by(pause.revision).limit(1))).one_or_none()
    if found is None:
        return ""
    what = f"project {found.project}" if found.kind == "PROJECT" else f"launch plan {found.name}"
    by = f" by {found.paused_by}" if found.paused_by else ""
    return f"{what} is paused{by}" + (f": {found.reason}" if found.reason else "")
