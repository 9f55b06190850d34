from typing import Any

import pytest
from flyteidl.core import identifier_pb2, metrics_pb2
from google.protobuf import timestamp_pb2

from flytetemporal.cli.views import spans
from flytetemporal.contracts.v1 import edits_pb2, records_pb2


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
    assert spans.engine_share(execution(), [element]).engine == 10, "it counts with its map task"


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
    share = spans.engine_share(execution(*children), times)

    assert (share.total, share.starting, share.engine) == (10, starting, engine)


def test_the_time_of_an_execution_that_runs_ends_with_its_newest_event() -> None:
    """Its own span does not grow while it runs, and an attempt that runs has no end."""
    started = metrics_pb2.Span(start_time=at(0), end_time=at(0), spans=[operation("NODE_SETUP", 0, 1)])
    times = [attempt("n0", started=1, running=2, ended=6), attempt("n1", started=8, running=9)]

    share = spans.engine_share(started, times, is_running=True)

    assert (share.total, share.starting, share.engine) == (9, 2, 3)


def action(verb: str, second: float, kind: str = "EXECUTION") -> edits_pb2.OperatorAction:
    return edits_pb2.OperatorAction(action=verb, at=at(second), details=f'{{"kind": "{kind}"}}')


@pytest.mark.parametrize(
    ("actions", "paused", "engine"),
    [
        ([action("pause", 4), action("resume", 9)], 3, 3),
        ([action("pause", 7), action("pause", 8), action("resume", 9)], 2, 4),
        ([action("pause", 7)], 3, 3),
        ([action("pause", 3), action("resume", 5)], 0, 6),
        ([action("pause", 6), action("resume", 7), action("pause", 8), action("resume", 9)], 2, 4),
        (
            [action("pause", 7, "NODE"), action("pause", 7, "LAUNCH_PLAN"), edits_pb2.OperatorAction(action="edit")],
            0,
            6,
        ),
        # Left by a removed execution of the same name.
        ([action("pause", -5)], 0, 6),
    ],
)
def test_the_time_in_which_an_operator_had_paused_the_execution_is_not_that_of_the_engine(
    actions: list[edits_pb2.OperatorAction], paused: float, engine: float
) -> None:
    share = spans.engine_share(execution(), [attempt("n0", started=2, running=2, ended=6)], actions[::-1])

    assert (share.total, share.paused, share.engine) == (10, paused, engine)
