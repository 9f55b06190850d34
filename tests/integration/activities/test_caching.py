"""Attempts of cached tasks, with a catalog that is served over gRPC."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgpack
import pytest
import pytest_asyncio
from flyteidl.core import catalog_pb2, interface_pb2, literals_pb2, tasks_pb2, types_pb2
from flyteidl.datacatalog import datacatalog_pb2 as dc
from flytekit.configuration import ImageConfig, SerializationSettings
from pydantic import SecretStr
from sqlalchemy import URL, func, select

from flytetemporal.activities.caching import single_flight
from flytetemporal.activities.caching.dynamic_outputs import DynamicOutputs
from flytetemporal.activities.offloading import Limits
from flytetemporal.activities.tasks import TaskActivities
from flytetemporal.catalog import policies
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.catalog.models import ArtifactRow
from flytetemporal.cli.dev import ports
from flytetemporal.cli.wiring import control_plane
from flytetemporal.config.admin import AdminSettings
from flytetemporal.config.catalog import CatalogSettings
from flytetemporal.config.database import DatabaseSettings
from flytetemporal.contracts.v1 import arrays_pb2, cache_operations_pb2, caching_pb2, execution_pb2
from flytetemporal.db import session
from flytetemporal.idl import cache_keys
from flytetemporal.plugins.protocol import TaskPhase
from flytetemporal.rpc import server
from flytetemporal.rpc.catalog_client import CatalogClient
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.workflows.nodes import element_batches
from tests.fixtures.postgres import TEMPLATE, execute
from tests.fixtures.task_attempts import Bench, integer, mapped, sample, text
from tests.fixtures.waiting import bounded, eventually
from tests.integration.activities import test_array_jobs as array_jobs

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIMITS = Limits(least=64 * 1024)


@pytest.fixture(scope="module")
def catalog_database(migrated: URL) -> Iterator[DatabaseSettings]:
    name = f"cached_{secrets.token_hex(6)}"
    execute(migrated, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    url = migrated.set(database=name).render_as_string(hide_password=False)
    yield DatabaseSettings(url=SecretStr(url))
    execute(migrated, f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def catalog(
    catalog_database: DatabaseSettings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Catalog]:
    engine, sessions = session.open(catalog_database)
    yield Catalog(sessions, BlobStore(str(tmp_path_factory.mktemp("catalog"))), CatalogSettings())
    await engine.dispose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(catalog: Catalog) -> AsyncIterator[CatalogClient]:
    settings = AdminSettings(grpc_port=ports.free())
    served = server.grpc_server(control_plane.catalog_methods(catalog), settings)
    await served.start()
    opened = CatalogClient(f"127.0.0.1:{settings.grpc_port}")
    yield opened
    await opened.close()
    await served.stop(None)


@pytest_asyncio.fixture(loop_scope="module")
async def cached(bench: Bench, client: CatalogClient) -> AsyncIterator[Bench]:
    with using(bench, client):
        yield bench


@contextlib.contextmanager
def using(bench: Bench, client: CatalogClient) -> Iterator[Bench]:
    before = bench.tasks
    bench.tasks = TaskActivities(bench.blobs, bench.sink, bench.registry, bench.slots, LIMITS, client)
    yield bench
    bench.tasks = before


def task(program: str = "greet", **inputs: types_pb2.LiteralType) -> tasks_pb2.TaskTemplate:
    """Return a cached task that no other test has."""
    template = sample(program)
    template.id.name = f"{program}-{secrets.token_hex(4)}"
    template.metadata.discoverable = True
    template.metadata.discovery_version = "1"
    for name, kind in inputs.items():
        template.interface.inputs.variables[name].CopyFrom(interface_pb2.Variable(type=kind))
    return template


def status(result: execution_pb2.TaskAttemptResult) -> str:
    return catalog_pb2.CatalogCacheStatus.Name(result.cache.cache_status)


async def run(bench: Bench, template: tasks_pb2.TaskTemplate, **inputs: Any) -> execution_pb2.TaskAttemptResult:
    return await bench.run(await bench.attempt(template, **(inputs or {"name": text("world")})))


def greeting(result: execution_pb2.TaskAttemptResult) -> str:
    return result.outputs.literals.literals["o0"].scalar.primitive.string_value


def dataset(template: tasks_pb2.TaskTemplate) -> dc.DatasetID:
    key = cache_keys.cache_key(template, literals_pb2.LiteralMap())
    return dc.DatasetID(project=key.project, domain=key.domain, name=key.name, version=key.version)


async def test_a_first_run_stores_its_outputs_and_names_the_key(cached: Bench) -> None:
    template = task()
    given = literals_pb2.LiteralMap(literals={"name": text("world")})

    result = await run(cached, template)

    key = cache_keys.cache_key(template, given)
    found = result.cache.catalog_key
    assert status(result) == "CACHE_POPULATED"
    assert found.dataset_id == key.dataset_id
    assert found.artifact_tag.name == key.tag
    assert len(found.artifact_tag.artifact_id) == 36
    assert not found.HasField("source_task_execution")
    assert greeting(result) == "hello world"


async def test_a_second_run_takes_them_and_runs_nothing(cached: Bench) -> None:
    template = task()
    first = await cached.attempt(template, position=2, name=text("world"))
    first.node_event.spec_node_id = "spec"
    stored = await cached.run(first)
    template.id.version = "v2"  # The version of the task is no part of the key.

    second = await cached.attempt(template, name=text("world"))
    result = await cached.run(second)

    assert status(result) == "CACHE_HIT"
    assert greeting(result) == "hello world"
    assert cached.sink.of(second) == []
    assert cached.log(second) == ""
    for name in ("inputs.pb", "0/outputs.pb"):
        assert (await cached.blobs.read_message(f"{second.data_dir}/{name}", literals_pb2.LiteralMap)).literals
    key = result.cache.catalog_key
    assert key.artifact_tag == stored.cache.catalog_key.artifact_tag
    source = key.source_task_execution
    assert source.task_id.version == "v1"
    assert source.node_execution_id.execution_id == first.node_event.id.execution_id
    assert (source.node_execution_id.node_id, source.retry_attempt) == ("spec", 2)


async def test_other_inputs_are_a_miss(cached: Bench) -> None:
    template = task()
    await run(cached, template, name=text("one"))

    result = await run(cached, template, name=text("two"))

    assert (status(result), greeting(result)) == ("CACHE_POPULATED", "hello two")


async def test_ignored_inputs_make_no_difference(cached: Bench) -> None:
    template = task()
    template.metadata.cache_ignore_input_vars.append("name")
    await run(cached, template, name=text("one"))

    result = await run(cached, template, name=text("two"))

    assert (status(result), greeting(result)) == ("CACHE_HIT", "hello one")


async def test_a_task_that_is_not_cached_says_nothing_of_the_cache(cached: Bench) -> None:
    template = task()
    template.metadata.discoverable = False

    assert not (await run(cached, template)).HasField("cache")


async def test_a_task_without_a_cache_version_runs_each_time(cached: Bench) -> None:
    template = task()
    template.metadata.discovery_version = ""

    for _ in range(2):
        result = await run(cached, template)
        assert (result.HasField("cache"), greeting(result)) == (False, "hello world")


async def test_a_failure_is_not_stored(cached: Bench) -> None:
    template = task("boom")

    for _ in range(2):
        result = await run(cached, template, message=text("no"))
        assert result.HasField("failure")
        assert not result.HasField("cache")


async def test_an_overwriting_execution_runs_and_replaces_what_is_stored(cached: Bench) -> None:
    template = task()
    first = await run(cached, template)
    second = await cached.attempt(template, name=text("world"))
    second.settings.overwrite_cache = True

    result = await cached.run(second)
    third = await run(cached, template)

    assert (status(result), status(third)) == ("CACHE_POPULATED", "CACHE_HIT")
    execution = second.node_event.id.execution_id
    for one in (result, third):
        assert one.cache.catalog_key.source_task_execution.node_execution_id.execution_id == execution
        assert one.cache.catalog_key.artifact_tag == first.cache.catalog_key.artifact_tag


async def test_an_overwriting_execution_stores_what_nobody_has_stored(cached: Bench) -> None:
    template = task()
    attempt = await cached.attempt(template, name=text("world"))
    attempt.settings.overwrite_cache = True

    assert status(await cached.run(attempt)) == "CACHE_POPULATED"
    assert status(await run(cached, template)) == "CACHE_HIT"


async def test_without_an_answer_of_the_catalog_the_task_runs(bench: Bench) -> None:
    client = CatalogClient(f"127.0.0.1:{ports.free()}")
    template = task()

    with using(bench, client):
        result = await run(bench, template)

    await client.close()
    assert (status(result), greeting(result)) == ("CACHE_LOOKUP_FAILURE", "hello world")
    assert result.cache.catalog_key.artifact_tag.name.startswith("flyte_cached-")


async def test_a_catalog_that_refuses_the_outputs_does_not_fail_the_task(cached: Bench, client: CatalogClient) -> None:
    template = task()
    await client.create_dataset(dc.Dataset(id=dataset(template), partitionKeys=["ds"]))

    result = await run(cached, template)

    assert (status(result), greeting(result)) == ("CACHE_PUT_FAILURE", "hello world")


async def put(client: CatalogClient, template: tasks_pb2.TaskTemplate, **values: literals_pb2.Literal) -> None:
    """Store an artifact that another program has made for the inputs of ``run``."""
    key = cache_keys.cache_key(template, literals_pb2.LiteralMap(literals={"name": text("world")}))
    data = [dc.ArtifactData(name=name, value=value) for name, value in values.items()]
    await client.create_dataset(dc.Dataset(id=dataset(template)))
    await client.create_artifact(dc.Artifact(id="theirs", dataset=dataset(template), data=data))
    await client.add_tag(dc.Tag(name=key.tag, artifact_id="theirs", dataset=dataset(template)))


async def test_an_entry_of_another_program_has_an_unknown_source(cached: Bench, client: CatalogClient) -> None:
    template = task()
    await put(client, template, o0=text("from elsewhere"))

    result = await run(cached, template)

    source = result.cache.catalog_key.source_task_execution
    assert (status(result), greeting(result)) == ("CACHE_HIT", "from elsewhere")
    assert source.task_id.version == source.node_execution_id.execution_id.name == "unknown"


@pytest.mark.parametrize("values", [{"o0": integer(1)}, {"other": text("x")}, {"o0": text("x"), "o1": text("y")}])
async def test_an_entry_that_does_not_fit_the_interface_is_not_used(
    cached: Bench, client: CatalogClient, values: dict[str, literals_pb2.Literal]
) -> None:
    template = task()
    await put(client, template, **values)

    assert greeting(await run(cached, template)) == "hello world"


async def test_an_entry_whose_offloaded_value_is_gone_is_replaced(cached: Bench) -> None:
    template = task("large")
    template.interface.inputs.variables["size"].type.simple = types_pb2.INTEGER
    first = await cached.attempt(template, size=integer(100_000))
    assert status(await cached.run(first)) == "CACHE_POPULATED"
    hit = await run(cached, template, size=integer(100_000))
    assert status(hit) == "CACHE_HIT"

    offloaded = Path(first.output_dir.removeprefix("file://"))
    for file in offloaded.rglob("*"):
        if file.is_file() and file.stat().st_size > 90_000:
            file.unlink()

    again, after = [await run(cached, template, size=integer(100_000)) for _ in range(2)]
    assert (status(again), status(after)) == ("CACHE_POPULATED", "CACHE_HIT")
    assert again.cache.catalog_key.artifact_tag == after.cache.catalog_key.artifact_tag


async def test_an_artifact_whose_file_is_gone_is_stored_again_under_its_key(cached: Bench, catalog: Catalog) -> None:
    template = task()
    first = await run(cached, template)
    for file in Path(catalog.blobs.root).rglob("*.pb"):
        file.unlink()

    again, after = [await run(cached, template) for _ in range(2)]

    assert [status(one) for one in (first, again, after)] == ["CACHE_POPULATED", "CACHE_POPULATED", "CACHE_HIT"]
    assert first.cache.catalog_key.artifact_tag.name == after.cache.catalog_key.artifact_tag.name


async def test_outputs_that_are_too_old_are_computed_and_stored_again(cached: Bench, catalog: Catalog) -> None:
    template = task()
    template.id.project = f"p-{secrets.token_hex(4)}"
    scope = cache_operations_pb2.CacheScope(project=template.id.project)
    policy = cache_operations_pb2.CachePolicy(scope=scope)
    policy.max_age.nanos = 1000
    first = await run(cached, template)
    assert status(await run(cached, template)) == "CACHE_HIT"
    await policies.set_policy(catalog, cache_operations_pb2.SetPolicyRequest(policy=policy))

    again = await run(cached, template)
    await policies.delete_policy(catalog, cache_operations_pb2.DeletePolicyRequest(scope=scope))
    after = await run(cached, template)

    assert [status(one) for one in (again, after)] == ["CACHE_POPULATED", "CACHE_HIT"]
    assert first.cache.catalog_key.artifact_tag.artifact_id != after.cache.catalog_key.artifact_tag.artifact_id
    assert again.cache.catalog_key.artifact_tag == after.cache.catalog_key.artifact_tag


async def test_a_dataclass_is_found_in_whatever_order_its_fields_were_set(cached: Bench) -> None:
    def packed(value: dict[str, int]) -> literals_pb2.Literal:
        data: bytes = msgpack.dumps(value)  # type: ignore[no-untyped-call]
        return literals_pb2.Literal(scalar=literals_pb2.Scalar(binary=literals_pb2.Binary(value=data, tag="msgpack")))

    template = task("shows_pair")
    first = await run(cached, template, pair=packed({"a": 1, "b": 2}))
    second = await run(cached, template, pair=packed({"b": 2, "a": 1}))
    third = await run(cached, template, pair=packed({"b": 1, "a": 2}))

    assert [greeting(one) for one in (first, second, third)] == ["1 2", "1 2", "2 1"]
    assert [status(one) for one in (first, second, third)] == ["CACHE_POPULATED", "CACHE_HIT", "CACHE_POPULATED"]


async def test_a_repeated_activity_whose_result_was_lost_ends_the_task_execution(
    cached: Bench, catalog: Catalog
) -> None:
    attempt = await cached.attempt(task(), name=text("world"))
    first = await cached.run(attempt)
    await cached.blobs.delete(f"{attempt.output_dir}/attempt.pb")
    count = select(func.count()).select_from(ArtifactRow)
    async with catalog.sessions() as rows:
        before = await rows.scalar(count)

    again = await cached.run(attempt, temporal_attempt=2)

    async with catalog.sessions() as rows:
        assert await rows.scalar(count) == before
    assert (status(again), greeting(again)) == ("CACHE_POPULATED", "hello world")
    assert again.cache.catalog_key.artifact_tag == first.cache.catalog_key.artifact_tag
    assert cached.sink.phases(attempt)[-1] == "SUCCEEDED"


async def test_of_many_that_store_at_once_the_first_wins_and_all_succeed(cached: Bench) -> None:
    template = task()
    attempts = [await cached.attempt(template, name=text("world")) for _ in range(4)]

    results = await asyncio.gather(*(cached.run(attempt) for attempt in attempts))

    assert {status(one) for one in results} <= {"CACHE_POPULATED", "CACHE_HIT"}
    assert status(await run(cached, template)) == "CACHE_HIT"


async def element(
    bench: Bench, template: tasks_pb2.TaskTemplate, index: int, *values: int
) -> execution_pb2.TaskAttempt:
    """Return an attempt of one element of a map task over ``values``."""
    attempt = await bench.attempt(template)
    chunk, shared = f"{attempt.data_dir}/chunk.pb", f"{attempt.data_dir}/shared.pb"
    numbers = literals_pb2.LiteralMap()
    numbers.literals["a"].collection.literals.extend(integer(value) for value in values)
    await bench.blobs.write_message(chunk, numbers)
    await bench.blobs.write_message(shared, literals_pb2.LiteralMap(literals={"offset": integer(100)}))
    attempt.inputs.element.CopyFrom(
        execution_pb2.ElementInputs(chunk_uri=chunk, position=index, shared_uri=shared, listed=True)
    )
    attempt.element.CopyFrom(
        execution_pb2.ArrayElement(index=index, node_id=f"n0-0-n{index}", external_id=f"x-n0-0-n{index}-0")
    )
    return attempt


def map_task() -> tasks_pb2.TaskTemplate:
    template = mapped("plus_offset", "offset")
    template.id.name = f"mapped-{secrets.token_hex(4)}"
    template.metadata.discoverable = True
    template.metadata.discovery_version = "1"
    whole = types_pb2.LiteralType(collection_type=types_pb2.LiteralType(simple=types_pb2.INTEGER))
    template.interface.outputs.variables["o0"].type.CopyFrom(whole)
    return template


async def test_elements_of_a_map_task_are_cached_one_by_one(cached: Bench) -> None:
    template = map_task()
    for index in (0, 1):
        assert status(await cached.run(await element(cached, template, index, 7, 8))) == "CACHE_POPULATED"

    attempts = [await element(cached, template, index, 8, 9) for index in (0, 1)]
    results = [await cached.run(attempt) for attempt in attempts]

    assert [status(one) for one in results] == ["CACHE_HIT", "CACHE_POPULATED"]
    for result, expected in zip(results, (108, 109), strict=True):
        outputs = await cached.blobs.read_message(result.outputs.uri, literals_pb2.LiteralMap)
        assert outputs.literals["o0"] == integer(expected)
    (event,) = cached.sink.task_events(attempts[0])  # Nothing ran, but the array shows the element.
    (resource,) = event.metadata.external_resources
    assert (resource.index, resource.external_id, resource.logs[:]) == (0, "x-n0-0-n0-0", [])
    assert resource.phase == TaskPhase.SUCCEEDED
    assert resource.cache_status == catalog_pb2.CACHE_HIT


async def run_batch(bench: Bench, attempts: list[execution_pb2.TaskAttempt]) -> arrays_pb2.ElementBatchResult:
    batch = element_batches.batch_of(attempts)
    found: arrays_pb2.ElementBatchResult = await bench.environment().run(bench.tasks.all()[1], batch)
    return found


async def test_elements_in_a_batch_are_cached_one_by_one(cached: Bench) -> None:
    template = map_task()
    before = await run_batch(cached, [await element(cached, template, index, 7, 8) for index in (0, 1)])

    found = await run_batch(cached, [await element(cached, template, index, 8, 9, 7) for index in (0, 1, 2)])

    assert [status(ended.result) for ended in before.results] == ["CACHE_POPULATED"] * 2
    assert {ended.position: status(ended.result) for ended in found.results} == {
        0: "CACHE_HIT",
        1: "CACHE_POPULATED",
        2: "CACHE_HIT",
    }


async def test_elements_whose_cache_is_serialized_do_not_share_a_process(cached: Bench) -> None:
    template = map_task()
    template.metadata.cache_serializable = True

    found = await run_batch(cached, [await element(cached, template, index, 7, 8) for index in (0, 1)])

    assert (list(found.alone), len(found.results)) == ([0, 1], 0)


async def test_a_hit_of_a_repeated_activity_closes_the_task_execution_that_was_begun(cached: Bench) -> None:
    template = task()
    await run(cached, template)
    attempt = await cached.attempt(template, name=text("world"))

    result = await cached.run(attempt, temporal_attempt=2)

    assert status(result) == "CACHE_HIT"
    assert cached.sink.phases(attempt) == ["SUCCEEDED"]


def serialized(program: str = "greet") -> tasks_pb2.TaskTemplate:
    template = task(program)
    template.metadata.cache_serializable = True
    return template


def reservation(template: tasks_pb2.TaskTemplate, **inputs: literals_pb2.Literal) -> dc.ReservationID:
    given = literals_pb2.LiteralMap(literals=inputs or {"name": text("world")})
    return dc.ReservationID(dataset_id=dataset(template), tag_name=cache_keys.cache_key(template, given).tag)


async def test_of_many_serialized_attempts_one_runs_and_the_others_take_its_outputs(cached: Bench) -> None:
    template = serialized()
    attempts = [await cached.attempt(template, name=text("world")) for _ in range(6)]

    results = await bounded(asyncio.gather(*(cached.run(attempt) for attempt in attempts)))

    assert sorted(status(one) for one in results) == [*["CACHE_HIT"] * 5, "CACHE_POPULATED"]
    assert [greeting(one) for one in results] == ["hello world"] * 6
    assert sum(bool(cached.log(attempt)) for attempt in attempts) == 1


async def test_the_next_one_computes_when_the_holder_is_gone(cached: Bench, client: CatalogClient) -> None:
    template = serialized()
    await client.reserve(reservation(template), "on a worker that has died", timedelta(milliseconds=400))

    result = await bounded(run(cached, template))

    assert status(result) == "CACHE_POPULATED"


async def test_a_waiting_attempt_takes_what_the_holder_stores(cached: Bench, client: CatalogClient) -> None:
    template = serialized()
    await client.reserve(reservation(template), "another", timedelta(seconds=10))
    attempt = await cached.attempt(template, timedelta(milliseconds=500), name=text("world"))

    started = cached.start(attempt)
    await eventually(lambda: "another attempt" in str(started.heartbeats))
    assert cached.slots._watched == 1  # Its slot is free for the holder.
    await put(client, template, o0=text("from the holder"))
    result = await bounded(started.result)

    assert (status(result), greeting(result)) == ("CACHE_HIT", "from the holder")
    assert cached.slots._watched == 0


@pytest.mark.parametrize("program", ["greet", "boom"])
async def test_a_reservation_is_given_back_after_success_and_failure(
    cached: Bench, client: CatalogClient, program: str
) -> None:
    template = serialized(program)
    given = {"name": text("world")} if program == "greet" else {"message": text("no")}

    await run(cached, template, **given)

    assert await client.reserve(reservation(template, **given), "next", timedelta(seconds=1)) == "next"


async def test_an_aborted_attempt_stops_waiting_and_one_that_holds_gives_back(
    cached: Bench, client: CatalogClient
) -> None:
    template = serialized("sleeps_with_child")
    marker = text(str(cached.folder / secrets.token_hex(4)))
    holder = cached.start(await cached.attempt(template, marker=marker))
    await eventually(lambda: Path(marker.scalar.primitive.string_value).exists())
    waiter = cached.start(await cached.attempt(template, marker=marker))
    await eventually(lambda: "another attempt" in str(waiter.heartbeats))

    for started in (waiter, holder):
        started.cancel()
        assert (await bounded(started.result)).failure.error.code == "Aborted"

    assert await client.reserve(reservation(template, marker=marker), "next", timedelta(seconds=1)) == "next"


async def test_an_overwriting_execution_waits_for_nobody(cached: Bench, client: CatalogClient) -> None:
    template = serialized()
    await client.reserve(reservation(template), "another", timedelta(seconds=10))
    attempt = await cached.attempt(template, name=text("world"))
    attempt.settings.overwrite_cache = True

    assert status(await bounded(cached.run(attempt))) == "CACHE_POPULATED"


async def test_a_holder_keeps_its_reservation_as_long_as_it_runs(
    cached: Bench, client: CatalogClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_flight, "HEARTBEAT", timedelta(milliseconds=200))
    template = serialized("sleeps_with_child")
    marker = text(str(cached.folder / secrets.token_hex(4)))
    holder = cached.start(await cached.attempt(template, marker=marker))
    await eventually(lambda: Path(marker.scalar.primitive.string_value).exists())

    for _ in range(10):  # Longer than a lease, which is three heartbeats.
        await asyncio.sleep(0.15)
        holding = await client.reserve(reservation(template, marker=marker), "next", timedelta(seconds=1))
        assert holding != "next"

    holder.cancel()
    await bounded(holder.result)


def job(script: str, version: int) -> tasks_pb2.TaskTemplate:
    """A cached task of type container_array, as array_job's tests have it: it finds its element by its index."""
    template = array_jobs.job(script, version)
    template.id.name = f"job-{secrets.token_hex(4)}"
    template.metadata.discoverable, template.metadata.discovery_version = True, "1"
    whole = types_pb2.LiteralType(collection_type=types_pb2.LiteralType(simple=types_pb2.INTEGER))
    template.interface.inputs.variables["a"].type.CopyFrom(whole)
    template.interface.outputs.variables["o0"].type.CopyFrom(whole)
    return template


