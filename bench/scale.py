"""Several workers on one Temporal: Python tasks per second, how evenly they share them, and what a change costs.

Workers that share two cores cannot be faster than one that has both; the table shows that they are not slower either,
that none is starved, and that no run loses its place in a worker's cache when other workers join or leave.
"""

import asyncio
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flyteidl.core import identifier_pb2
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from bench import fleet
from bench.executions import Executions, Finished
from flytetemporal.idl import naming

CORES = (1, 2)
WORKERS = (1, 2, 4)
FAN, FAN_TASKS = "bench.flows.python_tasks.fan_500", 500
CHAIN = "bench.flows.python_tasks.chain_50"
CHAINS = 8
# Time for each chain to have begun.
SETTLE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Scaled:
    """A fan-out of Python tasks on some cores and workers; ``shares`` are the tasks of each worker."""

    cores: int
    workers: int
    per_second: float
    shares: Sequence[int]


@dataclass(frozen=True, slots=True)
class Moves:
    """How often runs changed their worker, a worker that left excepted: each change is a replay of a history."""

    change: str
    runs: int
    moves: int


async def measure(
    executions: Executions,
    client: Client,
    state: Mapping[str, Any],
    folder: Path,
    *,
    cores: Iterable[int] = CORES,
    workers: Iterable[int] = WORKERS,
) -> list[Scaled]:
    """Run the fan-out with every number of cores and workers."""
    available = sorted(os.sched_getaffinity(0))
    found = []
    for count in sorted(workers):
        async with AsyncExitStack() as stack:
            extra = [
                await stack.enter_async_context(fleet.worker(client, state, folder / f"scale-{count}-{number}"))
                for number in range(count - 1)
            ]
            pids = [*state["processes"].values(), *(process.pid for process in extra), os.getpid()]
            for number in cores:
                if number > len(available):
                    continue
                fleet.use_cores(available[:number], pids)
                await executions.run(FAN)  # Every worker has imported the code once.
                finished = await executions.run(FAN)
                shares = await _shares(client, finished.id)
                found.append(Scaled(number, count, FAN_TASKS / finished.seconds, shares))
            fleet.use_cores(available, pids)
    return found


async def measure_changes(
    executions: Executions, client: Client, state: Mapping[str, Any], folder: Path
) -> list[Moves]:
    """Run chains while a worker joins, and while one leaves."""
    async with AsyncExitStack() as stack:
        running = asyncio.gather(*(executions.run(CHAIN) for _ in range(CHAINS)))
        await asyncio.sleep(SETTLE_SECONDS)
        joined = await stack.enter_async_context(fleet.worker(client, state, folder / "joins"))
        after_join = await _moves(client, await running)
        leaving = fleet.identity(joined.pid)
        running = asyncio.gather(*(executions.run(CHAIN) for _ in range(CHAINS)))
        await asyncio.sleep(SETTLE_SECONDS)
    after_leave = await _moves(client, await running, leaving)
    return [Moves("a worker joins", CHAINS, after_join), Moves("a worker leaves", CHAINS, after_leave)]


async def _moves(client: Client, runs: Sequence[Finished], leaving: str = "") -> int:
    moves = 0
    for run in runs:
        started = [
            event.workflow_task_started_event_attributes.identity
            for event in await events(client, run.id)
            if event.HasField("workflow_task_started_event_attributes")
        ]
        moves += sum(a not in (b, leaving) for a, b in itertools.pairwise(started))
    return moves


async def _shares(client: Client, run: identifier_pb2.WorkflowExecutionIdentifier) -> list[int]:
    types: dict[int, str] = {}
    by_worker: Counter[str] = Counter()
    for event in await events(client, run):
        if event.HasField("activity_task_scheduled_event_attributes"):
            types[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
        elif event.HasField("activity_task_started_event_attributes"):
            attributes = event.activity_task_started_event_attributes
            by_worker[attributes.identity] += types[attributes.scheduled_event_id] == "run_task"
    return sorted(by_worker.values(), reverse=True)


async def events(client: Client, run: identifier_pb2.WorkflowExecutionIdentifier) -> Sequence[HistoryEvent]:
    """Return the history of an execution."""
    handle = client.get_workflow_handle(naming.temporal_workflow_id(run))
    return (await handle.fetch_history()).events
