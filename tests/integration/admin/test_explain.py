"""An explanation combines the answers of the workflow, of Temporal and of the rows."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import httpx
import pytest
from flyteidl.admin import execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2
from flyteidl.event import event_pb2
from sqlalchemy import text
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflow.v1 import PendingActivityInfo

from flytetemporal import errors
from flytetemporal.admin import service
from flytetemporal.admin.base import temporal_answers
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.admin.base.temporal_answers import PendingActivity
from flytetemporal.admin.control import operations
from flytetemporal.admin.events import batches
from flytetemporal.cli.dev import ports
from flytetemporal.config.admin import AdminSettings
from flytetemporal.contracts.v1 import events_pb2, operations_pb2
from flytetemporal.idl import times
from flytetemporal.rpc import gateway, methods, server
from tests.fixtures.engine import RecordingEngine
from tests.fixtures.registrations import DOMAIN, PROJECT

N = core_execution_pb2.NodeExecution
Wait = operations_pb2.Wait
ID = identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name="e1")
ENGINE, TASKS = "fte-local", "ftt-local"


async def record(deps: Dependencies, phase: str = "RUNNING", **closure: Any) -> None:
    found = execution_pb2.ExecutionClosure(phase=phase, **closure)
    row = ExecutionRow(
        execution_project=PROJECT,
        execution_domain=DOMAIN,
        execution_name=ID.name,
        phase=phase,
        closure=found.SerializeToString(),
        spec=b"",
        engine_input=b"",
        cluster="local",
        abort_cause="enough" if phase == "ABORTING" else "",
    )
    async with deps.sessions.begin() as session:
        session.add(row)


async def report(deps: Dependencies, node_id: str, phase: core_execution_pb2.NodeExecution.Phase) -> None:
    event = event_pb2.NodeExecutionEvent(
        id=identifier_pb2.NodeExecutionIdentifier(node_id=node_id, execution_id=ID),
        phase=phase,
        occurred_at=times.timestamp(datetime.now(UTC)),
    )
    await batches.record_events(deps, events_pb2.RecordEventsRequest(events=[events_pb2.Event(node=event)]))


async def explain(deps: Dependencies, node: str = "") -> operations_pb2.ExplainResponse:
    return await operations.explain(deps, operations_pb2.ExplainRequest(execution_id=ID, node_id=node))


def attempt(node_id: str, queue: str = TASKS) -> operations_pb2.Wait:
    return Wait(node_id=node_id, attempt={"attempt": 0, "activity_id": f"{node_id}/0", "task_queue": queue})


def activity(state: str, **fields: Any) -> PendingActivity:
    found = PendingActivityInfo(
        state=PendingActivityState.Value(f"PENDING_ACTIVITY_STATE_{state}"),
        attempt=1,
        last_started_time=times.timestamp(datetime(2026, 1, 2, 12, tzinfo=UTC)),
        **fields,
    )
    return temporal_answers.pending_activity(found)


@pytest.fixture
async def running(deps: Dependencies, engine: RecordingEngine) -> RecordingEngine:
    """An execution whose workflow runs on one worker."""
    await record(deps)
    engine.running.add(ID.name)
    engine.workers = {ENGINE: 1}
    return engine


async def test_attempts_are_explained_with_their_activities_and_workers(
    deps: Dependencies, running: RecordingEngine
) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    running.wait_list = [attempt("n0"), attempt("n1"), attempt("n2", "elsewhere"), attempt("n3"), attempt("n4")]
    running.workers |= {TASKS: 2}
    running.activities = {
        "n0/0": activity("STARTED"),
        "n1/0": activity("SCHEDULED"),
        "n2/0": activity("SCHEDULED"),
        "n3/0": activity(
            "SCHEDULED", last_failure=Failure(message="no store"), next_attempt_schedule_time=times.timestamp(later)
        ),
    }

    answer = await explain(deps)

    assert [wait.text for wait in answer.waits] == [
        "n0 has been running attempt 0 since 2026-01-02T12:00:00Z",
        f"n1 waits for a free slot on one of the 2 workers of task queue {TASKS} to run attempt 0",
        "n2 waits for a worker to run attempt 0: none polls task queue elsewhere, start one",
        f"n3 repeats attempt 0 at {later:%Y-%m-%dT%H:%M:%SZ}; the last try failed: no store",
        "n4 is about to run attempt 0",
    ]
    assert not answer.notes
    assert running.asked_queues == [ENGINE, TASKS, "elsewhere"], "each queue is asked for once"


async def test_a_node_that_has_not_started_is_known_to_the_workflow(
    deps: Dependencies, running: RecordingEngine
) -> None:
    running.wait_list = [Wait(node_id="n1", nodes={"node_ids": ["n0"]}), Wait(node_id="n2")]

    answer = await explain(deps, "n1")

    assert ([wait.text for wait in answer.waits], list(answer.notes)) == (["n1 waits for n0"], [])


async def test_a_node_that_does_not_wait_is_explained_from_its_row(
    deps: Dependencies, running: RecordingEngine
) -> None:
    await report(deps, "n0", N.SUCCEEDED)
    await report(deps, "n1", N.RUNNING)

    assert list((await explain(deps, "n0")).notes) == ["node n0 has ended: SUCCEEDED"]
    assert list((await explain(deps, "n1")).notes) == ["the last event of node n1 reported it as RUNNING"]
    with pytest.raises(errors.NotFound, match="missing entity of type node execution"):
        await explain(deps, "n2")


async def test_workers_that_do_not_answer_are_counted_and_records_stand_in(
    deps: Dependencies, running: RecordingEngine
) -> None:
    running.mute = True
    await report(deps, "n0", N.SUCCEEDED)
    await report(deps, "n1", N.RUNNING)

    assert list((await explain(deps)).notes) == [
        f"the workflow cannot be queried now, try again (recent pollers of task queue {ENGINE}: 1): "
        "nobody answered in time",
        "the last event of node n1 reported it as RUNNING",
    ]
    assert (await explain(deps, "n0")).notes[-1] == "node n0 has ended: SUCCEEDED"


async def test_while_temporal_is_down_records_stand_in(deps: Dependencies, running: RecordingEngine) -> None:
    running.down = True

    assert list((await explain(deps)).notes) == [
        "the workflow cannot be queried now, try again: the engine does not answer"
    ]


async def test_an_execution_that_was_never_started_is_explained_from_its_row(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await record(deps, "UNDEFINED")
    engine.workers = {ENGINE: 1}

    assert list((await explain(deps)).notes) == [
        "the execution is recorded, its workflow has not reported a start yet",
        "Temporal knows no workflow of this execution: wait a minute for the sweeper to start or close it",
    ]
    assert (await explain(deps, "n0")).notes[-1].startswith("no event of node n0 was received")


@pytest.mark.parametrize(
    ("phase", "closure", "note"),
    [
        ("FAILED", {"error": {"code": "Boom", "message": "it broke\nhere"}}, "has ended: FAILED: Boom: it broke"),
        ("FAILED", {"error": {"message": "it broke"}}, "has ended: FAILED: it broke"),
        ("ABORTED", {"abort_metadata": {"cause": "enough"}}, "has ended: ABORTED: enough"),
        ("SUCCEEDED", {}, "has ended: SUCCEEDED"),
        ("ABORTING", {}, "is being aborted (cause: enough) and stops its open nodes"),
    ],
)
async def test_an_end_is_explained_with_its_reason(
    deps: Dependencies, phase: str, closure: dict[str, Any], note: str
) -> None:
    await record(deps, phase, **closure)

    assert (await explain(deps)).notes[0] == f"the execution {note}"


async def phases(deps: Dependencies) -> tuple[str, str]:
    query = text("select phase, abort_cause from executions where execution_name = :name")
    async with deps.sessions() as session:
        found = (await session.execute(query, {"name": ID.name})).one()
    return found.phase, found.abort_cause


async def test_a_forced_end_is_recorded_before_temporal_is_asked(deps: Dependencies, running: RecordingEngine) -> None:
    request = operations_pb2.ForceTerminateRequest(execution_id=ID, cause="stuck")
    running.down = True

    with pytest.raises(errors.Unavailable):
        await operations.force_terminate(deps, request)
    assert await phases(deps) == ("ABORTING", "stuck")

    running.down = False
    await operations.force_terminate(deps, request)
    assert (await phases(deps), running.terminated) == (("ABORTED", "stuck"), [("e1", "stuck")])


async def test_a_forced_end_leaves_an_ended_execution_alone(deps: Dependencies, engine: RecordingEngine) -> None:
    await record(deps, "SUCCEEDED")

    await operations.force_terminate(deps, operations_pb2.ForceTerminateRequest(execution_id=ID, cause="stuck"))

    assert (await phases(deps), engine.terminated) == (("SUCCEEDED", ""), [])


async def test_a_forced_end_closes_an_execution_without_a_workflow(deps: Dependencies, engine: RecordingEngine) -> None:
    await record(deps, "UNDEFINED")

    await operations.force_terminate(deps, operations_pb2.ForceTerminateRequest(execution_id=ID, cause="stuck"))

    assert await phases(deps) == ("ABORTED", "stuck")


@pytest.mark.parametrize("call", [operations_pb2.ExplainRequest, operations_pb2.ForceTerminateRequest])
async def test_incomplete_ids_are_refused(deps: Dependencies, call: Any) -> None:
    function: Any = operations.explain if call is operations_pb2.ExplainRequest else operations.force_terminate

    with pytest.raises(errors.InvalidRequest, match="missing id"):
        await function(deps, call())
    with pytest.raises(errors.InvalidRequest, match="missing name"):
        await function(deps, call(execution_id={"project": PROJECT, "domain": DOMAIN}))


@pytest.fixture
async def served(deps: Dependencies) -> AsyncIterator[tuple[grpc.aio.Channel, httpx.AsyncClient]]:
    settings = AdminSettings(grpc_port=ports.free())
    descriptor = operations_pb2.DESCRIPTOR.services_by_name["OperationsService"]
    bound = methods.bind(descriptor, service.OPERATIONS, deps)
    grpc_server = server.grpc_server(bound, settings)
    await grpc_server.start()
    transport = httpx.ASGITransport(gateway.http_app(bound, settings))
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{settings.grpc_port}") as channel,
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as http,
    ):
        yield channel, http
    await grpc_server.stop(0)


async def test_both_calls_are_reached_over_grpc_and_http(
    deps: Dependencies, running: RecordingEngine, served: tuple[grpc.aio.Channel, httpx.AsyncClient]
) -> None:
    channel, http = served
    running.wait_list = [Wait(node_id="n1", nodes={"node_ids": ["n0"]})]
    method = channel.unary_unary(
        "/flytetemporal.v1.OperationsService/Explain",
        request_serializer=operations_pb2.ExplainRequest.SerializeToString,
        response_deserializer=operations_pb2.ExplainResponse.FromString,
    )
    name = f"{PROJECT}/{DOMAIN}/{ID.name}"

    over_grpc = await method(operations_pb2.ExplainRequest(execution_id=ID))
    over_http = await http.get(f"/api/v1/operations/explain/{name}", params={"node_id": "n1"})
    forced = await http.request("DELETE", f"/api/v1/operations/executions/{name}", json={"cause": "stuck"})

    assert [wait.text for wait in over_grpc.waits] == ["n1 waits for n0"]
    assert over_http.json()["waits"][0]["text"] == "n1 waits for n0"
    assert (forced.status_code, await phases(deps)) == (200, ("ABORTED", "stuck"))
