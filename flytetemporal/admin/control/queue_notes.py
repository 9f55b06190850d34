"""The place of an execution in the queue of its launch plan, for ``flytetemporal why``."""

from flyteidl.core import identifier_pb2

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.concurrency import places

# A note names at most this many executions, so that it stays readable.
SHOWN = 10


async def of(deps: Dependencies, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> list[str]:
    """Return a sentence that says how an execution waits for a place; nothing if it does not."""
    async with deps.sessions() as session:
        row = await places.find(session, execution_id)
        if row is None:
            return []
        scope = places.scope_of(row)
        number, total = await places.ahead(session, row) + 1, await places.count_waiting(session, scope)
        names = [found.name for found in await places.running(session, scope)]
    others = f" and {len(names) - SHOWN} others" if len(names) > SHOWN else ""
    held = f" (now {', '.join(names[:SHOWN])}{others})" if names else ""
    return [
        f"the execution waits for a place: {scope.text} runs at most {row.places} at once{held}; "
        f"it is number {number} of {total} in the queue, with priority {row.priority}"
    ]
