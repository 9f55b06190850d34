"""Remove pods, and make sure that nothing of them runs any more."""

import asyncio
from collections.abc import Callable

import structlog

from flytetemporal.errors import Unavailable
from flytetemporal.kube.api import KubeApi, KubeProblem
from flytetemporal.kube.watching import SharedWatch
from flytetemporal.plugins.pod_targets import Json
from flytetemporal.plugins.pods import status

log = structlog.get_logger()

LOOK_SECONDS = 10.0
"""How often a pod that is being deleted is looked at, in case the watch does not work."""
FORCE_SECONDS = 60.0
"""How long after its grace period a pod is removed by force: its node does not answer."""


class PodRemover:
    """Removes pods, which the watch of their namespace follows."""

    def __init__(self, api: KubeApi, watch_of: Callable[[str], SharedWatch], grace: float) -> None:
        self._api = api
        self._watch_of = watch_of
        self._grace = int(grace)

    async def find(self, namespace: str, name: str) -> Json | None:
        """Return a pod, or None if there is none.

        Raises:
            Unavailable: the API server does not answer, or refuses.
        """
        try:
            return await self._api.get(_path(namespace, name))
        except KubeProblem as e:
            if e.status == 404:
                return None
            raise Unavailable(f"pod [{name}] in namespace [{namespace}] cannot be read: {e.message}") from e

    async def remove(self, pod: Json) -> None:
        """Delete a pod and return when it is gone, or at once if it has ended.

        Raises:
            Unavailable: the API server does not answer, or refuses.
        """
        grace = 0 if status.has_ended(pod) else self._grace
        if not await self._delete(pod, grace) or status.has_ended(pod):
            return
        metadata = pod["metadata"]
        watch, loop = self._watch_of(metadata["namespace"]), asyncio.get_running_loop()
        watch.put(pod)
        force_at = loop.time() + grace + FORCE_SECONDS
        with watch.waiting(metadata["uid"]) as watched:
            while watched.state is not None and not watched.is_gone:
                if not await watched.change(LOOK_SECONDS) and not await self._exists(pod):
                    return
                if loop.time() >= force_at:
                    log.warning("pod_removed_by_force", pod=metadata["name"], namespace=metadata["namespace"])
                    await self._delete(pod, 0)

    async def _exists(self, pod: Json) -> bool:
        found = await self.find(pod["metadata"]["namespace"], pod["metadata"]["name"])
        return found is not None and found["metadata"]["uid"] == pod["metadata"]["uid"]

    async def _delete(self, pod: Json, grace: int) -> bool:
        """Delete a pod; return whether it existed."""
        metadata = pod["metadata"]
        options = {"gracePeriodSeconds": grace, "preconditions": {"uid": metadata["uid"]}}
        try:
            await self._api.delete(_path(metadata["namespace"], metadata["name"]), options)
        except KubeProblem as e:
            if e.status in (404, 409):  # It is gone, or another pod has its name.
                return False
            text = f"pod [{metadata['name']}] in namespace [{metadata['namespace']}] cannot be deleted: {e.message}"
            raise Unavailable(text) from e
        return True


def _path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods/{name}"
