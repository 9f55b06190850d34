"""Reordering or repeating a well-formed event stream ends in the same execution."""

from collections.abc import Sequence
from typing import TypeVar

import pytest
from flyteidl.admin import execution_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.core import catalog_pb2, identifier_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.event import event_pb2
from google.protobuf import struct_pb2, timestamp_pb2
from hypothesis import given
from hypothesis import strategies as st

from flytetemporal.idl import phases
from flytetemporal.idl.progress import node_events, task_events, workflow_events

W = core_execution_pb2.WorkflowExecution
N = core_execution_pb2.NodeExecution
T = core_execution_pb2.TaskExecution
E = TypeVar("E")
EXECUTION = identifier_pb2.WorkflowExecutionIdentifier(project="p", domain="d", name="e")
ERROR = core_execution_pb2.ExecutionError(
    code="USER:Broken", message="broken", kind=core_execution_pb2.ExecutionError.USER
)


def at(seconds: int) -> timestamp_pb2.Timestamp:
    return timestamp_pb2.Timestamp(seconds=1_700_000_000 + seconds)


def shuffled(events: Sequence[E]) -> st.SearchStrategy[list[E]]:
    """All of the events at least once, in any order."""
    extra = st.lists(st.sampled_from(events), max_size=4)
    return extra.flatmap(lambda more: st.permutations([*events, *more]))


@st.composite
def streams(draw: st.DrawFn, events: st.SearchStrategy[list[E]]) -> tuple[list[E], list[E]]:
    ordered = draw(events)
    return ordered, draw(shuffled(ordered))


@st.composite
def workflow_event_streams(draw: st.DrawFn) -> list[event_pb2.WorkflowExecutionEvent]:
    middle, final = draw(st.sampled_from([(W.SUCCEEDING, W.SUCCEEDED), (W.FAILING, W.FAILED), (W.FAILING, W.ABORTED)]))
    some = [W.QUEUED, W.RUNNING, middle]
    kept = [phase for phase in some if draw(st.booleans())]
    events = [
        event_pb2.WorkflowExecutionEvent(execution_id=EXECUTION, phase=phase, occurred_at=at(i))
        for i, phase in enumerate([*kept, final])
    ]
    for event in events:
        if event.phase in (W.FAILING, W.FAILED):
            event.error.CopyFrom(ERROR)
        elif event.phase == W.SUCCEEDED:
            event.output_uri = "s3://b/outputs.pb"
    return events


@st.composite
def node_event_streams(draw: st.DrawFn) -> list[event_pb2.NodeExecutionEvent]:
    final = draw(st.sampled_from(sorted(phases.NODE_TERMINAL)))
    kept = [phase for phase in (N.QUEUED, N.RUNNING, N.DYNAMIC_RUNNING, N.FAILING) if draw(st.booleans())]
    return [draw(node_event(phase, i)) for i, phase in enumerate([*kept, final])]


@st.composite
def node_event(draw: st.DrawFn, phase: N.Phase, second: int) -> event_pb2.NodeExecutionEvent:
    event = event_pb2.NodeExecutionEvent(
        id=identifier_pb2.NodeExecutionIdentifier(node_id="n0", execution_id=EXECUTION),
        phase=phase,
        occurred_at=at(second),
        reported_at=at(draw(st.integers(0, 100))),
        input_uri="s3://b/inputs.pb",
        deck_uri=draw(st.sampled_from(["", "s3://b/deck.html"])),
        spec_node_id="n0",
        is_parent=draw(st.booleans()),
        is_dynamic=draw(st.booleans()),
    )
    if phase in phases.NODE_TERMINAL:
        event.output_uri = "s3://b/outputs.pb"
    if draw(st.booleans()):
        event.task_node_metadata.checkpoint_uri = draw(st.sampled_from(["", "s3://b/cp"]))
        event.task_node_metadata.dynamic_workflow.dynamic_job_spec_uri = "s3://b/futures.pb"
    return event


@st.composite
def task_event_streams(draw: st.DrawFn) -> list[event_pb2.TaskExecutionEvent]:
    final = draw(st.sampled_from(sorted(phases.TASK_TERMINAL)))
    order = (T.QUEUED, T.WAITING_FOR_RESOURCES, T.INITIALIZING, T.RUNNING, T.RUNNING, T.RUNNING)
    kept = [(phase, i) for i, phase in enumerate(order) if draw(st.booleans())]
    return [draw(task_event(phase, version)) for phase, version in [*kept, (final, len(order))]]


