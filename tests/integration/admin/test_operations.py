"""Explain asks whatever part still answers; a forced end needs none of them."""

import pytest
from flyteidl.core import execution_pb2 as core_execution_pb2

from flytetemporal import errors
from flytetemporal.admin.control import operations
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.contracts.v1 import operations_pb2
from flytetemporal.idl import naming
from tests.fixtures.installation import Installation

W = core_execution_pb2.WorkflowExecution


async def explain(installation: Installation, name: str, node: str = "") -> operations_pb2.ExplainResponse:
    identifier = installation.identifier()
    identifier.name = name
    return await operations.explain(
        installation.deps, operations_pb2.ExplainRequest(execution_id=identifier, node_id=node)
    )


async def test_without_a_worker_that_is_said(installation: Installation) -> None:
    execution_id = await installation.run("waits")
    await installation.report_node(execution_id)

    answer = await explain(installation, execution_id.name)

    assert answer.phase == W.RUNNING
    assert list(answer.notes) == [
        f"no worker polls task queue fte-{installation.cluster}: start one, the execution waits for it",
        "the last event of node n0 reported it as RUNNING",
    ]


async def test_an_ended_execution_says_how(installation: Installation) -> None:
    execution_id = await installation.record("waits", "SUCCEEDED")

    answer = await explain(installation, execution_id.name)

    assert list(answer.notes) == ["the execution has ended: SUCCEEDED"]


async def test_a_node_without_events_is_not_denied_while_the_workflow_cannot_be_queried(
    installation: Installation,
) -> None:
    execution_id = await installation.run("waits")

    answer = await explain(installation, execution_id.name, "n7")

    assert answer.notes[-1] == "no event of node n7 was received: it has not started, or does not exist"


async def test_an_unknown_execution_or_node_is_refused(installation: Installation) -> None:
    execution_id = await installation.record("waits", "SUCCEEDED")

    with pytest.raises(errors.NotFound, match="missing entity of type execution"):
        await explain(installation, "nobody")
    with pytest.raises(errors.NotFound, match="missing entity of type node execution"):
        await explain(installation, execution_id.name, "n7")


async def test_a_forced_end_needs_no_worker_and_may_be_repeated(installation: Installation) -> None:
    execution_id = await installation.run("waits")
    await installation.report_node(execution_id)
    request = operations_pb2.ForceTerminateRequest(execution_id=execution_id, cause="stuck")

    await operations.force_terminate(installation.deps, request)
    await operations.force_terminate(installation.deps, request)

    closure = await installation.closure(execution_id)
    assert (closure.phase, closure.abort_metadata.cause) == (W.ABORTED, "stuck")
    assert await installation.node_phase(execution_id) == "ABORTED"
    assert (await installation.deps.engine.ended(execution_id)) is not None


async def test_a_forced_end_of_nothing_is_refused(installation: Installation) -> None:
    with pytest.raises(errors.NotFound):
        await operations.force_terminate(
            installation.deps,
            operations_pb2.ForceTerminateRequest(execution_id=installation.identifier(), cause="stuck"),
        )


async def test_the_memo_says_what_an_execution_recovers_or_forks(installation: Installation) -> None:
    source = installation.identifier()
    recovery, fork = (installation.argument(installation.identifier(), "succeeds") for _ in range(2))
    recovery.recovered_from.CopyFrom(source)
    fork.MergeFrom(contract_pb2.ExecutionInput(recovered_from=source, reused={"uri": "memory://reused"}))

    memos = []
    for argument in (recovery, fork):
        await installation.deps.engine.start(argument)
        handle = installation.client.get_workflow_handle(naming.temporal_workflow_id(argument.execution_id))
        memos.append(await (await handle.describe()).memo())

    name = f"{source.project}:{source.domain}:{source.name}"
    assert (memos[0]["recovered_from"], memos[0].get("forked_from")) == (name, None)
    assert (memos[1]["forked_from"], memos[1].get("recovered_from")) == (name, None)
