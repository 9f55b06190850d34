"""Schedules as people read them."""

from datetime import UTC, datetime

from flytetemporal.cli.views import schedules
from flytetemporal.contracts.v1 import pauses_pb2, schedules_pb2
from flytetemporal.idl import times


def test_a_paused_schedule_has_no_next_time() -> None:
    state = schedules_pb2.ScheduleState(expression="@daily")
    state.launch_plan.name = "w"
    state.next_times.append(times.timestamp(datetime(2026, 1, 2, 3, 4, tzinfo=UTC)))
    runs, paused = schedules_pb2.ScheduleState(), schedules_pb2.ScheduleState()
    runs.CopyFrom(state)
    paused.CopyFrom(state)
    paused.pause.CopyFrom(pauses_pb2.Pause(paused_by="ann", reason="repairs"))

    _, first, second = schedules.lines(schedules_pb2.ListSchedulesResponse(schedules=[runs, paused]))

    assert "2026-01-02 03:04" in first
    assert "2026-01-02" not in second
    assert "by ann: repairs" in second
