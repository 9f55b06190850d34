"""Carry out the deletion of projects, step by step.

Every step can be repeated and finds by itself what is left, so a process may die at any instruction: the next round
starts again from the first step. The row of the project goes last, so its name is not free before.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from functools import partial

from sqlalchemy import func, select, text, update

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.admin.deletions import contents, rows, stopping
from flytetemporal.admin.retention import removing, trees
from flytetemporal.admin.retention.models import UNFINISHED_PROJECT, RemovalRow
from flytetemporal.admin.upkeep.loops import Found
from flytetemporal.idl import locations

PAGE = 100
# Of one round.
MOST_PAGES = 10
FILES = 10_000
# A request that has found the project active may still add a row.
SETTLED_AFTER = timedelta(seconds=30)
# Names of closures of workflows. Next to them are values of executions, of which some are kept.
_CLOSURE = re.compile("[0-9a-f]{64}")
_ANY = re.compile(".*", re.DOTALL)


class Step(Enum):
    """What a step of a deletion came to."""

    DONE = auto()
    MORE = auto()
    """It has stopped at a bound."""
    WAITS = auto()
    """It waits for something else."""


class InUse(Exception):
    """Something outside of the project needs what is in it."""


@dataclass(frozen=True, slots=True)
class ProjectCache:
    """What the catalog has of a project: remove some of it, and return whether that was the last."""

    remove_some: Callable[[str], Awaitable[bool]]


async def round_(deps: Dependencies, cache: ProjectCache) -> Found:
    """Take the next steps of all deletions that are not finished."""
    row = RemovalRow
    query = select(row).where(text(UNFINISHED_PROJECT)).order_by(row.id)
    async with deps.sessions() as session:
        unfinished = (await session.scalars(query)).all()
    done, more, failed = 0, False, []
    for removal in unfinished:
        try:
            step = await _continue(deps, cache, removal)
        except Exception as e:  # One that cannot be finished now must not keep the others from their turn.
            failed.append(f"project {removal.project}: {e}")
            continue
        done += step is Step.DONE
        more |= step is Step.MORE
    counts = {"projects_removed": done, "projects_left": len(unfinished) - done}
    return Found({name: count for name, count in counts.items() if count}, more=more, error="; ".join(failed[:5]))


async def _continue(deps: Dependencies, cache: ProjectCache, removal: RemovalRow) -> Step:
    project = removal.project
    steps: list[Callable[[], Awaitable[Step]]] = [
        partial(_stop_launching, deps, project),
        partial(_stop_running, deps, project),
        # Before the executions: the values of executions that have produced artifacts are kept for these.
        partial(_remove_rows, deps, project, [rows.ARTIFACTS]),
        partial(_remove_executions, deps, removal),
        partial(_wait_for_executions, deps, project),
        partial(_remove_cached, cache, project),
        partial(_remove_rows, deps, project, rows.names()),
        partial(_remove_files, deps, removal),
        partial(_remove_project, deps, removal),
    ]
    for step in steps:
        result = await step()
        if result is not Step.DONE:
            return result
    return Step.DONE


async def _stop_launching(deps: Dependencies, project: str) -> Step:
    return Step.DONE if await stopping.stop_launching(deps, project) else Step.WAITS


async def _stop_running(deps: Dependencies, project: str) -> Step:
    left = await stopping.abort_some(deps, project, f"project {project} is being deleted")
    if left == stopping.PAGE:
        return Step.MORE
    return Step.WAITS if left else Step.DONE


async def _remove_rows(deps: Dependencies, project: str, names: list[str]) -> Step:
    for name in names:
        if not await rows.remove(deps, project, name):
            return Step.MORE
    return Step.DONE


async def _remove_executions(deps: Dependencies, removal: RemovalRow) -> Step:
    """Remove trees of executions, the newest ones first: they use the values of older ones."""
    row, before, kept, begun = ExecutionRow, 2**63 - 1, set[str](), 0
    for _ in range(MOST_PAGES):
        query = select(row.id).where(contents.roots(removal.project), row.id < before).order_by(row.id.desc())
        async with deps.sessions() as session:
            page = (await session.scalars(query.limit(PAGE))).all()
        for root in page:
            count, because = await _remove_tree(deps, removal, root)
            begun += count
            kept |= {because} - {""}
        if len(page) < PAGE:
            break
        before = page[-1]
    else:
        return Step.MORE if begun else Step.WAITS
    if used := await _used(deps, removal.project, begun):
        raise InUse(used)
    return Step.WAITS if kept else Step.DONE


async def _remove_tree(deps: Dependencies, removal: RemovalRow, root: int) -> tuple[int, str]:
    """Begin to remove a tree; return the number of its executions, or why it is kept."""
    async with deps.sessions.begin() as session:
        tree = await trees.read(session, root)
        if tree.kept:
            return 0, tree.kept if tree.kept != "gone" else ""
        await removing.begin(session, tree, removal.removed_by, f"deleted with project {removal.project}")
        counted = update(RemovalRow).where(RemovalRow.id == removal.id)
        await session.execute(counted.values(executions=RemovalRow.executions + len(tree.members)))
    return len(tree.members), ""


async def _used(deps: Dependencies, project: str, begun: int) -> str:
    """Return what keeps the last executions from being removed, if it is in another project."""
    if begun:
        return ""
    async with deps.sessions() as session:
        return await contents.used_elsewhere(session, project)


async def _wait_for_executions(deps: Dependencies, project: str) -> Step:
    """Wait for the loop that removes what belongs to executions that are gone."""
    row = RemovalRow
    query = select(row.id).where(row.project == project, row.kind == "execution", row.finished_at.is_(None))
    async with deps.sessions() as session:
        return Step.DONE if await session.scalar(query.limit(1)) is None else Step.WAITS


async def _remove_cached(cache: ProjectCache, project: str) -> Step:
    return Step.DONE if await cache.remove_some(project) else Step.MORE


async def _remove_files(deps: Dependencies, removal: RemovalRow) -> Step:
    """Remove closures of workflows and uploads. Graphs and constants are shared by all projects that have the same."""
    root, project = deps.blobs.root, removal.project
    folders = dict.fromkeys(locations.project_dirs(root, project), _CLOSURE)
    if uploads := locations.uploads_dir(root, project, deps.raw_output_prefix):
        folders[uploads] = _ANY
    for folder, names in folders.items():
        found = await deps.blobs.remove_below(folder, partial(_is_kept, names), FILES)
        if found.removed:
            counted = update(RemovalRow).where(RemovalRow.id == removal.id)
            async with deps.sessions.begin() as session:
                await session.execute(counted.values(files=RemovalRow.files + found.removed))
        if found.more:
            return Step.MORE
    return Step.DONE


def _is_kept(removed: re.Pattern[str], name: str) -> bool:
    return removed.fullmatch(name) is None


async def _remove_project(deps: Dependencies, removal: RemovalRow) -> Step:
    async with deps.sessions() as session:
        settled = select(func.clock_timestamp() - RemovalRow.started_at > SETTLED_AFTER)
        if not await session.scalar(settled.where(RemovalRow.id == removal.id)):
            return Step.WAITS
    return Step.DONE if await rows.remove_last(deps, removal) else Step.MORE
