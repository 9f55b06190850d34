"""The logs of attempts that run on this machine: where they are stored, and the link by which people read them."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import structlog
from flyteidl.core import execution_pb2 as core_execution_pb2

from flytetemporal.errors import FlyteError
from flytetemporal.idl import locations
from flytetemporal.plugins.protocol import TaskContext
from flytetemporal.storage import local_files
from flytetemporal.storage.blobs import BlobStore

log = structlog.get_logger()

NAME = "Task Logs"


@dataclass(frozen=True, slots=True)
class TaskLogs:
    """Logs of attempts in the store; ``admin_url`` serves them."""

    blobs: BlobStore
    admin_url: str

    def local_path(self, context: TaskContext) -> Path | None:
        """Return the path of the stored log if the store is a folder of this machine, so that a task can write it."""
        return self.blobs.local_path(self._uri(context))

    def link(self, context: TaskContext) -> core_execution_pb2.TaskLog:
        """Return the link for the events of the attempt."""
        node = context.node_execution_id
        path = locations.log_path(node.execution_id, node.node_id, context.attempt)
        return core_execution_pb2.TaskLog(uri=self.admin_url.rstrip("/") + path, name=NAME)

    async def keep(self, context: TaskContext, path: Path) -> None:
        """Store the log of an attempt that has ended, unless the attempt has written it there."""
        if self.local_path(context) is None:
            await self.store(context, path)

    async def store(self, context: TaskContext, path: Path) -> None:
        """Store the log of an attempt, wherever it was written."""
        uri = self._uri(context)
        try:
            # The task can have replaced its log, by a FIFO for example.
            if await asyncio.to_thread(local_files.is_regular, path, path.parent):
                await self.blobs.upload(path, uri)
        except (FlyteError, OSError) as e:
            # The attempt has its outcome. A lost log must not turn it into a failure.
            log.warning("task_log_lost", uri=uri, problem=str(e))

    def _uri(self, context: TaskContext) -> str:
        node = context.node_execution_id
        return locations.log_uri(self.blobs.root, node.execution_id, node.node_id, context.attempt)
