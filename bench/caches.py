"""Cached runs, and the catalog by itself: puts and gets per second, and lookups among ten million artifacts."""

import asyncio
import random
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import psycopg
from flyteidl.core import literals_pb2
from flyteidl.datacatalog import datacatalog_pb2 as datacatalog

from bench import bare, processes, table
from bench.executions import DOMAIN, PROJECT, Executions
from bench.table import Row
from flytetemporal.rpc.catalog_client import CatalogClient

CACHED = "bench.flows.cached_tasks"
AT_ONCE = 32
CALLS = 1000
LOOKUPS = 2000
DATASETS = 1000
ROWS_OF_A_WRITE = 5000


async def rows(state: dict[str, Any], executions: Executions, yardstick: bare.Bare, artifacts: int) -> list[Row]:
    """Measure everything that this module is about; ``artifacts``: how many the catalog holds for the lookups."""
    found = await _runs(state, executions, yardstick)
    client = CatalogClient(state["grpc_endpoint"])
    found += await _calls(client)
    taken = await load(state["database_url"], artifacts, await _file(state))
    table.show_progress(f"{artifacts:,} artifacts loaded in {taken:.0f} s")
    found.append(Row(f"p95 of a lookup among {artifacts:,}", await _lookup(client, artifacts), "ms", "<= 20 ms"))
    await client.close()
    return found


async def _runs(state: dict[str, Any], executions: Executions, yardstick: bare.Bare) -> list[Row]:
    """Measure runs in which every node is a hit."""
    await executions.run(f"{CACHED}.chain_100")
    before = _cpu(state)
    chain = await executions.median(f"{CACHED}.chain_100", warm_up=0)
    spent = (_cpu(state) - before) / 300
    local = await yardstick.median(bare.BareLocal, 100)
    table.show_progress(f"cached chain: {10 * chain:.1f} ms and {1000 * spent:.1f} ms of CPU per node")
    fan = await executions.median(f"{CACHED}.fan_1000", repeat=1)
    return [
        Row("cached chain of 100, per node", 10 * chain, "ms", "<= 10 ms", bare=10 * local),
        Row("cached chain of 100, CPU of the stack per node", 1000 * spent, "ms"),
        Row("cached fan-out of 1,000", fan, "s", "<= 3 s"),
    ]


async def _calls(client: CatalogClient) -> list[Row]:
    """Measure puts, as workers make them (an artifact and its tag), and gets, ``AT_ONCE`` at a time."""
    dataset = datacatalog.DatasetID(project=PROJECT, domain=DOMAIN, name=f"bench-{uuid.uuid4()}", version="1")
    await client.create_dataset(datacatalog.Dataset(id=dataset))

    async def put(number: int) -> None:
        artifact = datacatalog.Artifact(id=str(uuid.uuid4()), dataset=dataset, data=[_data(number)])
        await client.create_artifact(artifact)
        await client.add_tag(datacatalog.Tag(name=f"tag-{number}", artifact_id=artifact.id, dataset=dataset))

    async def get(number: int) -> None:
        await client.tagged(dataset, f"tag-{number}")

    return [
        Row("catalog put", CALLS / await _seconds(put), "calls/s"),
        Row("catalog get", CALLS / await _seconds(get), "calls/s"),
    ]


async def _seconds(call: Callable[[int], Awaitable[None]]) -> float:
    """Return the seconds of ``CALLS`` calls."""
    numbers = iter(range(CALLS))

    async def lane() -> None:
        for number in numbers:
            await call(number)

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(lane())
    return time.perf_counter() - started


async def _lookup(client: CatalogClient, artifacts: int) -> float:
    """Return the 95th percentile of lookups of random artifacts one after the other, in milliseconds."""
    taken = []
    for _ in range(LOOKUPS):
        number = random.randrange(artifacts)
        started = time.perf_counter()
        await client.tagged(_dataset(number % DATASETS), _tag(number // DATASETS))
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.quantiles(taken, n=20)[-1]


async def _file(state: dict[str, Any]) -> str:
    """Return the file of an artifact: all those that are loaded have the same."""
    async with await psycopg.AsyncConnection.connect(_address(state["database_url"])) as connection:
        cursor = await connection.execute("SELECT data_uri FROM catalog_artifacts ORDER BY id DESC LIMIT 1")
        row = await cursor.fetchone()
    assert row is not None
    return str(row[0])


async def load(database_url: str, artifacts: int, file: str) -> float:
    """Fill the catalog with ``artifacts`` artifacts by COPY; return the seconds.

    The rows come in the order of the indexes, so each index grows at its end: ten million take a few minutes.
    """
    started = time.perf_counter()
    async with await psycopg.AsyncConnection.connect(_address(database_url), autocommit=True) as connection:
        cursor = await connection.execute("SELECT coalesce(max(id), 0) FROM catalog_artifacts")
        first = int((await cursor.fetchone() or (0,))[0]) + 1
        names = [f"{PROJECT}\t{DOMAIN}\t{_name(number)}\t1-a-b\t\t{{}}\t{{}}\n" for number in range(DATASETS)]
        columns = "project, domain, name, version, uuid, key_map, partition_keys"
        await _copy(connection, f"catalog_datasets ({columns})", iter(names))
        cursor = await connection.execute("SELECT max(id) FROM catalog_datasets")
        last_dataset = int((await cursor.fetchone() or (0,))[0])
        numbers = range(artifacts)
        size = artifacts // DATASETS

        def of_dataset(number: int) -> int:
            return last_dataset - DATASETS + 1 + number // size

        await _copy(
            connection,
            "catalog_artifacts (id, dataset_id, artifact_id, data_uri, key_map)",
            (f"{first + n}\t{of_dataset(n)}\t{n:036d}\t{file}\t{_key_map(n)}\n" for n in numbers),
        )
        await _copy(
            connection,
            "catalog_tags (dataset_id, tag_name, artifact)",
            (f"{of_dataset(n)}\t{_tag(n % size)}\t{first + n}\n" for n in numbers),
        )
        await connection.execute(
            "SELECT setval(pg_get_serial_sequence('catalog_artifacts', 'id'), (SELECT max(id) FROM catalog_artifacts))"
        )
        await connection.execute("VACUUM ANALYZE catalog_artifacts, catalog_tags, catalog_datasets")
    return time.perf_counter() - started


async def _copy(connection: psycopg.AsyncConnection[Any], into: str, lines: Iterator[str]) -> None:
    async with connection.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN".encode()) as copy:
        while some := [line for _, line in zip(range(ROWS_OF_A_WRITE), lines, strict=False)]:
            await copy.write("".join(some))


def _cpu(state: dict[str, Any]) -> float:
    return sum(processes.cpu_seconds(pid) for pid in state["processes"].values())


def _address(database_url: str) -> str:
    return database_url.replace("+psycopg", "")


def _name(number: int) -> str:
    return f"flyte_task-bench{number:06d}"


def _dataset(number: int) -> datacatalog.DatasetID:
    return datacatalog.DatasetID(project=PROJECT, domain=DOMAIN, name=_name(number), version="1-a-b")


def _tag(number: int) -> str:
    return f"flyte_cached-{number:043d}"


def _key_map(number: int) -> str:
    execution = f'"execution-name": "bench{number // 10:012d}", "exec-node": "n0", "exec-attempt": "0"'
    return f'{{"exec-project": "{PROJECT}", "exec-domain": "{DOMAIN}", "task-version": "v1", {execution}}}'


def _data(number: int) -> datacatalog.ArtifactData:
    scalar = literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=number))
    return datacatalog.ArtifactData(name="o0", value=literals_pb2.Literal(scalar=scalar))
