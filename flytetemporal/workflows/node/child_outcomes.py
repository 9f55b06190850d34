"""How the executions ended that launch plan nodes of this run started."""

import asyncio

from flytetemporal.contracts.v1 import execution_pb2


class ChildOutcomes:
    """Outcomes by the name of the child. They are kept until read: a signal can arrive before its node waits for it."""

    def __init__(self) -> None:
        self._outcomes: dict[str, execution_pb2.ExecutionOutcome] = {}
        self._waiting: dict[str, asyncio.Future[None]] = {}

    def add(self, state: execution_pb2.ChildState) -> None:
        """Add the outcome of a child; a second one for the same child is ignored."""
        name = state.execution_id.name
        self._outcomes.setdefault(name, state.outcome)
        future = self._waiting.pop(name, None)
        if future is not None and not future.done():
            future.set_result(None)

    async def outcome(self, name: str) -> execution_pb2.ExecutionOutcome:
        """Return the outcome of a child once it is known."""
        while name not in self._outcomes:
            future = self._waiting[name] = asyncio.get_running_loop().create_future()
            await future
        return self._outcomes[name]
