"""The output of pods, kept where that of processes is: in the store, from which admin serves it."""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

import structlog

from flytetemporal.errors import Unavailable
from flytetemporal.kube.api import KubeApi, KubeProblem
from flytetemporal.plugins.pod_targets import PRIMARY, Json
from flytetemporal.plugins.protocol import TaskContext
from flytetemporal.plugins.task_logs import TaskLogs

log = structlog.get_logger()

_NOTHING = (400, 404)
"""Answers if the container has not started, or the pod is gone."""


@dataclass(frozen=True, slots=True)
class KeptLogs:
    """Keeps the output of primary containers, up to ``max_bytes`` of each."""

    api: KubeApi
    logs: TaskLogs
    max_bytes: int

    async def keep(self, context: TaskContext, pod: Json, seconds: float) -> None:
        """Copy what a pod has written to the store, unless that takes too long or fails: no attempt depends on it."""
        metadata = pod["metadata"]
        container = (metadata.get("annotations") or {}).get(PRIMARY) or pod["spec"]["containers"][0]["name"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/log"
        query = {"container": container, "limitBytes": str(self.max_bytes)}
        try:
            async with asyncio.timeout(seconds):
                with tempfile.TemporaryDirectory(prefix="flytetemporal-log-") as folder:
                    file = Path(folder, "task.log")
                    await self.api.download(path, query, file)
                    await self.logs.store(context, file)
        except KubeProblem as e:
            if e.status not in _NOTHING:
                log.warning("task_log_lost", pod=metadata["name"], problem=e.message)
        except (Unavailable, TimeoutError) as e:
            log.warning("task_log_lost", pod=metadata["name"], problem=str(e) or "it took too long")
