"""What was removed, or would be, as people read it."""

from flytetemporal.cli.views import backfills, loops, removals
from flytetemporal.contracts.v1 import backfills_pb2, retention_pb2


def test_one_of_a_kind_is_in_the_singular() -> None:
    one = retention_pb2.DeleteExecutionResponse(executions=1, nodes=1, tasks=2)

    assert removals.executions(one) == "1 execution with 1 node and 2 tasks"
    assert loops.counts({"histories": 1, "files": 1, "nodes": 3}) == "1 file, 1 history, 3 nodes"


def test_a_project_is_counted_line_by_line() -> None:
    found = retention_pb2.DeleteProjectResponse(executions=3, running=1, tasks=2, workflows=1, schedules=1)

    assert removals.project(found) == [
        "3 executions (1 not ended)",
        "1 workflow version, 0 launch plan versions, 2 task versions",
        "0 artifacts",
        "1 active schedule",
    ]


def test_more_times_than_are_counted_are_said_to_be_more() -> None:
    answer = backfills_pb2.StartBackfillResponse(is_more=True)
    answer.backfill.counts.total = 1_000_000
    answer.first.FromJsonString("2016-01-01T00:00:00Z")

    assert backfills.planned(answer).startswith("more than 1000000 times of launch plan")
