"""``python -m faults.removals``: executions are deleted, by name and by retention, while processes are killed.

What is removed is gone as a whole: rows, Temporal histories and files. What must stay is as it was: the newest
executions, those from which they were recovered, the ones below them, and new ones under the names of removed ones.
"""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import click
import grpc
from flyteidl.admin import execution_pb2
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from faults.calls import CALL_SECONDS, DOMAIN, POLL_SECONDS, PROJECT, TRANSIENT, execution_id, retried
from faults.stage import OPERATIONS, Stage, staged
from flytetemporal.admin.retention import tables
from flytetemporal.admin.retention.tables import Fate
from flytetemporal.contracts.v1 import retention_pb2
from flytetemporal.db.orm import Base
from flytetemporal.idl import locations, naming

KINDS = (("engine_only", 5), ("parent", 2), ("failing", 3))
# Of each hundred root executions: how many are deleted by name, and how many rounds of retention keep at last.
DELETED, KEPT = 0.2, 0.4
ROUNDS = 3
AT_ONCE = 10
EXECUTIONS = """
select execution_name, id, parent_node_execution_id, coalesce(source_execution_id, 0), phase from executions
"""


@dataclass(frozen=True)
class Kept:
    """An execution and what belongs to it."""

    row: int
    is_root: bool
    source: int
    phase: str
    nodes: int = 0
    tasks: int = 0
    files: frozenset[str] = frozenset()


@click.command()
@click.option("--runs", default=100, show_default=True, help="Number of executions.")
@click.option("--seed", type=int, default=None, help="Seed of an earlier run, to repeat it.")
@click.option("--kill-every", default=3.0, show_default=True, help="Mean seconds between kills; 0: no kills.")
def main(**options: Any) -> None:
    """Remove executions while processes are killed, and judge what is left."""
    sys.exit(0 if run(**options) else 1)


def run(*, runs: int, seed: int | None, kill_every: float) -> bool:
    """Launch and remove executions; print what happened; return whether all is removed or left."""
    return staged(
        f"removals of {runs} executions", partial(_work, runs), seed=seed, kill_every=kill_every, prepare=_prepare
    )


async def _prepare(stage: Stage) -> list[str]:
    for workflow, _ in KINDS:
        await stage.register(f"removed_{workflow}", workflow, {})
    return []


