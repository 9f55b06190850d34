"""The control worker: runs the control plane's own workflows, on a separate task queue."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import structlog
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError
from temporalio.worker import Worker

from flytetemporal.activities.heartbeats import HeartbeatInterceptor
from flytetemporal.activities.interceptor import ErrorInterceptor
from flytetemporal.admin.backfills.activities import BackfillActivities
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.control.sweeper import SweeperActivities
from flytetemporal.admin.executions.scheduled_launching import ScheduledLaunchActivities
from flytetemporal.admin.upkeep import records
from flytetemporal.admin.upkeep.loops import Loop, UpkeepActivities
from flytetemporal.cli.serving import background
from flytetemporal.cli.wiring import connections, deployments
from flytetemporal.cli.wiring.deadlock_timeout import set_deadlock_timeout
from flytetemporal.cli.wiring.workflow_runner import WorkflowRunner
from flytetemporal.config.temporal import TemporalSettings
from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import upkeep_pb2
from flytetemporal.errors import FlyteError
from flytetemporal.workflows.control.backfill import BackfillWorkflow
from flytetemporal.workflows.control.scheduled_launch import ScheduledLaunchWorkflow
from flytetemporal.workflows.control.sweeper import SweeperWorkflow
from flytetemporal.workflows.control.upkeep import UpkeepWorkflow

# Loops never end, but an operator can end one in Temporal's UI.
CHECK_SECONDS = 60.0

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def control_worker(deps: Dependencies, settings: TemporalSettings, loops: Sequence[Loop]) -> AsyncIterator[None]:
    """Run the control worker with its loops while the context is open."""
    client = await connections.temporal(settings)
    worker = Worker(
        client,
        task_queue=workflows.CONTROL_QUEUE,
        workflows=[UpkeepWorkflow, SweeperWorkflow, ScheduledLaunchWorkflow, BackfillWorkflow],
        activities=[
            *UpkeepActivities(deps.sessions, loops).all(),
            *SweeperActivities().all(),
            *ScheduledLaunchActivities(deps).all(),
            *BackfillActivities(deps).all(),
        ],
        unsandboxed_workflow_runner=WorkflowRunner(),
        interceptors=[ErrorInterceptor(), HeartbeatInterceptor()],
        deployment_config=deployments.unversioned(settings),
    )
    async with set_deadlock_timeout(worker), background.running(_keep_running(client, deps, loops)):
        yield


async def _keep_running(client: Client, deps: Dependencies, loops: Sequence[Loop]) -> None:
    """Start every loop unless it runs, and repeat that every ``CHECK_SECONDS``."""
    while True:
        try:
            await records.announce(deps.sessions, {loop.name: loop.interval for loop in loops})
        except FlyteError as e:
            _log.warning("loops_not_announced", error=e.message)
        for loop in loops:
            await _start(client, loop)
        await asyncio.sleep(CHECK_SECONDS)


async def _start(client: Client, loop: Loop) -> None:
    try:
        await client.start_workflow(
            workflows.UPKEEP_WORKFLOW,
            upkeep_pb2.UpkeepLoop(name=loop.name),
            id=workflows.upkeep_id(loop.name),
            task_queue=workflows.CONTROL_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            static_summary=f"the rounds of {loop.name}",
        )
    except RPCError as e:
        _log.warning("loop_not_started", loop=loop.name, error=e.message)
