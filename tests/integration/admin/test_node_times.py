"""Times of nodes come from rows, and from Temporal's history while there is one."""

import pytest

from flytetemporal import errors
from flytetemporal.admin.control import node_times
from flytetemporal.contracts.v1 import records_pb2
from tests.fixtures.installation import Installation


async def test_without_a_history_rows_still_say_when_nodes_ran(installation: Installation) -> None:
    execution_id = await installation.record("waits", "RUNNING")
    await installation.report_node(execution_id)

    answer = await node_times.get_node_times(installation.deps, records_pb2.NodeTimesRequest(execution_id=execution_id))

    assert [row.node_id for row in answer.nodes] == ["n0"]
    assert answer.nodes[0].HasField("queued")
    assert answer.nodes[0].HasField("reported")
    assert not answer.nodes[0].HasField("dispatched")
    assert list(answer.notes) == [
        "Temporal has no history of it, or no longer: when attempts were dispatched and started is unknown"
    ]


async def test_an_unknown_execution_is_refused(installation: Installation) -> None:
    with pytest.raises(errors.NotFound, match="missing entity of type execution"):
        await node_times.get_node_times(
            installation.deps, records_pb2.NodeTimesRequest(execution_id=installation.identifier())
        )


async def test_an_incomplete_id_is_refused(installation: Installation) -> None:
    with pytest.raises(errors.InvalidRequest, match="missing"):
        await node_times.get_node_times(installation.deps, records_pb2.NodeTimesRequest())
