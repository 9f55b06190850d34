"""Histories leave the server page by page, without values unless they are asked for."""

import pytest
from temporalio.api.history.v1 import History

from flytetemporal import errors
from flytetemporal.admin.control import history_pages
from flytetemporal.contracts import histories
from flytetemporal.contracts.v1 import records_pb2
from tests.fixtures.installation import Installation

KEY = b"0123456789abcdef"


async def test_the_history_is_read_from_its_start(installation: Installation) -> None:
    execution_id = await installation.run("waits")

    request = records_pb2.HistoryRequest(execution_id=execution_id, with_values=True)
    page = await history_pages.get_history(installation.deps, request)

    argument = histories.start_argument(History.FromString(page.history))
    assert argument == installation.argument(execution_id, "waits")
    assert (page.token, page.left_out) == ("", "")


async def test_without_values_the_start_argument_keeps_ids(installation: Installation) -> None:
    execution_id = await installation.run("waits")

    request = records_pb2.HistoryRequest(execution_id=execution_id, filler_key=KEY)
    page = await history_pages.get_history(installation.deps, request)

    argument = histories.start_argument(History.FromString(page.history))
    assert argument is not None
    assert argument.execution_id == execution_id


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "filler_key has fewer than 16 bytes"),
        ({"filler_key": b"short"}, "filler_key has fewer than 16 bytes"),
        ({"filler_key": KEY, "kept": ["x"] * 1001}, "more than 1000"),
        ({"with_values": True, "token": "nonsense"}, "invalid value for token"),
        ({"with_values": True, "token": "r.0.=x"}, "invalid value for token"),
        ({"with_values": True, "shard": "other:development:e:n0:0:0"}, "is no shard of execution"),
    ],
)
async def test_a_wrong_request_is_refused(installation: Installation, fields: dict[str, object], problem: str) -> None:
    execution_id = await installation.run("waits")
    request = records_pb2.HistoryRequest(execution_id=execution_id, **fields)  # type: ignore[arg-type]

    with pytest.raises(errors.InvalidRequest, match=problem):
        await history_pages.get_history(installation.deps, request)


@pytest.mark.parametrize("token", ["0198c0de-0000-7000-8000-000000000000.0.", "nobody.0.AAAA"])
async def test_a_run_that_is_not_of_the_execution_is_refused(installation: Installation, token: str) -> None:
    execution_id = await installation.run("waits")
    request = records_pb2.HistoryRequest(execution_id=execution_id, with_values=True, token=token)

    with pytest.raises((errors.NotFound, errors.InvalidRequest)):
        await history_pages.get_history(installation.deps, request)


async def test_an_execution_without_a_workflow_has_no_history(installation: Installation) -> None:
    execution_id = await installation.record("waits")

    with pytest.raises(errors.NotFound, match="no workflow runs"):
        await history_pages.get_history(
            installation.deps, records_pb2.HistoryRequest(execution_id=execution_id, with_values=True)
        )


async def test_an_unknown_execution_is_refused(installation: Installation) -> None:
    request = records_pb2.HistoryRequest(execution_id=installation.identifier(), with_values=True)

    with pytest.raises(errors.NotFound, match="missing entity of type execution"):
        await history_pages.get_history(installation.deps, request)
