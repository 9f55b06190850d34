from typing import Any

import pytest
from flyteidl.core import identifier_pb2, metrics_pb2
from google.protobuf import timestamp_pb2

from flytetemporal.cli.views import spans
from flytetemporal.contracts.v1 import pauses_pb2, records_pb2


def at(second: float) -> timestamp_pb2.Timestamp:
    stamp = timestamp_pb2.Timestamp()
    stamp.FromMilliseconds(1_700_000_000_000 + round(second * 1000))
    return stamp


def operation(name: str, start: float, end: float) -> metrics_pb2.Span:
    return metrics_pb2.Span(operation_id=name, start_time=at(start), end_time=at(end))


def execution(*children: metrics_pb2.Span) -> metrics_pb2.Span:
    name = identifier_pb2.WorkflowExecutionIdentifier(name="e1")
    return metrics_pb2.Span(workflow_id=name, start_time=at(0), end_time=at(10), spans=children)


def attempt(node_id: str, **moments: float) -> records_pb2.NodeTimes:
    stamps: dict[str, Any] = {name: at(second) for name, second in moments.items()}
    return records_pb2.NodeTimes(node_id=node_id, attempt=0, **stamps)


def test_a_level_of_the_tree_is_indented_and_a_deeper_one_left_out() -> None:
    node = metrics_pb2.Span(
        node_id=identifier_pb2.NodeExecutionIdentifier(node_id="n0"),
        start_time=at(1),
        end_time=at(4),
        spans=[operation("NODE_SETUP", 1, 2)],
    )

    assert list(spans.rows(execution(node), 2)) == [
        ("e1", "+0.00s", "10.0s"),
        ("  n0", "+1.0s", "3.0s"),
        ("    NODE_SETUP", "+1.0s", "1.0s"),
    ]
    assert len(list(spans.rows(execution(node), 1))) == 2


def test_each_state_lasts_until_the_next_one_that_is_known() -> None:
    known = attempt("n0", queued=1, dispatched=2, started=3, running=5, ended=9, reported=9.5)
    unknown = attempt("n1", queued=1, running=5)

    assert list(spans.time_rows([known, unknown], at(0))) == [
        ("n0", "0", "+1.0s", "1.0s", "1.0s", "2.0s", "4.0s", "0.50s"),
        ("n1", "0", "+1.0s", "4.0s", "", "", "", ""),
    ]


def test_an_element_is_named_with_its_map_task_and_starts_when_it_is_dispatched() -> None:
    element = attempt("n0", dispatched=2, running=3, ended=9)
    element.element = 4

    assert list(spans.time_rows([element], at(0))) == [("n0 [4]", "0", "+2.0s", "", "1.0s", "", "6.0s", "")]
    alone = records_pb2.NodeTimesResponse(nodes=[element])
    assert spans.engine_share(execution(), alone).engine == 10, "it counts with its map task"


@pytest.mark.parametrize(
    ("children", "times", "starting", "engine"),
    [
        ([], [], 0, 10),
        ([operation("TASK_RUNTIME", 2, 6)], [], 0, 6),
        ([operation("NODE_IDLE", 2, 6), operation("TASK_RUNTIME", 4, 8)], [], 0, 4),
        ([operation("NODE_SETUP", 0, 10)], [], 0, 10),
        ([], [attempt("n0", started=1, running=2, ended=6)], 1, 5),
        # While one task runs, the start of another costs nothing.
        ([], [attempt("n0", started=1, running=2, ended=6), attempt("n1", started=3, running=7, ended=9)], 2, 2),
        ([operation("TASK_RUNTIME", 2, 30)], [], 0, 2),
    ],
)
def test_the_engine_has_the_time_in_which_nothing_of_the_user_ran(
    children: list[metrics_pb2.Span], times: list[records_pb2.NodeTimes], starting: float, engine: float
) -> None:
    share = spans.engine_share(execution(*children), records_pb2.NodeTimesResponse(nodes=times))

    assert (share.total, share.starting, share.engine) == (10, starting, engine)


def test_the_time_of_an_execution_that_runs_ends_with_its_newest_event() -> None:
    """Its own span does not grow while it runs, and an attempt that runs has no end."""
    started = metrics_pb2.Span(start_time=at(0), end_time=at(0), spans=[operation("NODE_SETUP", 0, 1)])
    times = [attempt("n0", started=1, running=2, ended=6), attempt("n1", started=8, running=9)]

    share = spans.engine_share(started, records_pb2.NodeTimesResponse(nodes=times), is_running=True)

    assert (share.total, share.starting, share.engine) == (9, 2, 3)


def paused(since: float, until: float | None = None, **target: str) -> records_pb2.PausedTime:
    of = pauses_pb2.PauseTarget(**{"kind": "EXECUTION", "name": "e1", **target})
    return records_pb2.PausedTime(target=of, since=at(since), until=at(until) if until is not None else None)


@pytest.mark.parametrize(
    ("pauses", "seconds", "engine"),
    [
        ([paused(4, 9)], 3, 3),
        ([paused(7)], 3, 3),
        ([paused(-5, 1)], 1, 5),
        ([paused(6, 7), paused(8, 9)], 2, 4),
        # Two pauses at the same time count once.
        ([paused(6, 9), paused(8, 10, kind="LAUNCH_PLAN", name="p")], 4, 2),
        ([paused(6, 9, kind="PROJECT", name="")], 3, 3),
        ([paused(6, 9, kind="NODE", node_id="n1")], 3, 3),
        # Its own attempt cannot start meanwhile; the engine is not what holds it.
        ([paused(0, 2, kind="NODE", node_id="n0")], 2, 4),
        # Another node was on its way for a second.
        ([paused(0, 2, kind="NODE", node_id="n1")], 1, 5),
        # A node of the execution above, which has launched this one.
        ([paused(0, 2, kind="NODE", node_id="n1", name="e0")], 2, 4),
    ],
)
def test_the_time_in_which_an_operator_had_paused_what_was_next_is_not_that_of_the_engine(
    pauses: list[records_pb2.PausedTime], seconds: float, engine: float
) -> None:
    ran = attempt("n0", queued=1, started=2, running=2, ended=6)
    times = records_pb2.NodeTimesResponse(nodes=[ran], pauses=pauses)

    share = spans.engine_share(execution(), times)

    assert (share.total, share.paused, share.engine) == (10, seconds, engine)
