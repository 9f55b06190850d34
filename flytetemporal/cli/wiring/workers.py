"""Build and run the Temporal workers of a worker process, one per task queue of the cluster."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.worker import Interceptor, Worker, WorkerTuner

from flytetemporal.activities.arrays import ArrayActivities
from flytetemporal.activities.caching.dynamic_outputs import DynamicOutputs
from flytetemporal.activities.caching.lookups import CacheLookups
from flytetemporal.activities.children import ChildActivities
from flytetemporal.activities.data import DataActivities
from flytetemporal.activities.dynamic import DynamicActivities
from flytetemporal.activities.events import EventActivities
from flytetemporal.activities.heartbeats import HeartbeatInterceptor
from flytetemporal.activities.interceptor import ErrorInterceptor
from flytetemporal.activities.offloading import Limits
from flytetemporal.activities.recovery import RecoveryActivities
from flytetemporal.activities.signals import SignalActivities
from flytetemporal.activities.slots import AttemptSlots
from flytetemporal.activities.tasks import TaskActivities
from flytetemporal.cli.wiring import connections, deployments, lost_workers, plugins, slots
from flytetemporal.cli.wiring.deadlock_timeout import set_deadlock_timeout
from flytetemporal.cli.wiring.held_work import HeldWorkInterceptor
from flytetemporal.cli.wiring.workflow_runner import WorkflowRunner
from flytetemporal.config.settings import Settings
from flytetemporal.contracts import workflows
from flytetemporal.plugins.task_identity import TaskIdentity
from flytetemporal.rpc.admin_client import AdminClient
from flytetemporal.rpc.catalog_client import CatalogClient
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.workflows.array import ArrayWorkflow
from flytetemporal.workflows.execution import ExecutionWorkflow

MAX_CACHED_WORKFLOWS = 300
EAGER_ACTIVITIES = 20
SETTLE_SECONDS = 0.5
HEARTBEAT_THROTTLE = timedelta(seconds=1)


@contextlib.asynccontextmanager
async def workers(settings: Settings) -> AsyncIterator[None]:
    """Run the workers while the context is open."""
    client = await connections.temporal(settings.temporal)
    blobs = BlobStore(settings.storage.root, settings.storage.options)
    tokens = connections.admin_tokens(settings.worker)
    admin = AdminClient(settings.worker.admin_endpoint, connections.admin_files(settings.worker), tokens)
    limits = Limits.of(settings.worker)
    registry = plugins.registry(settings.worker, settings.storage, blobs, settings.pods)
    task_slots = AttemptSlots(settings.worker.max_tasks or _tasks_of_machine(), settings.worker.max_watched)
    catalog = CatalogClient(
        settings.worker.catalog_endpoint or settings.worker.admin_endpoint,
        connections.admin_files(settings.worker),
        tokens,
    )
    tasks = TaskActivities(blobs, admin, registry, task_slots, limits, catalog, TaskIdentity(admin if tokens else None))
    engine = [
        *ArrayActivities(blobs, admin, limits, settings.worker.map_batch).all(),
        *CacheLookups(blobs, limits, catalog).all(),
        *ChildActivities(blobs, admin, limits).all(),
        *DataActivities(blobs, limits).all(),
        *DynamicActivities(blobs, admin).all(),
        *DynamicOutputs(blobs, limits, catalog).all(),
        *EventActivities(blobs, admin).all(),
        *RecoveryActivities(blobs, admin).all(),
        *SignalActivities(blobs, admin, limits).all(),
    ]
    try:
        async with lost_workers.noted(client, settings) as held, registry.opened():
            notes = HeldWorkInterceptor(held)
            eager = slots.fixed(settings.worker.max_eager_tasks)
            async with (
                _engine_worker(client, settings, engine, notes),
                _settling(),
                task_worker(client, settings, tasks, workflows.task_queue, slots.tuner(task_slots), notes),
                task_worker(client, settings, tasks, workflows.eager_queue, eager, notes),
            ):
                yield
    finally:
        await catalog.close()
        await admin.close()


@contextlib.asynccontextmanager
async def _settling() -> AsyncIterator[None]:
    """Let the engine's worker process the results of the last tasks before it stops.

    A workflow task that is dispatched to a worker that has stopped polling is lost until its timeout.
    """
    yield
    await asyncio.sleep(SETTLE_SECONDS)


def _tasks_of_machine() -> int:
    return 2 * (os.cpu_count() or 1)


def _engine_worker(
    client: Client, settings: Settings, activities: Sequence[Callable[..., Any]], notes: Interceptor
) -> Worker:
    """Return the worker that walks graphs and runs the engine's own short activities."""
    worker = Worker(
        client,
        task_queue=workflows.engine_queue(settings.temporal.cluster),
        workflows=[ExecutionWorkflow, ArrayWorkflow],
        activities=activities,
        unsandboxed_workflow_runner=WorkflowRunner(),
        interceptors=[notes, ErrorInterceptor(), HeartbeatInterceptor()],
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        default_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        max_cached_workflows=MAX_CACHED_WORKFLOWS,
        max_eager_activity_reservations_per_workflow_task=EAGER_ACTIVITIES,
        # No exception fails an execution by accident: after a bug is fixed, the run continues.
        workflow_failure_exception_types=[],
        graceful_shutdown_timeout=settings.worker.grace,
        deployment_config=deployments.config(settings.temporal),
    )
    return set_deadlock_timeout(worker)


def task_worker(
    client: Client,
    settings: Settings,
    tasks: TaskActivities,
    queue: Callable[[str], str],
    tuner: WorkerTuner,
    *notes: Interceptor,
) -> Worker:
    """Return a worker that runs the task attempts of a queue, as many at once as ``tuner`` has slots for."""
    return Worker(
        client,
        task_queue=queue(settings.temporal.cluster),
        activities=tasks.all(),
        interceptors=[*notes, ErrorInterceptor()],
        tuner=tuner,
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        default_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        graceful_shutdown_timeout=settings.worker.grace,
        deployment_config=deployments.config(settings.temporal),
    )