async def of_job(bench: Bench, template: tasks_pb2.TaskTemplate, index: int, *values: int) -> execution_pb2.TaskAttempt:
    """Return an attempt of an element of a container_array over ``values``, whose result is to be 7."""
    attempt = await array_jobs.element(bench, template, index)
    whole = literals_pb2.LiteralMap()
    whole.literals["a"].collection.literals.extend(integer(value) for value in values)
    await bench.blobs.write_message(attempt.inputs.element.whole_uri, whole)
    outputs = literals_pb2.LiteralMap(literals={"o0": integer(7)})
    await bench.blobs.write_message(f"{bench.blobs.root}/seven.pb", outputs)
    return attempt


async def test_elements_of_a_container_array_are_cached_one_by_one(cached: Bench) -> None:
    template = job(f'cp {cached.folder}/store/seven.pb "$out/outputs.pb"', 1)
    for index in (0, 1):
        assert status(await cached.run(await of_job(cached, template, index, 7, 8))) == "CACHE_POPULATED"

    attempts = [await of_job(cached, template, index, 8, 9) for index in (0, 1)]
    results = [await cached.run(attempt) for attempt in attempts]

    assert [status(one) for one in results] == ["CACHE_HIT", "CACHE_POPULATED"]
    for result in results:
        outputs = await cached.blobs.read_message(result.outputs.uri, literals_pb2.LiteralMap)
        assert outputs.literals["o0"] == integer(7)
    given = literals_pb2.LiteralMap(literals={"a": integer(8)})
    key = cache_keys.cache_key(cache_keys.of_element(template), given)
    assert results[0].cache.catalog_key.artifact_tag.name == key.tag


