"""How long work stands still after ``kill -9`` of the worker that had it, while another worker runs."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from bench import fleet, scale
from bench.executions import Executions

DEATHS = 10
# Time for each chain to have begun.
SETTLE_SECONDS = 2.0


async def measure(
    executions: Executions, client: Client, state: Mapping[str, Any], folder: Path, *, deaths: int = DEATHS
) -> list[float]:
    """Kill a worker ``deaths`` times; return for each run that it had the seconds until its next progress."""
    await executions.run(scale.CHAIN)
    stood: list[float] = []
    for number in range(deaths):
        async with fleet.worker(client, state, folder / f"dies-{number}") as process:
            running = asyncio.gather(*(executions.run(scale.CHAIN) for _ in range(scale.CHAINS)))
            await asyncio.sleep(SETTLE_SECONDS)
            killed_at = time.time()
            process.kill()
            for run in await running:
                seconds = _standstill(await scale.events(client, run.id), killed_at, fleet.identity(process.pid))
                if seconds is not None:
                    stood.append(seconds)
    return stood


def _standstill(events: Sequence[HistoryEvent], killed_at: float, worker: str) -> float | None:
    """Return the seconds from the death of a worker to the next result of a run; None if it had nothing of the run."""
    before = [event for event in events if _time(event) < killed_at]
    results = [event for event in events if event.HasField("activity_task_completed_event_attributes")]
    later = [event for event in results if _time(event) >= killed_at]
    if not later:
        return None
    workflow_tasks = [e for e in before if e.HasField("workflow_task_started_event_attributes")]
    had_workflow = bool(workflow_tasks) and _worker(workflow_tasks[-1]) == worker
    # Only the last try of an activity is in the history. That it is not the first shows that the worker had another.
    started = later[0].activity_task_completed_event_attributes.started_event_id
    had_activity = any(e.event_id == started and e.activity_task_started_event_attributes.attempt > 1 for e in events)
    return _time(later[0]) - killed_at if had_workflow or had_activity else None


def _worker(event: HistoryEvent) -> str:
    return event.workflow_task_started_event_attributes.identity


def _time(event: HistoryEvent) -> float:
    return event.event_time.ToNanoseconds() / 1e9
