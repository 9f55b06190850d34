"""The lease of a worker, and the pods of workers whose lease has ended.

A pod carries the name of its worker's lease. If the worker dies, Temporal gives its attempts to others, which take the
pods over. A pod that nobody has taken over for a while is deleted.
"""

import asyncio
import os
import re
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from flytetemporal.config.pods import PodSettings
from flytetemporal.errors import Unavailable
from flytetemporal.kube.api import KubeApi, KubeProblem
from flytetemporal.plugins.pod_targets import Json
from flytetemporal.plugins.pods import metadata

log = structlog.get_logger()

_NAME_CHARACTERS = 40


def own_name() -> str:
    """Return a new name for the lease of this process."""
    host = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")[:_NAME_CHARACTERS].strip("-")
    return f"{host or 'worker'}-{os.getpid()}-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class _Sighting:
    """What was last seen of a lease or a pod, and since when it is so by this worker's clock."""

    state: str
    since: float


class Leases:
    """The lease of this worker, and those of the others in its home namespace."""

    def __init__(self, api: KubeApi, settings: PodSettings, home: str, name: str) -> None:
        self._api = api
        self._settings = settings
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{home}/leases"
        self._query = {"labelSelector": metadata.SELECTOR}
        self.name = name
        self._made = False
        self._seen: dict[str, _Sighting] = {}

    @property
    def renewal_seconds(self) -> float:
        """The pause between two renewals."""
        return self._settings.lease_duration.total_seconds() / 3

    async def renew(self) -> None:
        """Renew the lease of this worker, or make it."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        seconds = int(self._settings.lease_duration.total_seconds())
        spec = {"holderIdentity": self.name, "leaseDurationSeconds": max(seconds, 1), "renewTime": now}
        labels = {metadata.MANAGED_LABEL: metadata.MANAGED_BY}
        try:
            if self._made:
                await self._api.patch(f"{self._path}/{self.name}", {"spec": spec})
                return
            body = {"metadata": {"name": self.name, "labels": labels}, "spec": spec}
            await self._api.create(self._path, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **body})
        except KubeProblem as e:
            self._made = e.reason == "AlreadyExists"  # A lease that somebody has deleted is made again.
            if not self._made:
                log.warning("lease_not_renewed", lease=self.name, problem=e.message)
        except Unavailable as e:
            log.warning("lease_not_renewed", lease=self.name, problem=e.message)
        else:
            self._made = True

    async def give_up(self) -> None:
        """Delete the lease of this worker, which stops."""
        await self._delete(self.name)

    async def dead(self, holders: Collection[str]) -> set[str]:
        """Return those of the holders whose lease was not renewed for too long, or does not exist.

        Other clocks are not trusted: it counts for how long this worker has seen no renewal. So a lease that is gone
        counts as dead only after ``orphan_grace``, too.
        """
        answer = await self._api.get(self._path, self._query)
        leases = {one["metadata"]["name"]: one for one in answer.get("items") or ()}
        known, now = {*holders, *leases} - {self.name}, time.monotonic()
        for holder in known:
            state = str((leases.get(holder) or {}).get("spec", {}).get("renewTime", ""))
            if holder not in self._seen or self._seen[holder].state != state:
                self._seen[holder] = _Sighting(state, now)
        for holder in set(self._seen) - known:
            del self._seen[holder]
        limit = self._settings.orphan_grace.total_seconds()
        dead = {holder for holder, seen in self._seen.items() if now - seen.since >= limit}
        for holder in (dead & leases.keys()) - {*holders}:
            await self._delete(holder)
        return dead

    def forget(self) -> None:
        """Forget for how long leases have not been renewed: nobody could renew them for a while."""
        self._seen.clear()

    async def _delete(self, name: str) -> None:
        try:
            await self._api.delete(f"{self._path}/{name}")
        except (KubeProblem, Unavailable) as e:
            log.warning("lease_not_deleted", lease=name, problem=str(e))


class OrphanCollector:
    """Deletes the pods that no living worker follows, and those that are kept long enough after their end."""

    def __init__(self, api: KubeApi, settings: PodSettings, leases: Leases, followed: Callable[[], set[str]]) -> None:
        self._api = api
        self._settings = settings
        self._leases = leases
        self._followed = followed
        self._alone: dict[str, float] = {}

    @property
    def seconds(self) -> float:
        """The pause between two rounds."""
        return min(max(self._settings.orphan_grace.total_seconds() / 5, 0.5), 60.0)

    async def round(self, pods: Callable[[], Awaitable[Iterable[Json]]]) -> None:
        """Collect among what ``pods`` returns. Without an answer of the API server, no worker counts as dead."""
        try:
            await self.collect(await pods())
        except (KubeProblem, Unavailable) as e:
            # As soon as it answers, the first worker that looks would find the leases of all others unrenewed.
            self._leases.forget()
            log.warning("orphans_unknown", problem=e.message)

    async def collect(self, pods: Iterable[Json]) -> None:
        """Delete what is to be deleted among the pods, of which only the metadata is needed."""
        found = {pod["metadata"]["uid"]: pod["metadata"] for pod in pods}
        dead = await self._leases.dead({_holder(one) for one in found.values()})
        mine = self._abandoned(found)
        now = datetime.now(UTC).timestamp()
        for uid, one in found.items():
            kept_until = _finished_at(one) + self._settings.keep_finished.total_seconds()
            if _finished_at(one):
                if now >= kept_until:
                    await self._delete(one, "its time after its end is over")
            elif _holder(one) in dead or uid in mine:
                await self._delete(one, f"no worker follows it; its last one was {_holder(one)}")

    def _abandoned(self, found: dict[str, Json]) -> set[str]:
        """Return the pods of this worker that no attempt has followed for ``orphan_grace``."""
        now, followed = asyncio.get_running_loop().time(), self._followed()
        alone = {uid for uid, one in found.items() if _holder(one) == self._leases.name and uid not in followed}
        self._alone = {uid: self._alone.get(uid, now) for uid in alone}
        limit = self._settings.orphan_grace.total_seconds()
        return {uid for uid, since in self._alone.items() if now - since >= limit}

    async def _delete(self, one: Json, why: str) -> None:
        """Delete a pod, unless another worker has changed it since it was listed: it has taken it over."""
        path = f"/api/v1/namespaces/{one['namespace']}/pods/{one['name']}"
        unchanged = {"uid": one["uid"], "resourceVersion": one["resourceVersion"]}
        try:
            await self._api.delete(path, {"preconditions": unchanged})
        except KubeProblem as e:
            if e.status not in (404, 409):
                log.warning("orphan_not_deleted", pod=one["name"], namespace=one["namespace"], problem=e.message)
            return
        attempt = (one.get("annotations") or {}).get(metadata.ATTEMPT_ANNOTATION, "")
        log.info("pod_collected", pod=one["name"], namespace=one["namespace"], attempt=attempt, why=why)


def _holder(one: Json) -> str:
    return str((one.get("labels") or {}).get(metadata.LEASE_LABEL, ""))


def _finished_at(one: Json) -> float:
    """Return when the worker has finished with a pod that is kept; 0: it has not."""
    text = str((one.get("labels") or {}).get(metadata.FINISHED_LABEL, ""))
    return float(text) if text.isdecimal() else 0.0