async def test_an_input_that_is_bound_is_whole_in_the_key_of_a_container_arrays_element(cached: Bench) -> None:
    template = job(f'cp {cached.folder}/store/seven.pb "$out/outputs.pb"', 1)
    template.container.args.extend(["vars", "a", "resolver"])

    results = [await cached.run(await of_job(cached, template, 0, 7, last)) for last in (1, 2)]

    assert [status(one) for one in results] == ["CACHE_POPULATED", "CACHE_POPULATED"]


async def test_the_oldest_container_arrays_have_the_inputs_of_each_element_in_a_file(cached: Bench) -> None:
    template = job(f'cp {cached.folder}/store/seven.pb "$out/outputs.pb"', 0)

    async def laid_out(value: int) -> execution_pb2.TaskAttempt:
        attempt = await of_job(cached, template, 0, 1)
        own = attempt.inputs.element.whole_uri.replace("/inputs.pb", "/0/inputs.pb")
        await cached.blobs.write_message(own, literals_pb2.LiteralMap(literals={"a": integer(value)}))
        return attempt

    results = [await cached.run(await laid_out(value)) for value in (5, 5, 6)]

    assert [status(one) for one in results] == ["CACHE_POPULATED", "CACHE_HIT", "CACHE_POPULATED"]


async def test_an_element_whose_inputs_nobody_wrote_is_not_cached(cached: Bench) -> None:
    attempt = await of_job(cached, job(f'cp {cached.folder}/store/seven.pb "$out/outputs.pb"', 0), 0, 1)

    assert not (await cached.run(attempt)).HasField("cache")


