"""``make bench``: start a stack, measure, print the tables. ``--only PART`` measures one part.

``--profile NAME`` runs one shape of ``tasks`` and writes a flame graph instead.
"""

import argparse
import asyncio
import gzip
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
from flyteidl.admin import common_pb2
from flyteidl.core import identifier_pb2
from flyteidl.service import admin_pb2_grpc
from temporalio.client import Client

from bench import (
    backfills,
    bare,
    caches,
    deaths,
    forks,
    processes,
    registration,
    retention,
    scale,
    schedules,
    sizes,
    table,
    tasks,
)
from bench.executions import DOMAIN, PROJECT, Executions
from bench.table import Row
from flytetemporal.activities.offloading import Limits
from flytetemporal.activities.slots import AttemptSlots
from flytetemporal.activities.tasks import TaskActivities
from flytetemporal.cli.wiring import plugins
from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.contracts import payloads
from flytetemporal.contracts.v1 import events_pb2, execution_pb2, graph_pb2
from flytetemporal.storage.blobs import BlobStore
from scripts import background_stack

RESULTS = registration.ROOT / ".state" / "bench.json"
VERSION = "bench"
ENGINE, PYTHON = "bench.flows.engine_only", "bench.flows.python_tasks"
NAP_SECONDS = 0.1
PARTS = ("speed", "cache", "tasks", "sizes", "scale", "deaths", "schedules", "backfill", "retention")


class Silent:
    """Discards events: bare workflows have no admin."""

    async def record_events(self, events: Sequence[events_pb2.Event], *, tentative: bool = False) -> None:
        """Discard the events."""