@st.composite
def task_event(draw: st.DrawFn, phase: T.Phase, version: int) -> event_pb2.TaskExecutionEvent:
    event = event_pb2.TaskExecutionEvent(
        parent_node_execution_id=identifier_pb2.NodeExecutionIdentifier(node_id="n0", execution_id=EXECUTION),
        phase=phase,
        phase_version=version,
        occurred_at=at(version),
        reported_at=at(draw(st.integers(0, 100))),
        task_type="python-task",
        event_version=1,
        reason=draw(st.sampled_from(["", "waiting", "started"])),
        logs=draw(st.lists(task_log(), max_size=3)),
        metadata=event_pb2.TaskExecutionMetadata(
            generated_name="e-n0-0",
            plugin_identifier=draw(st.sampled_from(["", "container"])),
            external_resources=draw(st.lists(external_resource(), max_size=3)),
        ),
        custom_info=struct_pb2.Struct(fields={f"k{version}": struct_pb2.Value(number_value=version)}),
    )
    if phase in phases.TASK_TERMINAL:
        event.error.CopyFrom(ERROR)
    return event


@st.composite
def task_log(draw: st.DrawFn) -> core_execution_pb2.TaskLog:
    return core_execution_pb2.TaskLog(
        name=draw(st.sampled_from(["a", "b"])),
        uri=draw(st.sampled_from(["http://x", "http://y"])),
        ShowWhilePending=draw(st.booleans()),
        HideOnceFinished=draw(st.booleans()),
    )


@st.composite
def external_resource(draw: st.DrawFn) -> event_pb2.ExternalResourceInfo:
    index, retry = draw(st.integers(0, 2)), draw(st.integers(0, 1))
    return event_pb2.ExternalResourceInfo(
        logs=draw(st.lists(task_log(), max_size=2)),
        index=index,
        retry_attempt=retry,
        external_id=draw(st.sampled_from(["", f"e-n0-0-n{index}-{retry}"])),
        phase=draw(st.sampled_from([T.QUEUED, T.RUNNING, T.SUCCEEDED])),
    )


def advance_workflow(events: Sequence[event_pb2.WorkflowExecutionEvent]) -> execution_pb2.ExecutionClosure:
    closure = execution_pb2.ExecutionClosure()
    for event in events:
        workflow_events.advance(closure, event)
    return closure


def advance_node(events: Sequence[event_pb2.NodeExecutionEvent]) -> node_execution_pb2.NodeExecution:
    execution = node_execution_pb2.NodeExecution()
    for event in events:
        node_events.advance(execution, event)
    return execution


def advance_task(events: Sequence[event_pb2.TaskExecutionEvent]) -> tuple[int, task_execution_pb2.TaskExecution]:
    execution, version = task_execution_pb2.TaskExecution(), 0
    for event in events:
        _, version = task_events.advance(execution, version, event)
    return version, execution


@given(streams(workflow_event_streams()))
def test_any_order_of_workflow_events_ends_in_the_same_closure(
    stream: tuple[list[event_pb2.WorkflowExecutionEvent], list[event_pb2.WorkflowExecutionEvent]],
) -> None:
    ordered, reordered = stream

    assert advance_workflow(reordered) == advance_workflow(ordered)


@given(streams(node_event_streams()))
def test_any_order_of_node_events_ends_in_the_same_node(
    stream: tuple[list[event_pb2.NodeExecutionEvent], list[event_pb2.NodeExecutionEvent]],
) -> None:
    ordered, reordered = stream

    assert advance_node(reordered) == advance_node(ordered)


@given(streams(task_event_streams()))
def test_any_order_of_task_events_ends_in_the_same_attempt(
    stream: tuple[list[event_pb2.TaskExecutionEvent], list[event_pb2.TaskExecutionEvent]],
) -> None:
    ordered, reordered = stream

    assert advance_task(reordered) == advance_task(ordered)


@given(workflow_event_streams())
def test_a_repeated_stream_changes_nothing(events: list[event_pb2.WorkflowExecutionEvent]) -> None:
    closure = advance_workflow(events)

    assert not any(workflow_events.advance(closure, event) for event in events)


