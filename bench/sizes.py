"""Sizes that Flyte refuses or that slow it down: time, length of the longest history, memory afterwards.

The leaves inside one dynamic task are the shapes of Flyte's public benchmark. In shapes that hold nodes, all of them
sleep at the same time; the time over their sleep is the engine's.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio.client import Client

from bench import histories, processes
from bench.executions import MAX_PARALLELISM, Executions, Finished, Inputs

SIZES, LARGE = "bench.flows.sizes", "bench.flows.large"
LEAF = timedelta(milliseconds=100)


@dataclass(frozen=True, slots=True)
class Shape:
    """``runs`` executions of a workflow at once; ``sleep`` is the minimum duration of each."""

    name: str
    workflow: str
    inputs: Inputs = field(default_factory=dict)
    runs: int = 1
    sleep: timedelta = timedelta()
    published: str = ""


@dataclass(frozen=True, slots=True)
class Size:
    """The figures of a shape. Memory is resident memory, child processes included."""

    name: str
    seconds: float
    published: str
    histories: int
    longest_events: int
    longest_bytes: int
    worker_mib: float
    admin_mib: float
    page_seconds: float
    """To list the first page of nodes: of those below the first node if it has any, else of the top level."""
    page_nodes: int


def _leaves(count: int, duration: timedelta) -> Inputs:
    return {"leaves": count, "duration": duration}


def _fan(leaves: int, published: str = "") -> Shape:
    inputs = _leaves(leaves, LEAF)
    return Shape(f"fan-out of {leaves:,} core-sleep leaves", f"{SIZES}.fan_out_wf", inputs, 1, LEAF, published)


def _chained(leaves: int, published: str = "") -> Shape:
    inputs = _leaves(leaves, LEAF)
    name = f"chain of {leaves:,} core-sleep leaves"
    return Shape(name, f"{SIZES}.chained_wf", inputs, 1, leaves * LEAF, published)


def _held(leaves: int, seconds: int) -> Shape:
    sleep = timedelta(seconds=seconds)
    inputs = _leaves(leaves, sleep)
    name = f"{leaves:,} core-sleep leaves held for {seconds} s"
    return Shape(name, f"{SIZES}.fan_out_wf", inputs, 1, sleep, "out of memory" if leaves > 1000 else "")


def _runs(runs: int) -> Shape:
    inputs = _leaves(100, LEAF)
    return Shape(f"{runs} runs of 100 core-sleep leaves", f"{SIZES}.fan_out_wf", inputs, runs, LEAF)


SHAPES = (
    _fan(100),
    _fan(1000, "126 s"),
    _fan(6000, "699 s"),
    _chained(100, "66 s"),
    _chained(500),
    _held(1000, 10),
    _held(10_000, 30),
    _held(40_000, 120),
    _runs(10),
    _runs(100),
    Shape("map of 1,000 Python tasks", f"{SIZES}.mapped", {"count": 1000}),
    Shape("map of 10,000 Python tasks", f"{SIZES}.mapped", {"count": 10_000}),
    Shape("map of 100,000 echo elements", f"{SIZES}.mapped_echo", {"count": 100_000}),
    Shape("map of 100,000 core-sleep elements", f"{SIZES}.mapped_naps", {"count": 100_000}),
    Shape("recursive dynamic, depth 8 (merge sort of 256)", f"{SIZES}.sort_wf", {"count": 256, "depth": 8}),
    Shape("static workflow of 10,000 echo nodes", f"{LARGE}.echo_fan_10000", published="refused"),
    Shape("chain of 5,000 echo nodes", f"{LARGE}.echo_chain_5000", published="refused"),
)


async def measure(executions: Executions, client: Client, running: Mapping[str, int], shape: Shape) -> Size:
    """Run a shape and measure it. Its sleep does not count as time."""
    leaves = shape.inputs.get("leaves", 0)
    parallelism = max(MAX_PARALLELISM, leaves if isinstance(leaves, int) else 0)
    started = time.perf_counter()
    runs = (
        executions.run(
            shape.workflow, shape.inputs, max_parallelism=parallelism if shape.runs == 1 else MAX_PARALLELISM
        )
        for _ in range(shape.runs)
    )
    finished = await asyncio.gather(*runs)
    seconds = time.perf_counter() - started - shape.sleep.total_seconds()
    found = await histories.lengths(client, [run.id for run in finished])
    sizes = processes.megabytes(running)
    page_seconds, page_nodes = await _first_page(executions, finished[0])
    return Size(
        name=shape.name,
        seconds=seconds,
        published=shape.published,
        histories=found.runs,
        longest_events=found.events,
        longest_bytes=found.size_bytes,
        worker_mib=sizes["worker"],
        admin_mib=sizes["admin"],
        page_seconds=page_seconds,
        page_nodes=page_nodes,
    )


async def _first_page(executions: Executions, finished: Finished) -> tuple[float, int]:
    below = await executions.page_of_nodes(finished, "n0")
    return below if below[1] else await executions.page_of_nodes(finished)