def main() -> None:
    """Measure everything once; print the figures and write them to .state/bench.json."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure speed and sizes, next to a bare Temporal workflow."
    )
    parser.add_argument("--only", choices=PARTS, help="measure one part only")
    help_text = "artifacts among which the cache part looks up"
    parser.add_argument("--artifacts", type=int, default=10_000_000, help=help_text)
    help_text = "active schedules of the schedules part; a tenth as many fire in the same minute"
    parser.add_argument("--schedules", type=int, default=schedules.ACTIVE, help=help_text)
    parser.add_argument("--runs", type=int, default=backfills.RUNS, help="executions of the backfill part")
    help_text = "executions that the retention part removes"
    parser.add_argument("--removals", type=int, default=retention.EXECUTIONS, help=help_text)
    names = [shape.name for shape in tasks.SHAPES]
    parser.add_argument("--profile", metavar="NAME", choices=names, help="write a flame graph of a shape")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flytetemporal-bench-") as scratch:
        started = time.perf_counter()
        with background_stack.running(Path(scratch) / "home") as state:
            ready = time.perf_counter() - started
            registration.register(state, VERSION)
            if chosen.profile:
                asyncio.run(write_profile(state, chosen.profile))
                return
            measure(state, Path(scratch), chosen, ready)


def measure(state: dict[str, Any], scratch: Path, chosen: argparse.Namespace, ready: float) -> None:
    """Measure all parts, or one, in the sizes of the command line, and show the figures."""
    only: str | None = chosen.only
    before = processes.megabytes(state["processes"])
    rows = asyncio.run(measure_speed(state, scratch)) if only in (None, "speed") else []
    rows += asyncio.run(measure_cache(state, chosen.artifacts)) if only in (None, "cache") else []
    costs = asyncio.run(measure_tasks(state)) if only in (None, "tasks") else []
    found = asyncio.run(measure_sizes(state)) if only in (None, "sizes") else []
    scaled = asyncio.run(measure_scale(state, scratch)) if only in (None, "scale") else ([], [])
    rows += asyncio.run(measure_deaths(state, scratch)) if only in (None, "deaths") else []
    rows += asyncio.run(measure_schedules(state, chosen.schedules)) if only in (None, "schedules") else []
    rows += asyncio.run(backfills.rows(state, VERSION, chosen.runs)) if only in (None, "backfill") else []
    # The last part: it ends the loop of retention.
    rows += asyncio.run(retention.rows(state, VERSION, chosen.removals)) if only in (None, "retention") else []
    after = processes.megabytes(state["processes"])
    # Printed before the cleanup of the stack, which takes a while with so many files.
    rows.append(Row("dev ready, first start", ready, "s", "<= 5 s", "minutes"))
    report = table.Report(rows, costs, found, *scaled, memory={name: (before[name], after[name]) for name in before})
    report.show()
    report.save(RESULTS)
    print(f"JSON: {RESULTS.relative_to(registration.ROOT)}")


async def write_profile(state: dict[str, Any], name: str) -> None:
    """Write a flame graph of the shape ``name``."""
    [shape] = [shape for shape in tasks.SHAPES if shape.name == name]
    executions = Executions(state["grpc_endpoint"], VERSION)
    file = RESULTS.with_name(f"{name}.svg")
    file.parent.mkdir(exist_ok=True)
    await tasks.profile(executions, state, shape, file)
    await executions.close()
    print(f"flame graph: {file.relative_to(registration.ROOT)}")


async def measure_speed(state: dict[str, Any], scratch: Path) -> list[Row]:
    """Return the rows that compare with bare Temporal workflows."""
    client = await Client.connect(state["temporal_address"], data_converter=payloads.DATA_CONVERTER)
    executions = Executions(state["grpc_endpoint"], VERSION)
    blobs = BlobStore(f"{scratch}/bare/store")
    settings = WorkerSettings(work_dir=f"{scratch}/bare/work", admin_endpoint=state["grpc_endpoint"])
    registry = plugins.registry(settings, StorageSettings(root=blobs.root), blobs)
    max_tasks = 2 * (os.cpu_count() or 1)
    slots = AttemptSlots(max_tasks, settings.max_watched)
    attempts = TaskActivities(blobs, Silent(), registry, slots, Limits.of(settings))
    attempt = await bare_attempt(state["grpc_endpoint"], blobs)
    await executions.run(f"{PYTHON}.hello")
    async with bare.workers(client, attempts.all(), max_tasks) as yardstick:
        rows = [
            *await engine_rows(executions, yardstick),
            *await task_rows(executions, yardstick, attempt),
            *await other_rows(state, executions, yardstick),
            *await forks.rows(executions),
        ]
    await executions.close()
    return rows


async def measure_cache(state: dict[str, Any], artifacts: int) -> list[Row]:
    """Return the rows of cached runs and of the catalog."""
    client = await Client.connect(state["temporal_address"], data_converter=payloads.DATA_CONVERTER)
    executions = Executions(state["grpc_endpoint"], VERSION)
    async with bare.workers(client, [bare.add], 1) as yardstick:
        rows = await caches.rows(state, executions, yardstick, artifacts)
    await executions.close()
    return rows


async def measure_tasks(state: dict[str, Any]) -> list[tasks.Measured]:
    """Measure every shape of ``tasks``."""
    client = await Client.connect(state["temporal_address"])
    executions = Executions(state["grpc_endpoint"], VERSION)
    found = []
    for shape in tasks.SHAPES:
        found.append(await tasks.measure(executions, client, state, shape))
        table.show_progress(shape.title)
    await executions.close()
    return found


async def measure_sizes(state: dict[str, Any]) -> list[sizes.Size]:
    """Measure every shape of ``sizes``."""
    client = await Client.connect(state["temporal_address"])
    executions = Executions(state["grpc_endpoint"], VERSION)
    await executions.run(f"{PYTHON}.hello")
    found = []
    for shape in sizes.SHAPES:
        found.append(await sizes.measure(executions, client, state["processes"], shape))
        table.show_progress(f"{shape.name}: {found[-1].seconds:.1f} s")
    await executions.close()
    return found


async def measure_scale(state: dict[str, Any], scratch: Path) -> tuple[list[scale.Scaled], list[scale.Moves]]:
    """Measure several workers, on one core and on two, and while one joins or leaves."""
    client = await Client.connect(state["temporal_address"])
    executions = Executions(state["grpc_endpoint"], VERSION)
    scaled = await scale.measure(executions, client, state, scratch)
    moves = await scale.measure_changes(executions, client, state, scratch)
    await executions.close()
    return scaled, moves


async def measure_schedules(state: dict[str, Any], active: int) -> list[Row]:
    """Return the rows of many active schedules, and of a tenth as many that fire at once."""
    return await schedules.rows(state, f"{ENGINE}.echo_diamond", VERSION, active=active, firing=active // 10)


async def measure_deaths(state: dict[str, Any], scratch: Path) -> list[Row]:
    """Measure how long the runs of a killed worker stand still."""
    client = await Client.connect(state["temporal_address"])
    executions = Executions(state["grpc_endpoint"], VERSION)
    stood = await deaths.measure(executions, client, state, scratch)
    await executions.close()
    return [
        Row("standstill after kill -9 of a worker, median", statistics.median(stood), "s", "<= 5 s"),
        Row("standstill after kill -9 of a worker, maximum", max(stood), "s", ""),
    ]


async def engine_rows(executions: Executions, yardstick: bare.Bare) -> list[Row]:
    """Measure tasks without a container."""
    chain_100 = await executions.median(f"{ENGINE}.echo_chain_100")
    chain_500 = await executions.median(f"{ENGINE}.echo_chain_500")
    fan = await executions.median(f"{ENGINE}.echo_fan_1000")
    naps = await executions.median(f"{ENGINE}.sleep_chain_100")
    bare_naps = await yardstick.median(bare.BareTimers, 100, NAP_SECONDS, False)
    nap_fan = await executions.median(f"{ENGINE}.sleep_fan_1000")
    bare_nap_fan = await yardstick.median(bare.BareTimers, 1000, NAP_SECONDS, True)
    nothing = await yardstick.median(bare.BareNothing)
    return [
        Row("chain of 100 echo, per node", chain_100 / 100, "s", "<= 0.005 s", "0.15 s"),
        Row("chain of 500 echo, per node", chain_500 / 500, "s", "<= 0.005 s", "0.37 s"),
        Row("fan-out of 1,000 echo", fan, "s", "<= 2 s", "83 s"),
        Row("chain of 100 core-sleep, per node over the sleep", naps / 100 - NAP_SECONDS, "s", "<= 0.03 s", "0.66 s",
            bare_naps / 100 - NAP_SECONDS),
        Row("fan-out of 1,000 core-sleep", nap_fan, "s", "<= 5 s", "126 s", bare_nap_fan),
        Row("empty workflow (bare only)", nothing, "s"),
    ]  # fmt: skip


async def task_rows(executions: Executions, yardstick: bare.Bare, attempt: execution_pb2.TaskAttempt) -> list[Row]:
    """Measure real Python tasks, against a bare workflow that runs the same activity."""
    hello = await executions.median(f"{PYTHON}.hello", repeat=5)
    chain = await executions.median(f"{PYTHON}.chain_50", repeat=1)
    bare_chain = await yardstick.median(bare.BareTasks, attempt, 50, False, repeat=1)
    fan = await executions.median(f"{PYTHON}.fan_500", repeat=1)
    bare_fan = await yardstick.median(bare.BareTasks, attempt, 500, True, repeat=1)
    return [
        Row("one warm hello-world, request to SUCCEEDED", hello, "s", "<= 0.5 s", "8-10 s (pod)"),
        Row("chain of 50 Python tasks, per task", chain / 50, "s", bare=bare_chain / 50),
        Row("fan-out of 500 Python tasks", 500 / fan, "tasks/s", "ratio >= 0.8", bare=500 / bare_fan),
    ]


async def other_rows(state: dict[str, Any], executions: Executions, yardstick: bare.Bare) -> list[Row]:
    """Measure many executions at once, and registration."""
    await executions.all_at_once(f"{ENGINE}.echo_diamond", 20)
    many = await executions.all_at_once(f"{ENGINE}.echo_diamond", 200)
    bare_many = await yardstick.all_at_once(bare.BareNothing, 200)
    taken = await registration.seconds(state["grpc_endpoint"], workflow_id(f"{ENGINE}.echo_fan_1000"))
    large = await registration.seconds(state["grpc_endpoint"], workflow_id(f"{sizes.LARGE}.echo_fan_10000"))
    return [
        Row("200 executions of 5 nodes at once", 200 / many, "executions/s", bare=200 / bare_many),
        Row("registration of a 1,000-node workflow", taken, "s", "<= 1 s", "0.9 s"),
        Row("registration of a 10,000-node workflow", large, "s", "", "refused"),
    ]


def workflow_id(name: str) -> identifier_pb2.Identifier:
    """Return the id of a registered workflow."""
    return identifier_pb2.Identifier(
        resource_type=identifier_pb2.WORKFLOW, project=PROJECT, domain=DOMAIN, name=name, version=VERSION
    )


async def bare_attempt(endpoint: str, blobs: BlobStore) -> execution_pb2.TaskAttempt:
    """Return an attempt of the registered ``add`` task that can run without an execution."""
    identifier = identifier_pb2.Identifier(
        resource_type=identifier_pb2.TASK, project=PROJECT, domain=DOMAIN, name=f"{PYTHON}.add", version=VERSION
    )
    async with grpc.aio.insecure_channel(endpoint) as channel:
        task = await admin_pb2_grpc.AdminServiceStub(channel).GetTask(common_pb2.ObjectGetRequest(id=identifier))
    templates = graph_pb2.TaskTemplates(tasks=[task.closure.compiled_task.template])
    data = gzip.compress(templates.SerializeToString(), mtime=0)
    digest = hashlib.sha256(data).hexdigest()
    uri = f"{blobs.root}/{digest}"
    await blobs.write(uri, data)
    attempt = execution_pb2.TaskAttempt(
        tasks=execution_pb2.ContentReference(uri=uri, sha256=digest, size_bytes=len(data)),
        data_dir=f"{blobs.root}/data",
        output_dir=f"{blobs.root}/out",
        raw_output_dir=f"{blobs.root}/raw",
    )
    for name in ("a", "b"):
        attempt.inputs.literals.literals[name].scalar.primitive.integer = 1
    execution_id = identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name="bare")
    attempt.node_event.id.CopyFrom(identifier_pb2.NodeExecutionIdentifier(node_id="n0", execution_id=execution_id))
    return attempt


if __name__ == "__main__":
    main()
