"""PodTemplates of the cluster, on which pods are based."""

import asyncio
from collections.abc import Iterable

from flytetemporal.kube.api import KubeApi, KubeProblem
from flytetemporal.plugins.pod_targets import Json
from flytetemporal.plugins.protocol import BAD_SPECIFICATION, Rejected, TaskContext

RESYNC_SECONDS = 30.0


class PodTemplates:
    """Looks PodTemplates up, first in the namespace of the task, then in that of the worker, and keeps them a while."""

    def __init__(self, api: KubeApi, home: str, default: str) -> None:
        self._api = api
        self._home = home
        self._default = default
        self._found: dict[tuple[str, str], tuple[float, Json | None]] = {}

    async def base_of(self, context: TaskContext) -> Json | None:
        """Return what the pod of an attempt is based on; None: nothing.

        Raises:
            Rejected: the task names a PodTemplate that does not exist.
            Unavailable: the API server does not answer.
        """
        wanted, namespace = context.template.metadata.pod_template_name, context.request.settings.namespace
        name = wanted or self._default
        if not name:
            return None
        found = await self._first(name, dict.fromkeys([namespace, self._home]))
        if found is None and wanted:
            text = f"PodTemplate [{name}] exists neither in namespace [{namespace}] nor in [{self._home}]"
            raise Rejected(BAD_SPECIFICATION, f"task {context.template.id.name} needs a pod template: {text}")
        return found

    async def _first(self, name: str, namespaces: Iterable[str]) -> Json | None:
        for namespace in namespaces:
            found = await self._look_up(namespace, name)
            if found is not None:
                return found
        return None

    async def _look_up(self, namespace: str, name: str) -> Json | None:
        now = asyncio.get_running_loop().time()
        at, kept = self._found.get((namespace, name), (-RESYNC_SECONDS, None))
        if now - at < RESYNC_SECONDS:
            return kept
        try:
            answer = await self._api.get(f"/api/v1/namespaces/{namespace}/podtemplates/{name}")
        except KubeProblem as e:
            if e.status != 404:
                raise Rejected(BAD_SPECIFICATION, f"PodTemplate [{name}] cannot be read: {e.message}") from e
            found: Json | None = None
        else:
            found = answer.get("template") or {}
        self._found[namespace, name] = (now, found)
        return found
