"""Names, labels and annotations of pods. Pure."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flytetemporal.config.pods import PodSettings
from flytetemporal.plugins.pod_targets import PRIMARY, SIDECAR, Json, PodTarget
from flytetemporal.plugins.pods import naming
from flytetemporal.plugins.protocol import TaskContext
from flytetemporal.plugins.registry import RAW_CONTAINER

MANAGED_LABEL, MANAGED_BY = "app.kubernetes.io/managed-by", "flytetemporal"
LEASE_LABEL = "flytetemporal.io/lease"
HOME_LABEL = "flytetemporal.io/home"
FINISHED_LABEL = "flytetemporal.io/finished"
ATTEMPT_ANNOTATION = "flytetemporal.io/attempt"
START_ANNOTATION = "flytetemporal.io/start"
STARTED_AT_ANNOTATION = "flytetemporal.io/started-at"
SELECTOR = f"{MANAGED_LABEL}={MANAGED_BY}"


@dataclass(frozen=True, slots=True)
class Owner:
    """The worker and the call that make a pod."""

    lease: str
    home: str
    """The namespace of the lease."""
    start: str
    """Unique to one call of the plugin, so that it recognizes a pod whose creation it was not told of."""
    started_at: str
    """When the attempt has started, in the format of ISO 8601; its timeout counts from then on every worker."""


def of_pod(context: TaskContext, target: PodTarget, settings: PodSettings, owner: Owner, base: Json) -> Json:
    """Return the metadata of an attempt's pod; ``base`` is that of the pod template it is based on."""
    task, settings_of_run = context.template, context.request.settings
    own = task.metadata.metadata
    annotations: dict[str, str] = {
        **(base.get("annotations") or {}),
        **settings.default_annotations,
        **target.annotations,
        **_primary(context, target),
        **own.annotations,
        **settings_of_run.annotations.values,
        ATTEMPT_ANNOTATION: context.key,
        START_ANNOTATION: owner.start,
        STARTED_AT_ANNOTATION: owner.started_at,
    }
    labels: dict[str, str] = {
        **(base.get("labels") or {}),
        **settings.default_labels,
        **target.labels,
        **own.labels,
        **_of_execution(context),
        MANAGED_LABEL: MANAGED_BY,
        LEASE_LABEL: owner.lease,
        HOME_LABEL: owner.home,
    }
    return {
        "name": naming.pod_name(context.name),
        "namespace": context.request.settings.namespace,
        "labels": labels,
        "annotations": annotations,
    }


def age(pod: Json, now: datetime) -> timedelta:
    """Return for how long the attempt of a pod has run; never negative, since clocks of workers differ.

    A pod without a valid annotation, as earlier versions have made them, counts from its creation.
    """
    own = pod["metadata"]
    for text in ((own.get("annotations") or {}).get(STARTED_AT_ANNOTATION), own.get("creationTimestamp")):
        with contextlib.suppress(ValueError):
            return max(now - datetime.fromisoformat(str(text)).astimezone(UTC), timedelta(0))
    return timedelta(0)


def _primary(context: TaskContext, target: PodTarget) -> Mapping[str, str]:
    """Return the annotation of pods that end with their primary container."""
    kind, count = context.template.type, len(target.spec["containers"])
    ends_with_primary = kind == SIDECAR or (count == 1 and kind != RAW_CONTAINER)
    return {PRIMARY: target.primary} if ends_with_primary else {}


def _of_execution(context: TaskContext) -> Mapping[str, str]:
    node = context.node_execution_id
    names = {
        "domain": node.execution_id.domain,
        "execution-id": node.execution_id.name,
        "project": node.execution_id.project,
        "workflow-name": context.request.workflow_id.name,
        "node-id": node.node_id,
        "task-name": context.template.id.name,
    }
    return {
        **context.request.settings.labels.values,
        **{name: naming.label_value(value) for name, value in names.items()},
        "interruptible": "true" if context.interruptible else "false",
    }
