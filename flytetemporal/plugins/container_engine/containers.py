"""The container of one attempt, from its creation to its removal."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from flytetemporal.plugins.container_engine import arguments
from flytetemporal.plugins.container_engine.arguments import Request
from flytetemporal.plugins.container_engine.engine import Engine, State
from flytetemporal.plugins.local.workspace import Workspace
from flytetemporal.plugins.protocol import TaskContext

LAST_OUTPUT_SECONDS = 5.0


@dataclass(slots=True)
class Container:
    """A container by its name. It need not exist: all of this can be repeated."""

    engine: Engine
    name: str
    request: Request
    variables: Mapping[str, str]
    """Variables whose values only the engine sees, never its command line."""
    workspace: Workspace
    attached: asyncio.Task[None] | None = None
    """Copies the output to the log until the container has ended, also while it is being stopped."""

    async def create(self, context: TaskContext) -> None:
        """Create the container.

        Raises:
            EngineFailed: the engine refuses.
        """
        await self.engine.create(arguments.create(context, self.request), self.variables)

    async def run(self) -> State | None:
        """Start the container and return its state when it has ended: None if it has been removed.

        Cancelling this call does not stop the container.
        """
        self.attached = asyncio.create_task(self.engine.attach(self.name, self.workspace.log, self.workspace.scratch))
        await asyncio.shield(self.attached)
        return await self.engine.state(self.name)

    async def stop(self, grace: timedelta) -> None:
        """Ask the container to end, and kill it after ``grace``."""
        await self.engine.stop(self.name, grace)

    async def remove(self) -> None:
        """Kill and remove the container, after its last output has reached the log."""
        await self.engine.remove(self.name)
        if self.attached is not None:
            await asyncio.wait([self.attached], timeout=LAST_OUTPUT_SECONDS)
            self.attached.cancel()
            await asyncio.gather(self.attached, return_exceptions=True)
