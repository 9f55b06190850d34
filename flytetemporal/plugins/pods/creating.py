"""Create the pod of an attempt, however often the API server refuses."""

import asyncio
from collections.abc import AsyncGenerator

from flytetemporal.errors import Unavailable
from flytetemporal.kube.api import KubeApi, KubeProblem
from flytetemporal.plugins.pod_targets import Json
from flytetemporal.plugins.pods import metadata, refusals
from flytetemporal.plugins.pods.quotas import QuotaQueue
from flytetemporal.plugins.pods.refusals import Refusal
from flytetemporal.plugins.pods.removing import PodRemover
from flytetemporal.plugins.protocol import ErrorKind, PhaseInfo, TaskPhase, failed

SUBMITTED = PhaseInfo(TaskPhase.QUEUED, reason="task submitted to K8s")
PASSING_SECONDS = 60.0
"""How long a namespace that does not exist is waited for, or a right that is missing. Both may be about to be made, and
an API server that starts does not know all roles at once."""
LONGEST_PAUSE_SECONDS = 10.0


class Creation:
    """The creation of one pod."""

    def __init__(self, api: KubeApi, remover: PodRemover, queue: QuotaQueue, pod: Json) -> None:
        self._api = api
        self._remover = remover
        self._queue = queue
        self._wanted = pod
        self._namespace = pod["metadata"]["namespace"]
        self._demand = refusals.demand(pod)
        self._tries = 0
        self.pod: Json | None = None
        """The pod as the API server has stored it, once there is one."""

    async def phases(self) -> AsyncGenerator[PhaseInfo, None]:
        """Yield the phases until the pod is there, or until the last phase of an attempt that cannot have one."""
        since: float | None = None
        while self.pod is None:
            if self._queue.blocks(self._demand):
                text = "Exceeded resourcequota: waits for other pods of its namespace"
                yield PhaseInfo(TaskPhase.WAITING_FOR_RESOURCES, reason=text)
            async with self._queue.turn(self._demand):
                refusal = await self._try()
                if refusal is None:
                    self._queue.accepted()
                    break
                now = asyncio.get_running_loop().time()
                since = (since or now) if refusal.may_pass else None
                if since is not None and now - since < PASSING_SECONDS:
                    yield refusal.meanwhile
                else:
                    yield refusal.info
                    if refusal.info.is_terminal:
                        return
                await asyncio.sleep(self._pause(refusal))
        yield SUBMITTED

    def _pause(self, refusal: Refusal) -> float:
        if refusal.info.phase == TaskPhase.WAITING_FOR_RESOURCES:
            return self._queue.refused(refusal.ceilings)
        self._tries += 1
        return float(min(2 ** min(self._tries - 1, 30), LONGEST_PAUSE_SECONDS))

    async def _try(self) -> Refusal | None:
        """Create the pod; return why there is none."""
        try:
            self.pod = await self._api.create(f"/api/v1/namespaces/{self._namespace}/pods", self._wanted)
        except KubeProblem as e:
            return await self._taken() if e.reason == "AlreadyExists" else refusals.of(e, self._namespace)
        except Unavailable as e:
            return Refusal(PhaseInfo(TaskPhase.QUEUED, reason=e.message), {})
        return None

    async def _taken(self) -> Refusal | None:
        """Look at the pod that has the name: ours, if the answer to an earlier call was lost, or what a reset left."""
        name, wanted = self._wanted["metadata"]["name"], self._wanted["metadata"]["annotations"]
        try:
            found = await self._remover.find(self._namespace, name)
            annotations = (found or {}).get("metadata", {}).get("annotations") or {}
            if found is None:
                return Refusal(PhaseInfo(TaskPhase.QUEUED, reason=f"pod [{name}] was in the way"), {})
            if annotations.get(metadata.START_ANNOTATION) == wanted[metadata.START_ANNOTATION]:
                self.pod = found
                return None
            if annotations.get(metadata.ATTEMPT_ANNOTATION) != wanted[metadata.ATTEMPT_ANNOTATION]:
                text = f"pod [{name}] in namespace [{self._namespace}] exists and belongs to something else"
                return Refusal(failed("RuntimeFailure", text, ErrorKind.SYSTEM, recoverable=True), {})
            await self._remover.remove(found)
        except Unavailable as e:
            return Refusal(PhaseInfo(TaskPhase.QUEUED, reason=e.message), {})
        return Refusal(PhaseInfo(TaskPhase.QUEUED, reason=f"an earlier pod [{name}] was removed"), {})
