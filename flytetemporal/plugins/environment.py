"""Environment variables of a task attempt. Pure.

A task gets the variables of the worker itself, those by which it reaches admin and the store, those of its container,
Flyte's names of the attempt, and those of the execution; later ones win. The names mirror flyteplugins'
pluginmachinery/flytek8s/k8s_resource_adds.go.
"""

import math
import re
from collections.abc import Mapping

from flyteidl.core import tasks_pb2

from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.idl import naming

# A task must not see settings and credentials of the worker. If the worker itself runs inside a task of Flyte, its
# variables would describe that outer task.
_WITHHELD = ("FLYTETEMPORAL_", "TEMPORAL_", "NOTIFY_SOCKET", "FLYTE_INTERNAL_", "FLYTE_ATTEMPT_NUMBER", "_F_", "_FSEC_")
_MEBIBYTE = 1024 * 1024
_ANY_MEGABYTES = 1_000_000
TOKEN_VARIABLE = "FLYTETEMPORAL_TASK_TOKEN"  # noqa: S105  a name
ARRAY_INDEX = "FLYTE_K8S_ARRAY_INDEX"
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_S3_OPTIONS = {
    "key": ("FLYTE_AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID"),
    "secret": ("FLYTE_AWS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"),
    "token": ("AWS_SESSION_TOKEN",),
    "endpoint_url": ("FLYTE_AWS_ENDPOINT", "AWS_ENDPOINT_URL"),
    "profile": ("AWS_PROFILE",),
}
_GCS_OPTIONS = {"token": ("GOOGLE_APPLICATION_CREDENTIALS",), "project": ("GOOGLE_CLOUD_PROJECT",)}
_OPTIONS: dict[str, Mapping[str, tuple[str, ...]]] = {"s3": _S3_OPTIONS, "gs": _GCS_OPTIONS, "gcs": _GCS_OPTIONS}


def attempt_environment(
    attempt: execution_pb2.TaskAttempt, template: tasks_pb2.TaskTemplate, console_url: str = ""
) -> dict[str, str]:
    """Return the variables that Flyte sets in every container: its own, the attempt's names, the execution's."""
    return {
        **{pair.key: pair.value for pair in template.container.env},
        **_names(attempt, template),
        **_links(attempt, template, console_url),
        **{pair.key: pair.value for pair in attempt.settings.envs.values},
        **_element(attempt),
        **_eager(attempt, template),
    }


def platform_environment(settings: WorkerSettings, storage: StorageSettings) -> dict[str, str]:
    """Return the variables by which a task on this machine reaches admin (eager tasks do) and the object store."""
    return {
        "FLYTE_PLATFORM_URL": settings.admin_endpoint,
        "FLYTE_PLATFORM_INSECURE": "false" if settings.admin_tls else "true",
        **({"FLYTE_PLATFORM_CA_CERT_FILE_PATH": settings.admin_ca} if settings.admin_ca else {}),
        **_storage(storage),
    }


def credentials(token: str) -> dict[str, str]:
    """Return the variables with which flytekit in a task signs in to admin with a token."""
    return {
        TOKEN_VARIABLE: token,
        "FLYTE_CREDENTIALS_AUTH_MODE": "ExternalCommand",
        # flytekit splits it at commas, and takes what is printed as the token.
        "FLYTE_CREDENTIALS_COMMAND": f"printenv,{TOKEN_VARIABLE}",
    }


def offloading(least_bytes: int) -> dict[str, str]:
    """Return the variables that make flytekit itself offload outputs of ``least_bytes`` and more.

    flytekit counts in whole megabytes, and 0 would offload everything. The upper limit is out of reach on purpose: a
    value that flytekit refuses is a system failure, which is retried. If the engine refuses it, the failure is final
    and the user's.
    """
    return {
        "_F_L_MIN_SIZE_MB": str(max(1, math.ceil(least_bytes / _MEBIBYTE))),
        "_F_L_MAX_SIZE_MB": str(_ANY_MEGABYTES),
    }


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the worker that a task process may see."""
    return {name: value for name, value in environment.items() if not name.startswith(_WITHHELD)}


def _names(attempt: execution_pb2.TaskAttempt, template: tasks_pb2.TaskTemplate) -> dict[str, str]:
    execution, workflow, task = attempt.node_event.id.execution_id, attempt.workflow_id, template.id
    return {
        "FLYTE_INTERNAL_EXECUTION_WORKFLOW": f"{workflow.project}:{workflow.domain}:{workflow.name}",
        "FLYTE_INTERNAL_EXECUTION_ID": execution.name,
        "FLYTE_INTERNAL_EXECUTION_PROJECT": execution.project,
        "FLYTE_INTERNAL_EXECUTION_DOMAIN": execution.domain,
        "FLYTE_ATTEMPT_NUMBER": str(attempt.attempt),
        "FLYTE_INTERNAL_TASK_PROJECT": task.project,
        "FLYTE_INTERNAL_TASK_DOMAIN": task.domain,
        "FLYTE_INTERNAL_TASK_NAME": task.name,
        "FLYTE_INTERNAL_TASK_VERSION": task.version,
    }


def _element(attempt: execution_pb2.TaskAttempt) -> dict[str, str]:
    """Return the variables by which an element of an array finds its values in its inputs, which are lists of one."""
    if not attempt.HasField("element"):
        return {}
    index = attempt.element.index
    offset = {"BATCH_JOB_ARRAY_INDEX_OFFSET": str(-index)} if attempt.inputs.element.listed else {}
    return {"BATCH_JOB_ARRAY_INDEX_VAR_NAME": ARRAY_INDEX, ARRAY_INDEX: str(index), **offset}


def _eager(attempt: execution_pb2.TaskAttempt, template: tasks_pb2.TaskTemplate) -> dict[str, str]:
    """Return the variable from which an eager task labels what it launches, unless the node's id is no label."""
    node_id = attempt.node_event.id.node_id
    is_label = _LABEL.fullmatch(node_id) is not None
    return {naming.EAGER_NODE_VARIABLE: node_id} if template.metadata.is_eager and is_label else {}


def _links(attempt: execution_pb2.TaskAttempt, template: tasks_pb2.TaskTemplate, console_url: str) -> dict[str, str]:
    if not console_url or "link_type" not in template.config:
        return {}
    node = attempt.node_event.id
    execution = node.execution_id
    path = f"projects/{execution.project}/domains/{execution.domain}/executions/{execution.name}"
    return {"FLYTE_EXECUTION_URL": f"{console_url.rstrip('/')}/{path}/nodeId/{node.node_id}/nodes"}


def _storage(storage: StorageSettings) -> dict[str, str]:
    scheme = storage.root.split("://", 1)[0]
    names = _OPTIONS.get(scheme, {})
    return {
        variable: storage.options[option]
        for option, variables in names.items()
        if option in storage.options
        for variable in variables
    }
