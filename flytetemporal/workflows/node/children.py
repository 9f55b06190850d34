"""The executions that launch plan nodes of this run started, as far as they have told their end."""

import asyncio

from flytetemporal.contracts.v1 import execution_pb2


class Children:
    """Keeps each outcome by the name of the child, whether or not somebody waits for it yet."""

    def __init__(self) -> None:
        self._outcomes: dict[str, execution_pb2.ExecutionOutcome] = {}
        self._waiting: dict[str, asyncio.Future[None]] = {}

    def tell(self, state: execution_pb2.ChildState) -> None:
        """Note how a child ended; the first word counts."""
        name = state.execution_id.name
        self._outcomes.setdefault(name, state.outcome)
        future = self._waiting.pop(name, None)
        if future is not None and not future.done():
            future.set_result(None)

    async def ended(self, name: str) -> execution_pb2.ExecutionOutcome:
        """Return how a child ended, once it has told."""
        while name not in self._outcomes:
            future = self._waiting[name] = asyncio.get_running_loop().create_future()
            await future
        return self._outcomes[name]
