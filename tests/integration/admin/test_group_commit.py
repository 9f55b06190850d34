"""Batches of several executions that arrive together share a transaction, and nothing else."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from flyteidl.admin import execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2
from flyteidl.event import event_pb2
from google.protobuf import timestamp_pb2

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.admin.events import batches, event_rows
from flytetemporal.admin.executions import workflow_executions
from flytetemporal.contracts.v1 import events_pb2
from flytetemporal.idl import phases
from tests.fixtures.effort import statements
from tests.fixtures.registrations import DOMAIN, PROJECT
from tests.fixtures.waiting import bounded

W = core_execution_pb2.WorkflowExecution
N = core_execution_pb2.NodeExecution
T = core_execution_pb2.TaskExecution
TASK = identifier_pb2.Identifier(
    resource_type=identifier_pb2.TASK, project=PROJECT, domain=DOMAIN, name="t", version="v"
)
NAMES = [f"e{number}" for number in range(20)]
NODES = ["n0", "n1", "n2"]


def execution_id(name: str) -> identifier_pb2.WorkflowExecutionIdentifier:
    return identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=name)


def node_id(name: str, node: str) -> identifier_pb2.NodeExecutionIdentifier:
    return identifier_pb2.NodeExecutionIdentifier(node_id=node, execution_id=execution_id(name))


def at(seconds: int) -> timestamp_pb2.Timestamp:
    return timestamp_pb2.Timestamp(seconds=1_700_000_000 + seconds)


def of_workflow(name: str, phase: W.Phase) -> events_pb2.Event:
    return events_pb2.Event(
        workflow=event_pb2.WorkflowExecutionEvent(execution_id=execution_id(name), phase=phase, occurred_at=at(phase))
    )


def of_node(name: str, node: str, phase: N.Phase, **fields: Any) -> events_pb2.Event:
    event = event_pb2.NodeExecutionEvent(
        id=node_id(name, node), phase=phase, occurred_at=at(phase), spec_node_id=node, event_version=1, **fields
    )
    return events_pb2.Event(node=event)


def of_task(name: str, node: str, phase: T.Phase) -> events_pb2.Event:
    event = event_pb2.TaskExecutionEvent(
        task_id=TASK, parent_node_execution_id=node_id(name, node), phase=phase, occurred_at=at(phase)
    )
    return events_pb2.Event(task=event)


def whole_run(name: str) -> list[events_pb2.Event]:
    """The events of a run whose last node and its task are left open."""
    *ended, _ = NODES
    return [
        of_workflow(name, W.RUNNING),
        *(of_node(name, node, N.RUNNING) for node in NODES),
        *(of_task(name, node, T.RUNNING) for node in NODES),
        *(of_task(name, node, T.SUCCEEDED) for node in ended),
        *(of_node(name, node, N.SUCCEEDED) for node in ended),
        of_workflow(name, W.FAILED),
    ]


async def send(deps: Dependencies, events: Sequence[events_pb2.Event]) -> int:
    return (await batches.record_events(deps, events_pb2.RecordEventsRequest(events=events))).applied


async def phase_of(deps: Dependencies, name: str) -> W.Phase:
    request = execution_pb2.WorkflowExecutionGetRequest(id=execution_id(name))
    return (await workflow_executions.get(deps, request)).closure.phase


@pytest.fixture(autouse=True)
async def _executions(deps: Dependencies) -> None:
    closure = execution_pb2.ExecutionClosure(created_at=at(0), updated_at=at(0)).SerializeToString()
    async with deps.sessions.begin() as session:
        for name in NAMES:
            key = {"execution_project": PROJECT, "execution_domain": DOMAIN, "execution_name": name}
            session.add(ExecutionRow(**key, cluster="local", closure=closure, spec=b""))


async def test_runs_that_report_together_share_statements(deps: Dependencies) -> None:
    await send(deps, [of_workflow("e0", W.QUEUED)])
    with statements(deps.sessions) as alone:
        await send(deps, whole_run("e0"))

    with statements(deps.sessions) as together:
        applied = await asyncio.gather(*(send(deps, whole_run(name)) for name in NAMES[1:]))

    assert len(set(applied)) == 1
    assert len(together) <= 3 * len(alone)  # The first batch is alone, for nothing waits yet.


async def test_a_group_stores_for_each_run_what_it_would_store_alone(deps: Dependencies) -> None:
    await asyncio.gather(*(send(deps, whole_run(name)) for name in NAMES))

    for name in NAMES:
        assert await phase_of(deps, name) == W.FAILED
        async with deps.sessions() as session:
            nodes = await event_rows.load_nodes(session, execution_id(name))
            tasks = await event_rows.load_tasks(session, execution_id(name))
        assert {node: state.execution.closure.phase for node, state in nodes.items()} == {
            "n0": N.SUCCEEDED,
            "n1": N.SUCCEEDED,
            "n2": N.ABORTED,  # Closed with the execution.
        }
        assert {key[0]: state.execution.closure.phase for key, state in tasks.items()} == {
            "n0": T.SUCCEEDED,
            "n1": T.SUCCEEDED,
            "n2": T.ABORTED,
        }
    assert await asyncio.gather(*(send(deps, whole_run(name)) for name in NAMES)) == [0] * len(NAMES)


async def test_two_batches_of_one_run_that_arrive_together_both_count(deps: Dependencies) -> None:
    events = whole_run("e1")

    await asyncio.gather(send(deps, [of_workflow("e0", W.RUNNING)]), send(deps, events[5:]), send(deps, events[:5]))

    assert await phase_of(deps, "e1") == W.FAILED
    async with deps.sessions() as session:
        nodes = await event_rows.load_nodes(session, execution_id("e1"))
    assert [nodes[node].execution.closure.phase in phases.NODE_TERMINAL for node in NODES] == [True] * 3


async def test_a_batch_that_cannot_be_stored_fails_alone(deps: Dependencies) -> None:
    error = core_execution_pb2.ExecutionError(code="x" * 300)
    bad = [of_node("e1", "n0", N.FAILED, error=error)]
    unknown = [of_workflow("nosuchexecution", W.RUNNING)]

    answers = await asyncio.gather(
        *(send(deps, events) for events in (whole_run("e0"), bad, unknown, whole_run("e2"), whole_run("e3"))),
        return_exceptions=True,
    )

    assert [type(answer) for answer in answers] == [int, errors.InvalidRequest, errors.NotFound, int, int]
    assert [await phase_of(deps, name) for name in ("e0", "e1", "e2", "e3")] == [
        W.FAILED,
        W.UNDEFINED,
        W.FAILED,
        W.FAILED,
    ]


async def test_a_run_that_another_writer_has_locked_holds_up_no_other(deps: Dependencies) -> None:
    async with deps.sessions.begin() as session:
        await event_rows.lock_execution(session, execution_id("e1"))
        held = asyncio.create_task(send(deps, whole_run("e1")))
        others = [asyncio.create_task(send(deps, whole_run(name))) for name in ("e0", "e2", "e3")]
        await bounded(asyncio.gather(*others))
        assert not held.done()

    assert await bounded(held) > 0
    assert await phase_of(deps, "e1") == W.FAILED


async def test_a_caller_that_gives_up_takes_no_other_with_it(deps: Dependencies) -> None:
    calls = [asyncio.create_task(send(deps, whole_run(name))) for name in NAMES[:4]]
    await asyncio.sleep(0)
    calls[1].cancel()

    answers = await bounded(asyncio.gather(*calls, return_exceptions=True))

    assert isinstance(answers[1], asyncio.CancelledError)
    assert [await phase_of(deps, name) for name in ("e0", "e2", "e3")] == [W.FAILED] * 3