def plan(*, serialize: bool = False) -> tasks_pb2.TaskTemplate:
    """A cached dynamic task."""
    template = task("fan")
    settings = SerializationSettings(image_config=ImageConfig.auto(img_name="image:1"))
    template.container.env.add(key="_F_SS_C", value=settings.serialized_context)
    template.metadata.cache_serializable = serialize
    return template


def generated(attempt: execution_pb2.TaskAttempt, result: execution_pb2.TaskAttemptResult) -> caching_pb2.CachedNode:
    """Return the node of an attempt whose workflow has ended."""
    outputs = execution_pb2.NodeOutputs(literals=literals_pb2.LiteralMap(literals={"o0": text("of all")}))
    return caching_pb2.CachedNode(attempt=attempt, outputs=outputs, cache=result.cache)


async def test_a_dynamic_node_is_a_hit_once_its_workflow_has_ended(cached: Bench, client: CatalogClient) -> None:
    template = plan()
    attempt = await cached.attempt(template, name=text("a"))
    result = await cached.run(attempt)
    assert (result.dynamic, status(result)) == (True, "CACHE_MISS")
    assert (await run(cached, template, name=text("a"))).dynamic  # The workflow has not ended.

    dynamic = DynamicOutputs(cached.blobs, LIMITS, client)
    stored = await cached.environment().run(dynamic.store_outputs, generated(attempt, result))
    again = await cached.environment().run(dynamic.store_outputs, generated(attempt, result))
    hit = await run(cached, template, name=text("a"))

    assert stored == again
    assert stored.cache.cache_status == catalog_pb2.CACHE_POPULATED
    assert (hit.dynamic, status(hit), greeting(hit)) == (False, "CACHE_HIT", "of all")
    assert hit.cache.catalog_key.artifact_tag == stored.cache.catalog_key.artifact_tag
    source = hit.cache.catalog_key.source_task_execution.node_execution_id.execution_id
    assert source == attempt.node_event.id.execution_id


