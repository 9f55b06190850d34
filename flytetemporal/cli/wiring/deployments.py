"""Worker versioning: which build of the workers runs which execution.

If it is on, an execution stays on the build that started it, whose code can replay it, and new executions start on the
build that was promoted last. If it is off, every worker takes every execution, which suits a single machine.
"""

import sys
from importlib import metadata

from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkerDeploymentConfig

from flytetemporal.cli.errors import CommandError
from flytetemporal.config.temporal import TemporalSettings


def version(settings: TemporalSettings) -> WorkerDeploymentVersion:
    """Return the data plane's deployment and the build of this process.

    Python is part of the build: another version of asyncio can call back in another order, which breaks a replay.
    """
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    build = settings.build or f"{metadata.version('flytetemporal')}-{python}"
    return WorkerDeploymentVersion(deployment_name(settings), build)


def deployment_name(settings: TemporalSettings) -> str:
    """Return the deployment name of the data plane's workers."""
    return f"flytetemporal-{settings.cluster}"


def config(settings: TemporalSettings) -> WorkerDeploymentConfig:
    """Return the deployment configuration of a worker. Without a build id the SDK would hash every loaded module."""
    behavior = VersioningBehavior.PINNED if settings.versioned else VersioningBehavior.UNSPECIFIED
    return WorkerDeploymentConfig(version(settings), settings.versioned, behavior)


def unversioned(settings: TemporalSettings) -> WorkerDeploymentConfig:
    """Return the configuration of a worker whose workflows are short or can be ended without harm."""
    return WorkerDeploymentConfig(version(settings), use_worker_versioning=False)


async def promote(client: Client, settings: TemporalSettings) -> WorkerDeploymentVersion:
    """Make a build the current one, on which new executions start. Idempotent.

    Raises:
        CommandError: no worker of that build has polled yet, or Temporal refuses or does not answer.
    """
    wanted = version(settings)
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=wanted.deployment_name, build_id=wanted.build_id
    )
    try:
        await client.workflow_service.set_worker_deployment_current_version(request)
    except RPCError as e:
        if e.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION):
            raise CommandError(
                f"build {wanted.build_id} of {wanted.deployment_name} cannot be made current: start workers with "
                f"FLYTETEMPORAL_TEMPORAL__VERSIONED=true first ({e.message})"
            ) from e
        raise CommandError(f"Temporal does not answer: {e.message}") from e
    return wanted
