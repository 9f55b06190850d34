"""Links to the logs of pods, from the templates of the settings. Pure.

Variables and names mirror flyteplugins' pluginmachinery/tasklog/template.go.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from flyteidl.core import execution_pb2 as core_execution_pb2

from flytetemporal.config.pods import LogLink, PodSettings
from flytetemporal.plugins.pod_targets import Json
from flytetemporal.plugins.protocol import TaskContext

_VARIABLE = re.compile(r"\{\{\s*[.$]([A-Za-z0-9_.]+)\s*\}\}")
_FORMATS = {
    "unknown": core_execution_pb2.TaskLog.UNKNOWN,
    "csv": core_execution_pb2.TaskLog.CSV,
    "json": core_execution_pb2.TaskLog.JSON,
}
SUFFIX = " (User)"


def links(
    context: TaskContext, pod: Json, settings: PodSettings, now: datetime, *, pending: bool = False
) -> tuple[core_execution_pb2.TaskLog, ...]:
    """Return the links of an attempt; while its pod is pending only those that may be shown then."""
    values = _values(context, pod, now)
    return tuple(
        core_execution_pb2.TaskLog(
            name=link.display_name + SUFFIX,
            uri=_rendered(uri, values),
            message_format=_FORMATS[link.message_format],
            ShowWhilePending=link.show_while_pending,
            HideOnceFinished=link.hide_once_finished,
        )
        for link in _configured(context, settings)
        if link.show_while_pending or not pending
        for uri in link.template_uris
    )


def _configured(context: TaskContext, settings: PodSettings) -> Iterator[LogLink]:
    for name, uri in (
        ("Kubernetes Logs", settings.kubernetes_template_uri),
        ("Cloudwatch Logs", settings.cloudwatch_template_uri),
        ("Stackdriver Logs", settings.stackdriver_template_uri),
    ):
        if uri:
            yield LogLink(display_name=name, template_uris=(uri,))
    yield from settings.log_links
    for wanted in context.template.config.get("link_type", "").split(","):
        if wanted.strip() in settings.dynamic_log_links:
            yield settings.dynamic_log_links[wanted.strip()]


def _rendered(template: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: values.get(match[1].lower(), match[0]), template)


def _values(context: TaskContext, pod: Json, now: datetime) -> Mapping[str, str]:
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    first: Json = next(iter(status.get("containerStatuses") or ()), {})
    started = datetime.fromisoformat(metadata.get("creationTimestamp") or now.isoformat()).astimezone(UTC)
    execution, task = context.node_execution_id.execution_id, context.template.id
    values = {
        "podName": metadata["name"],
        "podUID": metadata.get("uid", ""),
        "namespace": metadata["namespace"],
        "containerName": spec["containers"][0]["name"],
        "containerID": first.get("containerID", "").partition("://")[2],
        "hostname": spec.get("hostname", ""),
        "nodeName": spec.get("nodeName", ""),
        "podRFC3339StartTime": _rfc3339(started),
        "podRFC3339FinishTime": _rfc3339(now),
        "podUnixStartTime": str(int(started.timestamp())),
        "podUnixFinishTime": str(int(now.timestamp())),
        "nodeID": context.node_execution_id.node_id,
        "generatedName": context.name,
        "taskRetryAttempt": str(context.attempt),
        "taskID": task.name,
        "taskVersion": task.version,
        "taskProject": task.project,
        "taskDomain": task.domain,
        "executionName": execution.name,
        "executionProject": execution.project,
        "executionDomain": execution.domain,
        **{f"taskConfig.{name}": value for name, value in context.template.config.items()},
    }
    # A variable without a value stays in the text, as in Flyte.
    return {name.lower(): value for name, value in values.items() if value}


def _rfc3339(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