async def test_an_overwriting_execution_replaces_what_a_dynamic_node_stored(
    cached: Bench, client: CatalogClient
) -> None:
    template = plan()
    dynamic = DynamicOutputs(cached.blobs, LIMITS, client)
    for overwrite in (False, True):
        attempt = await cached.attempt(template, name=text("a"))
        attempt.settings.overwrite_cache = overwrite
        node = generated(attempt, await cached.run(attempt))
        node.outputs.literals.literals["o0"].CopyFrom(text(f"overwritten: {overwrite}"))
        await cached.environment().run(dynamic.store_outputs, node)

    assert greeting(await run(cached, template, name=text("a"))) == "overwritten: True"


async def test_the_reservation_of_a_dynamic_node_outlives_its_attempt(cached: Bench, client: CatalogClient) -> None:
    template = plan(serialize=True)
    attempt = await cached.attempt(template, name=text("a"))
    node = generated(attempt, await cached.run(attempt))
    key = reservation(template, name=text("a"))
    dynamic = DynamicOutputs(cached.blobs, LIMITS, client)

    holder = await client.reserve(key, "another", timedelta(seconds=1))
    extended = await cached.environment().run(dynamic.extend_reservation, node)
    stored = await cached.environment().run(dynamic.store_outputs, node)

    assert holder != "another"
    assert extended.held
    assert stored.cache.reservation_status == catalog_pb2.CatalogReservation.RESERVATION_ACQUIRED
    assert await client.reserve(key, "another", timedelta(seconds=1)) == "another"