def test_a_late_start_completes_the_duration() -> None:
    execution = advance_task(
        [
            event_pb2.TaskExecutionEvent(phase=T.SUCCEEDED, occurred_at=at(9), output_uri="s3://b/o"),
            event_pb2.TaskExecutionEvent(phase=T.RUNNING, occurred_at=at(2)),
        ]
    )[1]

    assert execution.closure.phase == T.SUCCEEDED
    assert execution.closure.duration.seconds == 7
    assert execution.closure.created_at == at(2)


def test_an_ended_execution_stays_as_it_ended() -> None:
    closure = execution_pb2.ExecutionClosure(phase=W.ABORTED, updated_at=at(5))
    closure.abort_metadata.cause = "enough"

    changed = workflow_events.advance(
        closure, event_pb2.WorkflowExecutionEvent(phase=W.FAILED, occurred_at=at(6), error=ERROR)
    )

    assert not changed
    assert closure.abort_metadata.cause == "enough"


def test_cache_status_is_stored_only_with_its_key() -> None:
    status = catalog_pb2.CACHE_HIT
    without = event_pb2.NodeExecutionEvent(
        phase=N.SUCCEEDED, occurred_at=at(1), task_node_metadata=event_pb2.TaskNodeMetadata(cache_status=status)
    )
    key = catalog_pb2.CatalogMetadata(dataset_id=identifier_pb2.Identifier(name="x"))
    with_key = event_pb2.NodeExecutionEvent(
        phase=N.SUCCEEDED,
        occurred_at=at(1),
        task_node_metadata=event_pb2.TaskNodeMetadata(cache_status=status, catalog_key=key),
    )

    assert advance_node([without]).closure.task_node_metadata.cache_status == catalog_pb2.CACHE_DISABLED
    assert advance_node([with_key]).closure.task_node_metadata.cache_status == status


def test_recorded_logs_are_newest_first_and_filtered_by_phase() -> None:
    TaskLog = core_execution_pb2.TaskLog  # noqa: N806
    execution = task_execution_pb2.TaskExecution()
    first = [TaskLog(name="old", uri="u"), TaskLog(name="brief", uri="u", HideOnceFinished=True)]
    task_events.record(execution, event_pb2.TaskExecutionEvent(phase=T.RUNNING, occurred_at=at(0), logs=first))

    last = event_pb2.TaskExecutionEvent(phase=T.FAILED, occurred_at=at(1), logs=[TaskLog(name="new", uri="u")])
    task_events.record(execution, last)

    assert [log.name for log in execution.closure.logs] == ["new", "old"]


def test_a_lone_reason_that_repeats_is_recorded_once() -> None:
    execution = task_execution_pb2.TaskExecution()
    for second in range(3):
        event = event_pb2.TaskExecutionEvent(
            phase=T.RUNNING, phase_version=second, occurred_at=at(second), reason="pod is running"
        )
        task_events.record(execution, event)

    assert [reason.message for reason in execution.closure.reasons] == ["pod is running"]


def test_custom_info_is_merged_like_a_json_patch() -> None:
    execution = task_execution_pb2.TaskExecution()
    first, second = struct_pb2.Struct(), struct_pb2.Struct()
    first.update({"a": {"x": 1, "y": 2}, "gone": 1})
    second.update({"a": {"x": 3}, "gone": None})

    task_events.record(execution, event_pb2.TaskExecutionEvent(phase=T.RUNNING, occurred_at=at(0), custom_info=first))
    task_events.record(
        execution, event_pb2.TaskExecutionEvent(phase=T.SUCCEEDED, occurred_at=at(1), custom_info=second)
    )

    expected = struct_pb2.Struct()
    expected.update({"a": {"x": 3, "y": 2}})
    assert execution.closure.custom_info == expected


@pytest.mark.parametrize("phase", sorted(phases.NODE_TERMINAL))
def test_an_end_without_a_deck_takes_the_promised_deck_back(phase: N.Phase) -> None:
    events = [
        event_pb2.NodeExecutionEvent(phase=N.RUNNING, occurred_at=at(0), deck_uri="s3://b/deck.html"),
        event_pb2.NodeExecutionEvent(phase=phase, occurred_at=at(1)),
    ]

    assert advance_node(events).closure.deck_uri == ""
