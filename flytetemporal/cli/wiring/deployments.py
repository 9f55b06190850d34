"""Worker versioning: which build of the workers runs which execution.

With it an execution stays on the build that started it, so it finishes on code that can replay it; new ones start on
the build that was made current. Without it every worker takes every execution, as a single machine wants it.
"""

import sys
from importlib import metadata

from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkerDeploymentConfig

from flytetemporal.cli.problems import CommandFailed
from flytetemporal.config.temporal import TemporalSettings


def version(settings: TemporalSettings) -> WorkerDeploymentVersion:
    """Return the deployment of the data plane and the build of this process.

    Python is part of the build: asyncio calls back in another order in another version, which a replay may show.
    """
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    build = settings.build or f"{metadata.version('flytetemporal')}-{python}"
    return WorkerDeploymentVersion(deployment_name(settings), build)


def deployment_name(settings: TemporalSettings) -> str:
    """Return the name under which Temporal knows the workers of the data plane."""
    return f"flytetemporal-{settings.cluster}"


def config(settings: TemporalSettings) -> WorkerDeploymentConfig:
    """Return what a worker tells Temporal of itself; without a build the SDK would hash every loaded module."""
    behavior = VersioningBehavior.PINNED if settings.versioned else VersioningBehavior.UNSPECIFIED
    return WorkerDeploymentConfig(version(settings), settings.versioned, behavior)


def unversioned(settings: TemporalSettings) -> WorkerDeploymentConfig:
    """Return the same for workers whose workflows are short or harmless to end."""
    return WorkerDeploymentConfig(version(settings), use_worker_versioning=False)


async def promote(client: Client, settings: TemporalSettings) -> WorkerDeploymentVersion:
    """Make a build the one that new executions start on; repeating it changes nothing.

    Raises:
        CommandFailed: no worker of that build has polled yet, or Temporal does not answer.
    """
    wanted = version(settings)
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=wanted.deployment_name, build_id=wanted.build_id
    )
    try:
        await client.workflow_service.set_worker_deployment_current_version(request)
    except RPCError as e:
        if e.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION):
            raise CommandFailed(
                f"build {wanted.build_id} of {wanted.deployment_name} cannot be made current: start workers with "
                f"FLYTETEMPORAL_TEMPORAL__VERSIONED=true first ({e.message})"
            ) from e
        raise CommandFailed(f"Temporal does not answer: {e.message}") from e
    return wanted
