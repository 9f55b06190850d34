"""Admin's side of an edit: repeated calls, workflows that have ended, workers that do not answer."""

from datetime import timedelta

import pytest

from flytetemporal.admin.base import sent_edits
from flytetemporal.contracts.v1 import edits_pb2, execution_pb2
from flytetemporal.errors import FailedPrecondition, NotFound, Unavailable
from tests.fixtures.engine_runs import EngineRuns, int_map
from tests.integration.workflows.graphs import boom, chain
from tests.integration.workflows.test_aborts import Handle
from tests.integration.workflows.test_holds import HOLD, Operator


def skip(node_id: str, request_id: str = "r1") -> edits_pb2.EditCommand:
    skipped = edits_pb2.SkippedNode(node_id=node_id, literals=int_map(o0=1))
    return edits_pb2.EditCommand(request_id=request_id, skip=skipped)


async def send(handle: Handle, command: edits_pb2.EditCommand) -> edits_pb2.EditResponse:
    return await sent_edits.send(handle, execution_pb2.ExecutionInput().execution_id, command)


async def test_an_edit_that_is_repeated_after_the_end_gets_the_answer_that_was_lost(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = boom

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=0), settings=HOLD)
        await Operator(handle).held("n0")
        first = await send(handle, skip("n0"))
        phase = await runs.wait(handle)
        repeated = await send(handle, skip("n0"))
        with pytest.raises(FailedPrecondition, match="no workflow runs"):
            await send(handle, skip("n0", request_id="r2"))

    assert (phase, first.revision, repeated.revision) == ("SUCCEEDED", 1, 1)


async def test_a_refusal_keeps_its_kind(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = boom

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=0), settings=HOLD)
        await Operator(handle).held("n0")
        with pytest.raises(NotFound, match="the execution has no node n9"):
            await send(handle, skip("n9"))
        await handle.cancel()
        await runs.wait(handle)


async def test_without_a_worker_the_answer_is_that_the_edit_may_still_be_applied(
    engine_runs: EngineRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = engine_runs
    monkeypatch.setattr(sent_edits, "TIMEOUT", timedelta(seconds=1))

    handle = await runs.start(chain(1), int_map(a=0))
    with pytest.raises(Unavailable, match="may still be applied: repeat it with the same request id, r1"):
        await send(handle, skip("n0"))
    async with runs.workers():
        phase = await runs.wait(handle)

    assert phase == "SUCCEEDED"
