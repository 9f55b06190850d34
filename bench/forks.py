"""Recoveries and forks of a large run: how long a client waits until the first node really runs."""

import statistics
import time
from collections.abc import Awaitable, Callable

from bench.executions import ExecutionId, Executions
from bench.table import Row

WORKFLOW = "bench.flows.failing.fan_1000_failing"
# It runs after the thousand nodes that are reused.
LAST = "n1000"
REPEAT = 3


async def rows(executions: Executions) -> list[Row]:
    """Measure both, on a run of 1,000 nodes whose last one has failed."""
    source = await executions.fail(WORKFLOW)
    recovery = await _median(executions, lambda: executions.recover(source))
    fork = await _median(executions, lambda: executions.fork(source))
    return [
        Row("recovery of 1,000 nodes, until the first that runs", recovery, "s", "<= 3 s"),
        Row("fork of 1,000 nodes, until the first that runs", fork, "s", "<= 3 s"),
    ]


async def _median(executions: Executions, launch: Callable[[], Awaitable[ExecutionId]]) -> float:
    taken = []
    for _ in range(REPEAT):
        started = time.perf_counter()
        await executions.until_it_runs(await launch(), LAST)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)
