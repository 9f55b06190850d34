"""How long the Temporal histories of executions have become."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from flyteidl.core import identifier_pb2
from temporalio.client import Client, WorkflowExecutionStatus

from flytetemporal.idl import naming

# Visibility lags behind what has ended.
LOOK_SECONDS = 0.5
LOOKS = 60


@dataclass(frozen=True, slots=True)
class Lengths:
    """The longest history of any run, and how many runs there are: rows of arrays and continued runs count."""

    runs: int
    events: int
    size_bytes: int


async def lengths(client: Client, executions: Sequence[identifier_pb2.WorkflowExecutionIdentifier]) -> Lengths:
    """Return the lengths of the histories of executions that have ended.

    Raises:
        RuntimeError: some of their workflows do not end.
    """
    runs = events = size = 0
    for execution in executions:
        prefix = naming.temporal_workflow_id(execution)
        for _ in range(LOOKS):
            found = [run async for run in client.list_workflows(f"WorkflowId STARTS_WITH '{prefix}'")]
            if found and all(run.status != WorkflowExecutionStatus.RUNNING for run in found):
                break
            await asyncio.sleep(LOOK_SECONDS)
        else:
            raise RuntimeError(f"workflows of {prefix} are still open")
        runs += len(found)
        events = max(events, *(run.history_length for run in found))
        size = max(size, *(run.raw_info.history_size_bytes for run in found))
    return Lengths(runs, events, size)
