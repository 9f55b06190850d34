"""The machine of the worker, as far as an attempt that runs on it needs to know it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.plugins import environment
from flytetemporal.plugins.local.secrets import SecretStore
from flytetemporal.plugins.local.workspace import Workspace
from flytetemporal.plugins.protocol import TaskContext
from flytetemporal.plugins.task_logs import TaskLogs
from flytetemporal.storage.blobs import BlobStore


@dataclass(frozen=True, slots=True)
class Host:
    """Folders, variables, secrets and logs for attempts on this machine."""

    work_dir: Path
    environment: Mapping[str, str]
    """The worker's own variables, without those that tasks must not see."""
    platform: Mapping[str, str]
    """The variables by which a task finds admin and the object store."""
    secrets: SecretStore
    logs: TaskLogs
    max_log_bytes: int

    @classmethod
    def of(
        cls,
        settings: WorkerSettings,
        storage: StorageSettings,
        blobs: BlobStore,
        own_environment: Mapping[str, str],
    ) -> "Host":
        """Describe the machine by the settings and the environment of the worker."""
        return cls(
            work_dir=Path(settings.work_dir).absolute(),
            environment=environment.inherited(own_environment),
            platform=environment.platform_environment(settings, storage),
            secrets=SecretStore(Path(settings.secrets_dir), dict(own_environment)),
            logs=TaskLogs(blobs, settings.admin_url),
            max_log_bytes=settings.max_log_bytes,
        )

    def workspace(self, context: TaskContext) -> Workspace:
        """Return the folders of an attempt; they need not exist."""
        return Workspace.of(context, self.work_dir, self.logs.local_path(context))

    async def remove(self, context: TaskContext) -> None:
        """Remove the folders of an attempt, whichever worker made them."""
        await asyncio.to_thread(self.workspace(context).remove)
