"""Retention of 100,000 executions: the time of each thousand, the number of statements, and the memory.

The executions are copies of one that has run, made in the database: rows of the execution, its nodes and its tasks.
They have neither files nor Temporal histories, so looking for these is measured, and deleting them is not.
"""

import contextlib
import statistics
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import psycopg
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy

from bench import processes, table
from bench.executions import DOMAIN, PROJECT, Executions
from bench.table import Row
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.retention import policies, rounds
from flytetemporal.admin.retention.finishing import CachedOutputs
from flytetemporal.cli.wiring import control_plane, upkeep_loops
from flytetemporal.config.database import DatabaseSettings
from flytetemporal.config.settings import Settings
from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.temporal import TemporalSettings
from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import retention_pb2
from flytetemporal.idl import times

EXECUTIONS, MEASURED = 100_000, 1_000
WORKFLOW = "bench.flows.engine_only.echo_diamond"
_COPIED = ("executions", "node_executions", "task_executions")
_AGE = timedelta(days=30)


async def rows(state: Mapping[str, Any], version: str, executions: int = EXECUTIONS) -> list[Row]:
    """Remove ``executions`` executions by a policy, in rounds of the loop, which run in this process."""
    client = Executions(state["grpc_endpoint"], version)
    finished = await client.run(WORKFLOW, {"a": 1})
    await client.close()
    address = state["database_url"].replace("+psycopg", "")
    taken = await _copy(address, finished.id.name, executions)
    table.show_progress(f"{executions:,} executions made in {taken:.0f} s")
    await _keep_loop_out(state)
    before, own = processes.megabytes(state["processes"]), processes.own_megabytes()
    async with control_plane.dependencies(_settings(state), migrate=False) as deps:
        cached = upkeep_loops.cached_outputs(control_plane.catalog_of(deps, _settings(state).catalog))
        policy = retention_pb2.RetentionPolicy(project=PROJECT, domain=DOMAIN, max_age=times.duration(_AGE))
        await policies.set_retention(deps, retention_pb2.SetRetentionRequest(policy=policy))
        with _statements(deps.sessions) as count:
            thousands, largest = await _rounds(deps, cached, executions)
    after = processes.megabytes(state["processes"])
    title = f"retention of {executions:,} executions"
    return [
        Row(title, executions / sum(thousands), "executions/s"),
        Row(f"{title}, per {MEASURED:,}: median", statistics.median(thousands), "s"),
        Row(f"{title}, per {MEASURED:,}: first", thousands[0], "s"),
        Row(f"{title}, per {MEASURED:,}: last", thousands[-1], "s"),
        Row(f"{title}: statements per execution", count[0] / executions, "statements"),
        Row(f"{title}: largest growth of the process that removes", largest - own, "MiB"),
        *(Row(f"{title}: growth of {name}", after[name] - before[name], "MiB") for name in ("postgres", "temporal")),
    ]


async def _keep_loop_out(state: Mapping[str, Any]) -> None:
    """Replace the workflow of the loop, which would do a part of the work, by one that no worker runs."""
    client = await Client.connect(state["temporal_address"], namespace=state["temporal_namespace"])
    await client.start_workflow(
        workflows.UPKEEP_WORKFLOW,
        id=workflows.upkeep_id("retention"),
        task_queue="bench-without-workers",
        id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
    )


async def _rounds(deps: Dependencies, cached: CachedOutputs, executions: int) -> tuple[list[float], float]:
    """Run rounds until all are removed; return the seconds of each thousand, and the largest resident MiB."""
    removed, thousands, largest, started = 0, list[float](), 0.0, time.perf_counter()
    while removed < executions:
        found = await rounds.round_(deps, cached)
        if found.error:
            raise RuntimeError(f"a round of retention failed: {found.error}")
        if not found.counts:
            raise RuntimeError(f"retention stopped after {removed} executions")
        removed += found.counts.get("executions_removed", 0)
        largest = max(largest, processes.own_megabytes())
        while removed >= min(MEASURED * (len(thousands) + 1), executions) and len(thousands) * MEASURED < executions:
            now = time.perf_counter()
            thousands.append(now - started)
            started = now
            table.show_progress(f"{removed:,} executions removed, the last thousand in {thousands[-1]:.1f} s")
    return thousands, largest


def _settings(state: Mapping[str, Any]) -> Settings:
    return Settings(
        database=DatabaseSettings(url=state["database_url"]),
        storage=StorageSettings(root=state["store"]),
        temporal=TemporalSettings(address=state["temporal_address"], namespace=state["temporal_namespace"]),
    )


@contextlib.contextmanager
def _statements(sessions: async_sessionmaker[AsyncSession]) -> Iterator[list[int]]:
    """Count the statements that are sent within the block."""
    count, engine = [0], sessions.kw["bind"].sync_engine

    def remember(*_: Any) -> None:
        count[0] += 1

    event.listen(engine, "before_cursor_execute", remember)
    try:
        yield count
    finally:
        event.remove(engine, "before_cursor_execute", remember)


async def _copy(address: str, name: str, number: int) -> float:
    """Copy the rows of an execution, as if it had run ``number`` times a year ago; return the seconds."""
    started = time.perf_counter()
    async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
        for copied in _COPIED:
            columns = await _columns(connection, copied)
            names = ", ".join(f'"{column}"' for column in columns)
            values = ", ".join(_VALUES.get(column, f'"{column}"') for column in columns)
            statement = (
                f"INSERT INTO {copied} ({names}) SELECT {values} "
                f"FROM {copied}, generate_series(1, {number}) AS number WHERE execution_name = '{name}'"
            )
            await connection.execute(statement.encode())
        await connection.execute(f"VACUUM ANALYZE {', '.join(_COPIED)}".encode())
    return time.perf_counter() - started


_VALUES = {
    "execution_name": "'old' || lpad(number::text, 8, '0')",
    "created_at": "now() - interval '1 year'",
    "updated_at": "now() - interval '1 year'",
}


async def _columns(connection: psycopg.AsyncConnection[Any], name: str) -> list[str]:
    """Return the columns of a table but its row numbers, which are given anew."""
    query = "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_identity = 'NO'"
    cursor = await connection.execute(query, (name,))
    return [column for (column,) in await cursor.fetchall()]
