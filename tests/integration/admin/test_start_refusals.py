"""A start that Temporal refuses fails its execution with Temporal's text; one that may pass is tried again."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from flyteidl.core import execution_pb2 as core_execution_pb2
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from temporalio.client import Client

from flytetemporal import errors
from flytetemporal.admin.base.engine import Engine
from flytetemporal.admin.executions import delivery
from flytetemporal.contracts import payloads
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.idl import naming
from tests.fixtures.engine import RecordingEngine
from tests.fixtures.installation import Installation

W = core_execution_pb2.WorkflowExecution


async def test_an_execution_that_temporal_refuses_has_failed(
    sessions: async_sessionmaker[AsyncSession], plain_namespace: Client, tmp_path: Path
) -> None:
    installation = Installation(sessions, plain_namespace, tmp_path)
    refused = await installation.record("succeeds", "UNDEFINED")

    started = await delivery.start(installation.deps, installation.argument(refused, "succeeds"))

    closure = await installation.closure(refused)
    assert not started
    assert (closure.phase, closure.error.code) == (W.FAILED, "StartRefused")
    assert "no mapping defined for search attribute" in closure.error.message
    assert await installation.sweep() == {}


async def test_the_sweeper_does_not_try_for_ever_what_temporal_refuses(
    sessions: async_sessionmaker[AsyncSession], plain_namespace: Client, tmp_path: Path
) -> None:
    installation = Installation(sessions, plain_namespace, tmp_path)
    refused = await installation.record("succeeds", "UNDEFINED")

    await installation.sweep()

    assert (await installation.closure(refused)).error.code == "StartRefused"


async def test_an_execution_in_a_namespace_that_is_gone_has_failed(installation: Installation) -> None:
    address = installation.client.service_client.config.target_host
    client = await Client.connect(address, namespace="gone", data_converter=payloads.DATA_CONVERTER)
    installation.deps = replace(installation.deps, engine=Engine(client, installation.cluster))
    refused = await installation.record("succeeds", "UNDEFINED")

    await delivery.start(installation.deps, installation.argument(refused, "succeeds"))

    closure = await installation.closure(refused)
    assert (closure.phase, closure.error.code) == (W.FAILED, "StartRefused")
    assert "Namespace gone is not found" in closure.error.message


async def test_an_unknown_namespace_says_nothing_of_a_workflow_in_it(installation: Installation) -> None:
    address = installation.client.service_client.config.target_host
    client = await Client.connect(address, namespace="gone", data_converter=payloads.DATA_CONVERTER)

    with pytest.raises(errors.Unavailable, match="Namespace gone is not found"):
        await Engine(client, "local").ended(installation.identifier())


async def test_an_argument_that_is_too_large_for_temporal_fails_its_execution(installation: Installation) -> None:
    refused = await installation.record("succeeds", "UNDEFINED")
    argument = installation.argument(refused, "succeeds")
    argument.inline_graph = random.Random(0).randbytes(6_000_000)

    await delivery.start(installation.deps, argument)

    assert (await installation.closure(refused)).error.code == "StartRefused"


async def test_an_execution_whose_graph_is_gone_has_failed(installation: Installation) -> None:
    lost = await installation.record("succeeds", "UNDEFINED")
    argument = installation.argument(lost, "succeeds")
    graph = contract_pb2.ContentReference(uri=f"{installation.deps.blobs.root}/gone", sha256="0", size_bytes=1)
    argument.stored_graph.CopyFrom(graph)

    await delivery.start(installation.deps, argument)

    closure = await installation.closure(lost)
    assert (closure.phase, closure.error.code) == (W.FAILED, "GraphLost")


async def test_a_start_that_fails_because_temporal_is_away_is_left_to_the_sweeper(installation: Installation) -> None:
    away = RecordingEngine()
    away.down = True
    execution_id = await installation.record("succeeds", "UNDEFINED")
    argument = installation.argument(execution_id, "succeeds")

    await delivery.start(replace(installation.deps, engine=away), argument)

    assert (await installation.closure(execution_id)).phase == W.UNDEFINED
    assert await installation.sweep() == {"never_started": 1}


@pytest.mark.parametrize(("graph_bytes", "seconds"), [(1_000, 10), (100_000, 30)], ids=["small", "large"])
async def test_a_run_that_may_take_long_to_replay_has_longer_workflow_tasks(
    installation: Installation, graph_bytes: int, seconds: int
) -> None:
    started = await installation.record("succeeds", "UNDEFINED")
    argument = installation.argument(started, "succeeds")
    argument.inline_graph = random.Random(0).randbytes(graph_bytes)

    await delivery.start(installation.deps, argument)

    handle = installation.client.get_workflow_handle(naming.temporal_workflow_id(started))
    event = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
    assert event.workflow_task_timeout.ToSeconds() == seconds