async def test_a_dynamic_node_learns_that_another_attempt_has_taken_its_reservation(
    cached: Bench, client: CatalogClient
) -> None:
    template = plan(serialize=True)
    attempt = await cached.attempt(template, name=text("a"))
    await client.reserve(reservation(template, name=text("a")), "another", timedelta(seconds=10))
    node = caching_pb2.CachedNode(attempt=attempt)

    extended = await cached.environment().run(DynamicOutputs(cached.blobs, LIMITS, client).extend_reservation, node)

    assert not extended.held


async def test_a_dynamic_node_of_a_task_that_is_not_cached_stores_nothing(cached: Bench, client: CatalogClient) -> None:
    template = plan()
    template.metadata.discoverable = False
    attempt = await cached.attempt(template, name=text("a"))
    dynamic = DynamicOutputs(cached.blobs, LIMITS, client)

    result = await cached.run(attempt)
    stored = await cached.environment().run(dynamic.store_outputs, generated(attempt, result))

    assert not result.HasField("cache")
    assert not stored.HasField("cache")


async def test_a_catalog_that_is_down_does_not_fail_a_dynamic_node(bench: Bench) -> None:
    client = CatalogClient(f"127.0.0.1:{ports.free()}")
    with using(bench, client):
        attempt = await bench.attempt(plan(), name=text("a"))
        result = await bench.run(attempt)
    dynamic = DynamicOutputs(bench.blobs, LIMITS, client)

    stored = await bench.environment().run(dynamic.store_outputs, generated(attempt, result))
    extended = await bench.environment().run(dynamic.extend_reservation, generated(attempt, result))

    await client.close()
    assert (result.dynamic, status(result)) == (True, "CACHE_LOOKUP_FAILURE")
    assert stored.cache.cache_status == catalog_pb2.CACHE_LOOKUP_FAILURE
    assert not extended.held