async def _work(runs: int, stage: Stage) -> list[str]:
    problems = await _launch(stage, runs)
    before = await _read(stage)
    again = await _delete_some(stage, before)
    problems += await stage.until_ended()
    left = await _read(stage)
    keep = max(2, round(len(_roots(left)) * KEPT))
    for number in range(ROUNDS):
        # The last round keeps what is wanted, the ones before it more.
        steps = ROUNDS - 1 - number
        problems += await _retain(stage, keep + (len(_roots(left)) - keep) * steps // ROUNDS)
    expected, removed = staying(left, keep), Counter(before.keys() - left.keys()) + Counter(again)
    removed += Counter(left.keys() - expected)
    found = await _read(stage)
    print(f"  {len(before)} executions, {len(again)} launched again under their names; {len(found)} left")
    return [
        *problems,
        *judge_left(left, found, expected),
        *await _judge_removed(stage, removed, found),
        *await _judge_histories(stage, {*before, *left}, found),
    ]


async def _launch(stage: Stage, runs: int) -> list[str]:
    """Launch executions, and recover some of those that fail."""
    prefix, slots = f"r{stage.dice.randrange(10**6):06d}x", asyncio.Semaphore(AT_ONCE)

    async def one(name: str, plan: str) -> None:
        async with slots:
            await stage.launch(name, plan)

    async with asyncio.TaskGroup() as group:
        for number in range(runs):
            [(workflow, _)] = stage.dice.choices(KINDS, [weight for _, weight in KINDS])
            group.create_task(one(f"{prefix}{number:03d}", f"removed_{workflow}"))
    problems = await stage.until_ended()
    failed = "select execution_name from executions where phase = 'FAILED' order by execution_name"
    for (name,) in await stage.executions.query(failed):
        if stage.dice.random() < 0.5:
            recover = execution_pb2.ExecutionRecoverRequest(id=execution_id(name), name=f"{name}r")
            await retried(partial(stage.admin.RecoverExecution, recover, timeout=CALL_SECONDS), {"ALREADY_EXISTS"})
    return problems + await stage.until_ended()


async def _read(stage: Stage) -> dict[str, Kept]:
    """Return all executions, with what belongs to them."""
    query, found = stage.executions.query, {}
    nodes = dict(await query("select execution_name, count(*) from node_executions group by 1"))
    tasks = dict(await query("select execution_name, count(*) from task_executions group by 1"))
    for name, row, parent, source, phase in await query(EXECUTIONS):
        files = await asyncio.to_thread(_files, stage, name)
        found[name] = Kept(row, parent == 0, source, phase, nodes.get(name, 0), tasks.get(name, 0), files)
    return found


def _files(stage: Stage, name: str) -> frozenset[str]:
    folders = locations.execution_dirs(stage.state["store"], execution_id(name))
    walked = (entry for folder in folders for entry in os.walk(folder))
    return frozenset(os.path.join(folder, file) for folder, _, files in walked for file in files)


def _roots(executions: Mapping[str, Kept]) -> list[str]:
    """Return the executions that no node has launched, newest first."""
    roots = [name for name, kept in executions.items() if kept.is_root]
    return sorted(roots, key=lambda name: -executions[name].row)


async def _delete_some(stage: Stage, before: Mapping[str, Kept]) -> list[str]:
    """Delete executions by name; launch half of them again, while they are removed, and return their names."""
    sources = {kept.source for kept in before.values() if kept.is_root}
    chosen = [name for name in sorted(_roots(before)) if before[name].row not in sources]
    chosen = stage.dice.sample(chosen, max(2, round(len(chosen) * DELETED)))
    again = chosen[: len(chosen) // 2]

    async def one(name: str) -> None:
        await _delete(stage, name)
        if name in again:
            await stage.launch(name, "removed_engine_only")

    async with asyncio.TaskGroup() as group:
        for name in chosen:
            group.create_task(one(name))
    return again


async def _delete(stage: Stage, name: str) -> None:
    """Delete an execution; repeat the call until it is accepted. One whose answer was lost finds nothing any more."""
    request = retention_pb2.DeleteExecutionRequest(execution_id=execution_id(name), deleted_by="faults")
    method = f"{OPERATIONS}DeleteExecution"
    call = stage.channel.unary_unary(
        method,
        request_serializer=retention_pb2.DeleteExecutionRequest.SerializeToString,
        response_deserializer=retention_pb2.DeleteExecutionResponse.FromString,
    )
    while True:
        try:
            await call(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as e:
            if e.code() is grpc.StatusCode.NOT_FOUND:
                return
            # It has ended just now, and may still be reported on.
            if e.code() not in (*TRANSIENT, grpc.StatusCode.FAILED_PRECONDITION):
                raise
            await asyncio.sleep(POLL_SECONDS)
        else:
            return


async def _retain(stage: Stage, count: int) -> list[str]:
    """Let retention keep the newest ``count`` executions, by its loop and by calls, until it finds nothing more."""
    policy = retention_pb2.RetentionPolicy(project=PROJECT, domain=DOMAIN, max_count=count, updated_by="faults")
    set_request = retention_pb2.SetRetentionRequest(policy=policy)
    await stage.operate("SetRetention", set_request, retention_pb2.SetRetentionResponse)

    async def is_done() -> bool:
        await stage.wake("retention")
        await _look(stage, dry_run=False)
        return not await _look(stage, dry_run=True)

    async def is_finished() -> bool:
        await stage.wake("retention")
        return not await stage.executions.query("select id from removals where finished_at is null")

    problems = await stage.until(is_done, f"retention of {count} executions finds something to remove")
    return problems + await stage.until(is_finished, "removals are not finished")


async def _look(stage: Stage, *, dry_run: bool) -> bool:
    """Look at all pages; return whether something is old enough that nothing keeps, or that has ended just now."""
    token, found = "", 0
    while True:
        request = retention_pb2.RunRetentionRequest(
            project=PROJECT, domain=DOMAIN, dry_run=dry_run, requested_by="faults", token=token
        )
        answer = await stage.operate("RunRetention", request, retention_pb2.RunRetentionResponse)
        found += answer.executions + answer.kept["recently_ended"]
        token = answer.token
        if not token:
            return bool(found)


def staying(executions: Mapping[str, Kept], keep: int) -> set[str]:
    """Return the executions that must stay: the newest, those from which they were recovered, and all below them."""
    by_row = {kept.row: name for name, kept in executions.items()}
    stay = set(_roots(executions)[:keep])
    while True:
        sources = {by_row[source] for name in stay if (source := executions[name].source) in by_row}
        below = {
            name
            for name, kept in executions.items()
            if not kept.is_root and kept.source in by_row and by_row[kept.source] in stay
        }
        if sources | below <= stay:
            return stay
        stay |= sources | below


def judge_left(before: Mapping[str, Kept], after: Mapping[str, Kept], expected: set[str]) -> list[str]:
    """Return what is wrong with the executions that are left."""
    problems = [f"{name} was removed, but must stay" for name in sorted(expected - after.keys())]
    problems += [f"{name} was not removed" for name in sorted(after.keys() - expected)]
    for name in sorted(expected & after.keys()):
        was, is_now = before[name], after[name]
        for what in ("row", "phase", "nodes", "tasks"):
            if getattr(was, what) != getattr(is_now, what):
                problems.append(f"the {what} of {name} changed from {getattr(was, what)} to {getattr(is_now, what)}")
        problems += [f"{file} of {name} is gone" for file in sorted(was.files - is_now.files)]
    return problems


async def _judge_removed(stage: Stage, removed: Mapping[str, int], found: Mapping[str, Kept]) -> list[str]:
    """Return what is left of what was removed, and removals without a record."""
    query = stage.executions.query
    gone = removed.keys() - found.keys()
    problems = [f"{file} of {name} is left" for name in sorted(gone) for file in sorted(_files(stage, name))]
    for fate in (Fate.AT_ONCE, Fate.LATER):
        for table in tables.removed_with_execution(fate):
            if table not in Base.metadata.tables or "execution_name" not in Base.metadata.tables[table].c:
                continue
            rows = Counter(name for (name,) in await query(f"select execution_name from {table}"))
            problems += [f"{rows[name]} rows of {name} are left in {table}" for name in sorted(gone) if rows[name]]
    records = Counter(
        name
        for (name,) in await query("select name from removals where kind = 'execution' and finished_at is not null")
    )
    return problems + [
        f"{name} was removed {removed[name]} times and has {records[name]} records"
        for name in sorted(removed.keys() | records.keys())
        if removed[name] != records[name]
    ]


async def _judge_histories(stage: Stage, names: set[str], found: Mapping[str, Kept]) -> list[str]:
    """Return the executions whose Temporal history is gone although they are left, or left although they are gone."""
    client = await Client.connect(
        stage.state["temporal_address"], namespace=stage.state["temporal_namespace"], lazy=True
    )
    problems: list[str] = []
    for name in sorted(names):
        has_history = await _has_history(client, naming.temporal_workflow_id(execution_id(name)))
        if has_history != (name in found):
            problems.append(f"{name} is {'left' if name in found else 'gone'}, its history is not")
    return problems


async def _has_history(client: Client, workflow_id: str) -> bool:
    while True:
        try:
            await client.get_workflow_handle(workflow_id).describe()
        except (RPCError, RuntimeError) as e:
            if isinstance(e, RPCError) and e.status is RPCStatusCode.NOT_FOUND:
                return False
            await asyncio.sleep(POLL_SECONDS)
        else:
            return True


if __name__ == "__main__":
    main()
