"""The plugin that runs tasks as pods of a Kubernetes cluster.

A pod does not end with its worker: Temporal gives the attempt to another one, which finds the pod by its name. One
watch per namespace feeds all attempts.
"""

import asyncio
import contextlib
import functools
import json
import os
import secrets as tokens
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from flytetemporal.config.pods import PodSettings
from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.errors import Internal, Unavailable
from flytetemporal.kube.api import KubeApi, KubeProblem
from flytetemporal.kube.watching import SharedWatch
from flytetemporal.plugins.local.background import Background
from flytetemporal.plugins.pod_targets import Json
from flytetemporal.plugins.pods import leases, log_links, metadata, naming, secrets, status
from flytetemporal.plugins.pods.building import PodBuilder
from flytetemporal.plugins.pods.creating import Creation
from flytetemporal.plugins.pods.kept_logs import KeptLogs
from flytetemporal.plugins.pods.leases import Leases, OrphanCollector
from flytetemporal.plugins.pods.metadata import Owner
from flytetemporal.plugins.pods.pod_templates import PodTemplates
from flytetemporal.plugins.pods.quotas import QuotaQueue
from flytetemporal.plugins.pods.removing import PodRemover
from flytetemporal.plugins.protocol import (
    ErrorKind,
    PhaseInfo,
    Plugin,
    Rejected,
    TakenOver,
    TaskContext,
    TaskPhase,
    failed,
)
from flytetemporal.plugins.task_logs import TaskLogs
from flytetemporal.plugins.transient import DENIED_SECONDS, retry_transient
from flytetemporal.storage.blobs import BlobStore

log = structlog.get_logger()

_LOG_SECONDS, _LOG_OF_ABORTED_SECONDS = 60.0, 5.0
_PATIENT_SECONDS = 10.0  # An interruption of the watch that is shorter is shown to nobody.


@dataclass(slots=True)
class _Attempt:
    """An attempt that this worker runs: its pod as it is to be made, and as it was last seen."""

    wanted: Json | None
    pod: Json | None = None


