"""Lengths of the Temporal histories of executions."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from flyteidl.core import identifier_pb2
from temporalio.client import Client, WorkflowExecutionStatus

from flytetemporal.idl import naming

# Temporal's visibility store lags behind the end of workflows.
POLL_SECONDS = 0.5
POLLS = 60


@dataclass(frozen=True, slots=True)
class Lengths:
    """The length of the longest history, and the number of runs; array rows and continued runs count, too."""

    runs: int
    events: int
    size_bytes: int


async def lengths(client: Client, executions: Sequence[identifier_pb2.WorkflowExecutionIdentifier]) -> Lengths:
    """Return the lengths of the histories of executions that have ended.

    Raises:
        RuntimeError: a workflow of one of them does not end.
    """
    runs = events = size = 0
    for execution in executions:
        prefix = naming.temporal_workflow_id(execution)
        for _ in range(POLLS):
            found = [run async for run in client.list_workflows(f"WorkflowId STARTS_WITH '{prefix}'")]
            if found and all(run.status != WorkflowExecutionStatus.RUNNING for run in found):
                break
            await asyncio.sleep(POLL_SECONDS)
        else:
            raise RuntimeError(f"workflows of {prefix} are still open")
        runs += len(found)
        events = max(events, *(run.history_length for run in found))
        size = max(size, *(run.raw_info.history_size_bytes for run in found))
    return Lengths(runs, events, size)
