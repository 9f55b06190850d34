"""The control worker: runs the control plane's own workflows, on a separate task queue."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from flytetemporal.activities.heartbeats import HeartbeatInterceptor
from flytetemporal.activities.interceptor import ErrorInterceptor
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.control.sweeper import SweeperActivities
from flytetemporal.admin.executions.scheduled_launching import ScheduledLaunchActivities
from flytetemporal.cli.serving import background
from flytetemporal.cli.wiring import connections, deployments
from flytetemporal.cli.wiring.deadlock_timeout import set_deadlock_timeout
from flytetemporal.config.temporal import TemporalSettings
from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import control_pb2
from flytetemporal.workflows.control.scheduled_launch import ScheduledLaunchWorkflow
from flytetemporal.workflows.control.sweeper import SweeperWorkflow

SWEEPER_ID = "flytetemporal-sweeper"
# The sweeper never ends, but an operator can end it in Temporal's UI.
CHECK_SECONDS = 60.0

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def control_worker(deps: Dependencies, settings: TemporalSettings) -> AsyncIterator[None]:
    """Run the control worker while the context is open."""
    client = await connections.temporal(settings)
    worker = Worker(
        client,
        task_queue=workflows.CONTROL_QUEUE,
        workflows=[SweeperWorkflow, ScheduledLaunchWorkflow],
        activities=[*SweeperActivities(deps).all(), *ScheduledLaunchActivities(deps).all()],
        workflow_runner=UnsandboxedWorkflowRunner(),
        interceptors=[ErrorInterceptor(), HeartbeatInterceptor()],
        deployment_config=deployments.unversioned(settings),
    )
    async with set_deadlock_timeout(worker), background.running(_keep_sweeping(client)):
        yield


async def _keep_sweeping(client: Client) -> None:
    """Start the sweeper unless it runs, and repeat that every ``CHECK_SECONDS``."""
    while True:
        try:
            await client.start_workflow(
                workflows.SWEEPER_WORKFLOW,
                control_pb2.SweepState(),
                id=SWEEPER_ID,
                task_queue=workflows.CONTROL_QUEUE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                static_summary="compares what is recorded with what runs",
            )
        except RPCError as e:
            _log.warning("sweeper_not_started", error=e.message)
        await asyncio.sleep(CHECK_SECONDS)