class PodPlugin(Plugin):
    """Runs tasks as pods."""

    only_watches = True
    outlives_worker = True

    def __init__(
        self,
        worker: WorkerSettings,
        pods: PodSettings,
        storage: StorageSettings,
        blobs: BlobStore,
        own_environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._settings = pods
        self._grace = worker.grace.total_seconds()
        self._logs = TaskLogs(blobs, worker.admin_url)
        self._max_log_bytes = worker.max_log_bytes
        self._home = pods.home_namespace or own_environment.get("POD_NAMESPACE", "") or "default"
        self._builder = PodBuilder(pods, own_environment, _staging_variables(storage))
        self._lease_name = leases.own_name()
        self._attempts: dict[str, _Attempt] = {}
        self._watches: dict[str, SharedWatch] = {}
        self._queues: dict[str, QuotaQueue] = {}
        self._followed: set[str] = set()
        self._background = Background()
        self._cluster: _Cluster | None = None

    @property
    def identifier(self) -> str:
        """The name of Flyte's own plugin for containers, which clients know."""
        return "container"

    async def open(self) -> None:
        """Find the cluster, and start to renew the lease and to collect pods that nobody follows."""
        api = await KubeApi.connect(self._settings)
        held = Leases(api, self._settings, self._home, self._lease_name)
        collector = OrphanCollector(api, self._settings, held, lambda: self._followed)
        self._cluster = _Cluster(
            api,
            held,
            collector,
            PodTemplates(api, self._home, self._settings.default_pod_template_name),
            PodRemover(api, self._watch_of, self._grace),
            KeptLogs(api, self._logs, self._max_log_bytes),
        )
        self._background.repeat(held.renew, held.renewal_seconds)
        self._background.repeat(self._collect, collector.seconds)

    async def close(self) -> None:
        """Stop watching. The pods run on, for the worker that takes them over."""
        await self._background.stop()
        for watch in self._watches.values():
            await watch.stop()
        self._watches.clear()
        if self._cluster is not None:
            if not self._followed:  # Otherwise the lease runs out when another worker has had time to take over.
                await self._cluster.leases.give_up()
            await self._cluster.api.close()
            self._cluster = None

    async def start(self, context: TaskContext) -> bytes:
        """Build the pod; the handle is its namespace and name. ``watch`` creates it.

        Raises:
            Rejected: the task describes no pod, or a secret or pod template is missing.
            Unavailable: the API server does not answer.
        """
        if context.key not in self._attempts:
            await self._check_secrets(context)
            template = await self._open.templates.base_of(context)
            owner = Owner(self._lease_name, self._home, tokens.token_hex(8), datetime.now(UTC).isoformat())
            self._attempts[context.key] = _Attempt(self._builder.build(context, owner, template))
        return _handle(context)

    async def take_over(self, context: TaskContext) -> TakenOver | None:
        """Return the handle and the age of the pod that an earlier try has left, which is this worker's from now on."""
        found = await self._find(context)
        if found is None:
            return None
        if "deletionTimestamp" in found["metadata"]:
            await self._open.remover.remove(found)
            return None
        try:
            found = await self._open.api.patch(
                _path(found), {"metadata": {"labels": {metadata.LEASE_LABEL: self._lease_name}}}
            )
        except KubeProblem as e:
            if e.status == 404:
                return None
            raise Unavailable(f"pod [{found['metadata']['name']}] cannot be taken over: {e.message}") from e
        log.info("pod_taken_over", pod=found["metadata"]["name"], attempt=context.key)
        self._attempts[context.key] = _Attempt(None, found)
        return TakenOver(_handle(context), metadata.age(found, datetime.now(UTC)))

    async def watch(self, context: TaskContext, handle: bytes) -> AsyncGenerator[PhaseInfo, None]:
        """Create the pod, unless it is there, and yield its phases."""
        attempt = self._attempts.get(context.key)
        if attempt is None:
            raise Internal(f"attempt {context.key} was not started on this worker")
        watch = self._watch_of(_namespace(context))
        if attempt.pod is None and attempt.wanted is not None:
            queue = self._queues.setdefault(_namespace(context), self._new_queue())
            creation = Creation(self._open.api, self._open.remover, queue, attempt.wanted)
            async with contextlib.aclosing(creation.phases()) as phases:
                async for info in phases:
                    attempt.pod = creation.pod
                    yield info
        if attempt.pod is None:
            return
        async with contextlib.aclosing(self._follow(context, attempt, attempt.pod, watch)) as phases:
            async for info in phases:
                yield info

    async def abort(self, context: TaskContext, handle: bytes) -> None:
        """Delete the pod and return when it is gone; also one that an earlier worker has made."""
        attempt = self._attempts.pop(context.key, None)
        found = attempt.pod if attempt is not None and attempt.pod is not None else await self._find(context)
        if found is not None:
            await self._keep_log(context, found, _LOG_OF_ABORTED_SECONDS)
            await retry_transient(functools.partial(self._open.remover.remove, found), "pod")

    async def finalize(self, context: TaskContext) -> None:
        """Delete the pod, or mark it if it is kept for a while. A pod that has ended may stay if that fails."""
        attempt = self._attempts.pop(context.key, None)
        if attempt is None or attempt.pod is None:
            return
        await self._keep_log(context, attempt.pod, _LOG_SECONDS)
        if not status.has_ended(attempt.pod):
            await retry_transient(functools.partial(self._open.remover.remove, attempt.pod), "pod")
            return
        try:
            if self._settings.keep_finished:
                now = str(int(datetime.now(UTC).timestamp()))
                await self._open.api.patch(_path(attempt.pod), {"metadata": {"labels": {metadata.FINISHED_LABEL: now}}})
            else:
                await self._open.remover.remove(attempt.pod)
        except (Unavailable, KubeProblem) as e:
            log.warning("pod_left", pod=attempt.pod["metadata"]["name"], problem=str(e))

    async def _keep_log(self, context: TaskContext, pod: Json, seconds: float) -> None:
        if self._settings.keep_logs and (pod.get("status") or {}).get("containerStatuses"):
            await self._open.logs.keep(context, pod, seconds)

    async def _follow(
        self, context: TaskContext, attempt: _Attempt, pod: Json, watch: SharedWatch
    ) -> AsyncGenerator[PhaseInfo, None]:
        """Yield the phases of a pod, until the last one."""
        uid, interrupted_at = pod["metadata"]["uid"], None
        shown: tuple[object, ...] = ()
        clock = asyncio.get_running_loop().time
        watch.put(pod)
        self._followed.add(uid)
        try:
            with watch.waiting(uid) as watched:
                while True:
                    state = attempt.pod = watched.state or pod
                    interrupted_at = (interrupted_at or clock()) if watch.problem else None
                    interrupted = 0.0 if interrupted_at is None else clock() - interrupted_at
                    info, recheck = self._read(context, state, is_gone=watched.state is None or watched.is_gone)
                    if watch.denied and interrupted >= DENIED_SECONDS and not info.is_terminal:
                        info = failed("RuntimeFailure", watch.problem, ErrorKind.USER, recoverable=True)
                    elif interrupted >= _PATIENT_SECONDS and not info.is_terminal:
                        info = PhaseInfo(info.phase, reason=watch.problem, logs=info.logs)
                    if info.is_terminal or _seen(info) != shown:
                        yield info
                    if info.is_terminal:
                        return
                    shown = _seen(info)
                    await watched.change(_PATIENT_SECONDS if watch.problem else recheck)
        finally:
            self._followed.discard(uid)

    def _read(self, context: TaskContext, pod: Json, *, is_gone: bool) -> tuple[PhaseInfo, float | None]:
        """Return the phase of a pod, and after how many seconds to look again."""
        now = datetime.now(UTC)
        reading = status.read(pod, self._settings, now)
        info = reading.info
        # Another worker that has seen the end, too, may have removed the pod already.
        if is_gone and not info.is_terminal:
            return status.deleted(pod), None
        pending = info.phase != TaskPhase.RUNNING
        links = () if info.is_terminal else log_links.links(context, pod, self._settings, now, pending=pending)
        if self._settings.keep_logs and not pending:
            links = (self._logs.link(context), *links)
        return PhaseInfo(info.phase, info.reason, links, info.error, info.recoverable), reading.recheck

    async def _find(self, context: TaskContext) -> Json | None:
        """Return the pod of an attempt, whichever worker has made it."""
        found = await self._open.remover.find(_namespace(context), naming.pod_name(context.name))
        annotations = {} if found is None else found["metadata"].get("annotations") or {}
        return found if annotations.get(metadata.ATTEMPT_ANNOTATION) == context.key else None

    async def _check_secrets(self, context: TaskContext) -> None:
        wanted, namespace = context.template.security_context.secrets, _namespace(context)
        secrets.laid_out(wanted)
        if not self._settings.check_secrets:
            return
        for group, keys in secrets.keys(wanted).items():
            try:
                found = await self._open.api.get(f"/api/v1/namespaces/{namespace}/secrets/{group}")
            except KubeProblem as e:
                if e.status == 404:
                    raise secrets.missing(namespace, group, keys) from e
                # The pod may have what its worker may not read.
                log.warning("secret_not_checked", secret=group, namespace=namespace, problem=e.message)
                continue
            absent = keys - (found.get("data") or {}).keys()
            if absent:
                raise secrets.missing(namespace, group, absent)

    async def _collect(self) -> None:
        await self._open.collector.round(self._all_pods)

    async def _all_pods(self) -> list[Json]:
        selector = {"labelSelector": f"{metadata.SELECTOR},{metadata.HOME_LABEL}={self._home}"}
        try:
            return list((await self._open.api.get_metadata("/api/v1/pods", selector)).get("items") or ())
        except KubeProblem:  # The worker may only see the namespaces of its tasks.
            return [pod for watch in self._watches.values() for pod in watch.objects]

    def _watch_of(self, namespace: str) -> SharedWatch:
        """Return the watch of a namespace, which starts when it is first needed."""
        if namespace not in self._watches:
            selector = f"{metadata.SELECTOR},{metadata.HOME_LABEL}={self._home}"
            self._watches[namespace] = SharedWatch(self._open.api, f"/api/v1/namespaces/{namespace}/pods", selector)
            self._watches[namespace].start()
        return self._watches[namespace]

    def _new_queue(self) -> QuotaQueue:
        return QuotaQueue(self._settings.backoff_base_seconds, self._settings.backoff_max_duration.total_seconds())

    @property
    def _open(self) -> "_Cluster":
        if self._cluster is None:
            raise Unavailable("the plugin for pods is not open")
        return self._cluster


@dataclass(frozen=True, slots=True)
class _Cluster:
    """What exists while the plugin is open."""

    api: KubeApi
    leases: Leases
    collector: OrphanCollector
    templates: PodTemplates
    remover: PodRemover
    logs: KeptLogs


def _namespace(context: TaskContext) -> str:
    namespace = context.request.settings.namespace
    if not namespace:
        raise Rejected("BadTaskSpecification", f"attempt {context.key} has no namespace to run in")
    return namespace


def _handle(context: TaskContext) -> bytes:
    return f"{_namespace(context)}/{naming.pod_name(context.name)}".encode()


def _path(pod: Json) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _seen(info: PhaseInfo) -> tuple[object, ...]:
    """Return what makes two phases different for clients. Addresses of links can name the time of each look."""
    return info.phase, info.reason, tuple(link.name for link in info.logs)


def _staging_variables(storage: StorageSettings) -> Mapping[str, str]:
    """Return the variables by which ``flytetemporal copilot`` finds the object store."""
    options = json.dumps(dict(storage.options))
    return {"FLYTETEMPORAL_STORAGE__ROOT": storage.root, "FLYTETEMPORAL_STORAGE__OPTIONS": options}
