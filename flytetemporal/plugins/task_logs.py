"""Where the output of an attempt lies that runs on this machine, and how people get to it."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import structlog
from flyteidl.core import execution_pb2 as core_execution_pb2

from flytetemporal.errors import FlyteError
from flytetemporal.idl import locations
from flytetemporal.plugins.protocol import TaskContext
from flytetemporal.storage.blobs import BlobStore

log = structlog.get_logger()

NAME = "Task Logs"


@dataclass(frozen=True, slots=True)
class TaskLogs:
    """Logs of attempts in the store; ``admin_url`` serves them."""

    blobs: BlobStore
    admin_url: str

    def local_path(self, context: TaskContext) -> Path | None:
        """Return the file that can be written while the task runs, when the store is a folder of this machine."""
        return self.blobs.local_path(self._uri(context))

    def link(self, context: TaskContext) -> core_execution_pb2.TaskLog:
        """Return the link that events carry."""
        node = context.node_execution_id
        path = locations.log_path(node.execution_id, node.node_id, context.attempt)
        return core_execution_pb2.TaskLog(uri=self.admin_url.rstrip("/") + path, name=NAME)

    async def keep(self, context: TaskContext, path: Path) -> None:
        """Copy a finished log to where readers look for it, unless it was written there."""
        if self.local_path(context) is not None:
            return
        uri = self._uri(context)
        try:
            await self.blobs.write(uri, await asyncio.to_thread(path.read_bytes))
        except (FlyteError, OSError) as e:
            log.warning("task_log_lost", uri=uri, problem=str(e))  # The work is done; its outcome counts.

    def _uri(self, context: TaskContext) -> str:
        node = context.node_execution_id
        return locations.log_uri(self.blobs.root, node.execution_id, node.node_id, context.attempt)
