import asyncio
from collections.abc import Callable

import pytest

from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.workflows.continuation import TRANSITIONS, Continuation, State
from flytetemporal.workflows.node_ids import NodeIds
from flytetemporal.workflows.reports.event_clock import EventClock
from flytetemporal.workflows.reports.event_pump import Reports
from flytetemporal.workflows.run_state import RunState
from flytetemporal.workflows.throttling.workflow_task_budget import WorkflowTaskBudget

# The methods that take a run from RUNNING to a state.
PATHS: dict[State, list[Callable[[Continuation], None]]] = {
    State.RUNNING: [],
    State.DRAINING: [Continuation._start_draining],
    State.FROZEN: [Continuation._start_draining, Continuation._freeze],
}
METHODS = {
    State.RUNNING: Continuation._resume,
    State.DRAINING: Continuation._unfreeze,
    State.FROZEN: Continuation._freeze,
}


def in_state(state: State) -> Continuation:
    run_state = RunState(execution_pb2.ExecutionInput(), NodeIds(distinct=True))
    continuation = Continuation(run_state, Reports(WorkflowTaskBudget(), EventClock()))
    for transition in PATHS[state]:
        transition(continuation)
    return continuation


@pytest.mark.parametrize("start", PATHS)
@pytest.mark.parametrize("end", METHODS)
def test_only_the_transitions_of_the_table_are_possible(start: State, end: State) -> None:
    continuation = in_state(start)

    if end in TRANSITIONS[start]:
        METHODS[end](continuation)
        assert continuation.state is end
    else:
        with pytest.raises(RuntimeError, match=f"{start.name} to {end.name}"):
            METHODS[end](continuation)


def test_requested_is_final() -> None:
    assert TRANSITIONS[State.REQUESTED] == ()
    assert set(TRANSITIONS) == set(State)


async def passed(waiting: "asyncio.Task[None]") -> bool:
    for _ in range(5):
        await asyncio.sleep(0)
    return waiting.done()


@pytest.mark.parametrize("state", [State.DRAINING, State.FROZEN])
async def test_nothing_starts_until_the_run_resumes(state: State) -> None:
    continuation = in_state(state)
    waiting = asyncio.create_task(continuation.wait_for_admission())

    before = await passed(waiting)
    continuation._resume()

    assert not before
    assert await passed(waiting)


async def test_what_cannot_be_carried_over_starts_while_it_lasts() -> None:
    continuation = in_state(State.DRAINING)

    with continuation.postponed():
        await continuation.wait_for_admission()
        assert not continuation.is_draining
        assert not continuation._is_idle()

    assert continuation.is_draining


@pytest.mark.parametrize("timer", [True, False])
async def test_an_idle_node_that_has_to_continue_waits_for_the_snapshot(timer: bool) -> None:
    continuation = in_state(State.RUNNING)
    over = asyncio.Event()

    async def node() -> None:
        async with continuation.working("n0"), continuation.idle("n0", timer=timer):
            await over.wait()

    running = asyncio.create_task(node())
    await passed(running)
    continuation._start_draining()
    continuation._freeze()
    over.set()
    before = await passed(running)
    # The next run sees by itself that time has passed.
    current = continuation._is_snapshot_current()
    continuation._unfreeze()

    assert not before
    assert current == timer
    assert await passed(running)


async def test_a_report_makes_a_snapshot_out_of_date() -> None:
    continuation = in_state(State.FROZEN)
    before = continuation._is_snapshot_current()

    continuation._reports.forward([execution_pb2.Report().events.add()])

    assert before
    assert not continuation._is_snapshot_current()
