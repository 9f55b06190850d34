"""Python tasks: how many run per second, and the CPU and memory that each costs.

Each shape is measured three times in one run: here, with a process pool on bare Temporal (``pool``), and with a loop of
forks (``fork_loop``). A profile is a run of one shape under py-spy.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.client import Client

from bench import fork_loop, pool, processes
from bench.executions import Executions, Inputs

SAMPLE_SECONDS = 0.1
PROFILE_STARTUP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Shape:
    """A workflow of ``count`` trivial tasks."""

    name: str
    title: str
    module: str
    workflow: str
    count: int
    parallel: bool
    inputs: Inputs = field(default_factory=dict)
    map_batch: int = 0

    async def run(self, executions: Executions) -> float:
        """Run the workflow; return the seconds."""
        finished = await executions.run(f"{self.module}.{self.workflow}", self.inputs, map_batch=self.map_batch)
        return finished.seconds


@dataclass(frozen=True, slots=True)
class Cost:
    """What the tasks of a shape cost, measured by the client."""

    per_second: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Measured:
    """The costs of a shape; ``private_mib`` is the most memory that a task's process did not share."""

    name: str
    title: str
    ours: Cost
    pool: Cost
    forks: Cost
    private_mib: float


def _shapes(kind: str, title: str) -> tuple[Shape, ...]:
    module = f"bench.flows.{kind}_tasks"
    thousand = {"count": 1000}
    return (
        Shape(f"{kind}-chain-50", f"chain of 50, {title}", module, "chain_50", 50, False),
        Shape(f"{kind}-fan-500", f"fan-out of 500, {title}", module, "fan_500", 500, True),
        Shape(f"{kind}-map-1000", f"map of 1,000, {title}", module, "map_tasks", 1000, True, thousand),
        Shape(f"{kind}-batches-1000", f"the same in batches, {title}", module, "map_tasks", 1000, True, thousand, 100),
    )


SHAPES = (*_shapes("python", "no import"), *_shapes("pandas", "pandas at import"))


async def measure(executions: Executions, client: Client, state: dict[str, Any], shape: Shape) -> Measured:
    """Measure a shape, after one run that does not count."""
    worker = state["processes"]["worker"]
    async with _largest_private(worker) as largest:
        await shape.run(executions)
    cpu = processes.cpu_seconds(worker)
    ours = _cost(shape, await shape.run(executions), processes.cpu_seconds(worker) - cpu)
    forked = await fork_loop.measure(shape.module, shape.count, (os.cpu_count() or 1) if shape.parallel else 1)
    return Measured(
        name=shape.name,
        title=shape.title,
        ours=ours,
        pool=await _pool(client, state["temporal_address"], shape),
        forks=_cost(shape, forked.seconds, forked.cpu_seconds),
        private_mib=largest[0],
    )


async def profile(executions: Executions, state: dict[str, Any], shape: Shape, file: Path) -> None:
    """Write a flame graph of the worker and its processes while the shape runs."""
    await shape.run(executions)
    spy = str(Path(sys.executable).with_name("py-spy"))
    options = ["--subprocesses", "--format", "flamegraph", "--rate", "200", "--output", str(file)]
    recorder = await asyncio.create_subprocess_exec(
        spy, "record", "--pid", str(state["processes"]["worker"]), *options, stdout=asyncio.subprocess.DEVNULL
    )
    await asyncio.sleep(PROFILE_STARTUP_SECONDS)
    await shape.run(executions)
    recorder.send_signal(signal.SIGINT)
    await recorder.wait()


async def _pool(client: Client, address: str, shape: Shape) -> Cost:
    async with pool.worker(address) as pid:
        await pool.run(client, shape.count, parallel=shape.parallel)
        cpu, started = processes.cpu_seconds(pid), time.perf_counter()
        await pool.run(client, shape.count, parallel=shape.parallel)
        return _cost(shape, time.perf_counter() - started, processes.cpu_seconds(pid) - cpu)


def _cost(shape: Shape, seconds: float, cpu_seconds: float) -> Cost:
    return Cost(shape.count / seconds, 1000 * cpu_seconds / shape.count)


@asynccontextmanager
async def _largest_private(pid: int) -> AsyncIterator[list[float]]:
    """Sample the memory of task processes while the block runs; the list holds the maximum in MiB."""
    found = [0.0]

    async def sample() -> None:
        while True:
            found[0] = max(found[0], await asyncio.to_thread(processes.largest_private_megabytes, pid))
            await asyncio.sleep(SAMPLE_SECONDS)

    sampler = asyncio.create_task(sample())
    try:
        yield found
    finally:
        sampler.cancel()
