"""What reaches admin of the phases of an attempt while it runs."""

import asyncio
from collections.abc import Sequence

from flyteidl.core import tasks_pb2

from flytetemporal.activities.task_attempts import Attempt
from flytetemporal.activities.task_reports import TaskReports
from flytetemporal.contracts.v1 import events_pb2, execution_pb2
from flytetemporal.plugins.protocol import PhaseInfo, TaskPhase
from tests.fixtures.waiting import bounded, eventually


class SlowSink:
    """A sink whose first call lasts until ``may_answer`` is set."""

    def __init__(self) -> None:
        self.called, self.may_answer = asyncio.Event(), asyncio.Event()
        self.phases: list[int] = []

    async def record_events(self, events: Sequence[events_pb2.Event], *, tentative: bool = False) -> None:
        self.called.set()
        await self.may_answer.wait()
        self.phases += [event.task.phase for event in events if event.HasField("task")]


async def test_a_phase_that_is_reported_during_a_call_follows_it() -> None:
    sink = SlowSink()
    reports = TaskReports(sink, Attempt(execution_pb2.TaskAttempt(generated_name="e1-n0-0"), tasks_pb2.TaskTemplate()))

    reports.report(PhaseInfo(TaskPhase.QUEUED))
    await bounded(sink.called.wait())
    reports.report(PhaseInfo(TaskPhase.RUNNING))
    sink.may_answer.set()

    await eventually(lambda: sink.phases[-1:] == [TaskPhase.RUNNING])
    assert TaskPhase.QUEUED in sink.phases
