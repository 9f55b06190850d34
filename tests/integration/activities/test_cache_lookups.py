"""Lookups of cached outputs before attempts are scheduled, with a catalog that is served over gRPC."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from flyteidl.core import catalog_pb2, literals_pb2, types_pb2

from flytetemporal.activities.caching.lookups import CacheLookups
from flytetemporal.catalog import lookups
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.cli.dev import ports
from flytetemporal.cli.wiring import control_plane
from flytetemporal.config.admin import AdminSettings
from flytetemporal.contracts import limits
from flytetemporal.contracts.v1 import caching_pb2, execution_pb2
from flytetemporal.idl import times
from flytetemporal.plugins.protocol import TaskPhase
from flytetemporal.rpc import server
from flytetemporal.rpc.catalog_client import CatalogClient
from tests.fixtures.task_attempts import Bench, integer, text
from tests.integration.activities import test_caching as caching
from tests.integration.activities.test_caching import element, greeting, map_task, put, run, status, task

pytestmark = pytest.mark.asyncio(loop_scope="module")
catalog_database, catalog, client, cached = (
    caching.catalog_database,
    caching.catalog,
    caching.client,
    caching.cached,
)


async def look_up(
    bench: Bench, client: CatalogClient, *attempts: execution_pb2.TaskAttempt
) -> Sequence[caching_pb2.FoundOutput]:
    activities = CacheLookups(bench.blobs, caching.LIMITS, client)
    argument = caching_pb2.Lookups(attempts=attempts)
    return list((await bench.environment().run(activities.look_up_outputs, argument)).attempts)


def found(one: caching_pb2.FoundOutput) -> str:
    return one.WhichOneof("found") or "unknown"


async def test_outputs_are_found_and_written_for_many_attempts_at_once(cached: Bench, client: CatalogClient) -> None:
    one, other = task(), task()
    stored = await cached.attempt(one, name=text("world"))
    await cached.run(stored)
    await run(cached, other, name=text("moon"))
    attempts = [
        await cached.attempt(one, name=text("world")),
        await cached.attempt(one, name=text("nobody")),
        await cached.attempt(other, name=text("moon")),
    ]

    hit, miss, third = await look_up(cached, client, *attempts)

    assert (status(hit.hit), greeting(hit.hit), greeting(third.hit)) == ("CACHE_HIT", "hello world", "hello moon")
    source = hit.hit.cache.catalog_key.source_task_execution.node_execution_id
    assert source.execution_id == stored.node_event.id.execution_id
    assert found(miss) == "miss"
    assert not miss.miss.replaces
    for name in ("inputs.pb", "0/outputs.pb"):
        uri = f"{attempts[0].data_dir}/{name}"
        assert (await cached.blobs.read_message(uri, literals_pb2.LiteralMap)).literals
    assert cached.sink.of(attempts[0]) == []
    # What ``run_task`` finds is the same.
    again = await cached.run(attempts[0])
    assert again.cache == hit.hit.cache


async def test_an_attempt_does_not_look_again_right_after_a_miss(cached: Bench, client: CatalogClient) -> None:
    template = task()
    attempt = await cached.attempt(template, name=text("world"))
    (miss,) = await look_up(cached, client, attempt)
    await put(client, template, o0=text("from elsewhere"))
    attempt.cache_miss.CopyFrom(miss.miss)

    result = await cached.run(attempt)

    assert (status(result), greeting(result)) == ("CACHE_POPULATED", "hello world")


@pytest.mark.parametrize("late", [timedelta(minutes=1), timedelta(minutes=-1)])
async def test_an_attempt_that_has_waited_looks_again(cached: Bench, client: CatalogClient, late: timedelta) -> None:
    template = task()
    attempt = await cached.attempt(template, name=text("world"))
    await put(client, template, o0=text("from elsewhere"))
    attempt.cache_miss.at.CopyFrom(times.timestamp(datetime.now(UTC) - late))

    result = await cached.run(attempt)

    assert (status(result), greeting(result)) == ("CACHE_HIT", "from elsewhere")


async def test_a_repeated_activity_looks_again(cached: Bench, client: CatalogClient) -> None:
    template = task()
    attempt = await cached.attempt(template, name=text("world"))
    await put(client, template, o0=text("from elsewhere"))
    attempt.cache_miss.at.GetCurrentTime()

    result = await cached.run(attempt, temporal_attempt=2)

    assert greeting(result) == "from elsewhere"


async def test_a_serialized_attempt_looks_again_when_it_may_compute(cached: Bench, client: CatalogClient) -> None:
    template = task()
    template.metadata.cache_serializable = True
    attempt = await cached.attempt(template, name=text("world"))
    (miss,) = await look_up(cached, client, attempt)
    await put(client, template, o0=text("from elsewhere"))
    attempt.cache_miss.CopyFrom(miss.miss)

    result = await cached.run(attempt)

    assert (status(result), greeting(result)) == ("CACHE_HIT", "from elsewhere")


async def test_outputs_whose_files_are_gone_are_replaced_by_the_attempt(cached: Bench, client: CatalogClient) -> None:
    template = task("large")
    template.interface.inputs.variables["size"].type.simple = types_pb2.INTEGER
    first = await cached.attempt(template, size=integer(100_000))
    stored = await cached.run(first)
    for file in (cached.blobs.local_path(first.output_dir) or cached.folder).rglob("*"):
        if file.is_file() and file.stat().st_size > 90_000:
            file.unlink()
    second = await cached.attempt(template, size=integer(100_000))

    (miss,) = await look_up(cached, client, second)
    second.cache_miss.CopyFrom(miss.miss)
    result = await cached.run(second)

    assert miss.miss.replaces
    assert status(result) == "CACHE_POPULATED"
    assert result.cache.catalog_key.artifact_tag == stored.cache.catalog_key.artifact_tag


async def test_what_an_attempt_has_stored_itself_is_left_to_it(cached: Bench, client: CatalogClient) -> None:
    attempt = await cached.attempt(task(), name=text("world"))
    await cached.run(attempt)

    assert [found(one) for one in await look_up(cached, client, attempt)] == ["unknown"]


async def test_what_cannot_be_looked_up_is_left_to_the_attempt(cached: Bench, client: CatalogClient) -> None:
    not_cached, unversioned, unfit = task(), task(), task()
    not_cached.metadata.discoverable = False
    unversioned.metadata.discovery_version = ""
    await put(client, unfit, o0=integer(1))
    gone = await cached.attempt(task(), name=text("world"))
    gone.tasks.uri += "-gone"
    attempts = [await cached.attempt(one, name=text("world")) for one in (not_cached, unversioned, unfit, task())]

    answers = await look_up(cached, client, *attempts, gone)

    assert [found(one) for one in answers] == ["unknown", "unknown", "unknown", "miss", "unknown"]


async def test_artifacts_that_are_too_large_for_one_answer_are_left_to_the_attempts(
    cached: Bench, client: CatalogClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "_MAX_ARTIFACT_BYTES", 4)
    template = task()
    await run(cached, template)

    answers = await look_up(cached, client, await cached.attempt(template, name=text("world")))

    assert [found(one) for one in answers] == ["unknown"]
    assert status(await run(cached, template)) == "CACHE_HIT"


async def test_outputs_that_do_not_fit_into_one_result_are_named_by_their_uri(
    cached: Bench, client: CatalogClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_RETURNED_BYTES", 30)
    template = task()
    await run(cached, template)
    attempts = [await cached.attempt(template, name=text("world")) for _ in range(2)]

    first, second = await look_up(cached, client, *attempts)

    assert greeting(first.hit) == "hello world"
    assert second.hit.outputs.uri == f"{attempts[1].output_dir}/outputs.pb"
    values = await cached.blobs.read_message(second.hit.outputs.uri, literals_pb2.LiteralMap)
    assert values == first.hit.outputs.literals


async def test_elements_of_a_map_task_are_found_one_by_one(cached: Bench, client: CatalogClient) -> None:
    template = map_task()
    await cached.run(await element(cached, template, 1, 7, 8))
    attempts = [await element(cached, template, index, 8, 9) for index in (0, 1)]

    hit, miss = await look_up(cached, client, *attempts)

    assert found(miss) == "miss"
    outputs = await cached.blobs.read_message(hit.hit.outputs.uri, literals_pb2.LiteralMap)
    assert outputs.literals["o0"] == integer(108)
    (event,) = hit.hit.unreported
    (resource,) = event.task.metadata.external_resources
    assert (resource.index, resource.external_id, resource.phase) == (0, "x-n0-0-n0-0", TaskPhase.SUCCEEDED)
    assert resource.cache_status == catalog_pb2.CACHE_HIT


async def test_a_catalog_that_does_not_answer_gives_no_answers(bench: Bench) -> None:
    client = CatalogClient(f"127.0.0.1:{ports.free()}")

    answers = await look_up(bench, client, await bench.attempt(task(), name=text("world")))

    await client.close()
    assert answers == []


async def test_a_catalog_of_an_older_version_gives_no_answers(bench: Bench, catalog: Catalog) -> None:
    settings = AdminSettings(grpc_port=ports.free())
    known = [method for method in control_plane.catalog_methods(catalog) if not method.path.endswith("/LookUp")]
    served = server.grpc_server(known, settings)
    await served.start()
    client = CatalogClient(f"127.0.0.1:{settings.grpc_port}")

    answers = await look_up(bench, client, await bench.attempt(task(), name=text("world")))

    await client.close()
    await served.stop(None)
    assert answers == []
