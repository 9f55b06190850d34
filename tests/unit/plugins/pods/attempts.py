"""Attempts and pods for the tests of this folder."""

from collections.abc import Mapping
from typing import Any

from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2, tasks_pb2, types_pb2
from google.protobuf import json_format, struct_pb2

from flytetemporal.activities.task_attempts import Attempt
from flytetemporal.config.pods import PodSettings
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.plugins.pod_targets import Json
from flytetemporal.plugins.pods.building import PodBuilder
from flytetemporal.plugins.pods.metadata import Owner
from flytetemporal.plugins.protocol import TaskContext

OWNER = Owner(lease="worker-1", home="flyte", start="start-1", started_at="2026-01-01T12:00:00+00:00")


def struct(content: Mapping[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(dict(content), struct_pb2.Struct())


def task(kind: str = "python-task", **fields: Any) -> tasks_pb2.TaskTemplate:
    """A task with a container, unless the fields name another target."""
    name = identifier_pb2.Identifier(project="p", domain="d", name="flows.train", version="v1")
    given = {"container": tasks_pb2.Container(image="acme/train:1", command=["run"], args=["x"]), **fields}
    if "k8s_pod" in fields:
        del given["container"]
    return tasks_pb2.TaskTemplate(id=name, type=kind, **given)


def pod_task(spec: Mapping[str, Any], primary: str = "main", kind: str = "python-task") -> tasks_pb2.TaskTemplate:
    """A task that describes a pod."""
    pod = tasks_pb2.K8sPod(pod_spec=struct(spec))
    return task(kind, k8s_pod=pod, task_type_version=2, config={"primary_container_name": primary})


def variables(**types: int) -> interface_pb2.VariableMap:
    return interface_pb2.VariableMap(
        variables={
            name: interface_pb2.Variable(type=types_pb2.LiteralType(simple=kind))  # type: ignore[arg-type]
            for name, kind in types.items()
        }
    )


def context(
    template: tasks_pb2.TaskTemplate, name: str = "e1-n0-0", inputs: Mapping[str, str] | None = None, **request: Any
) -> TaskContext:
    """The context of an attempt of node ``n0``."""
    scheduled = execution_pb2.TaskAttempt(
        **{
            "generated_name": name,
            "data_dir": "s3://b/meta/n0/data",
            "output_dir": "s3://b/meta/n0/data/0",
            "raw_output_dir": "s3://b/raw",
            "settings": execution_pb2.ExecutionSettings(namespace="p-d"),
            "workflow_id": identifier_pb2.Identifier(project="p", domain="d", name="flows.wf", version="v1"),
            **request,
        }
    )
    execution = identifier_pb2.WorkflowExecutionIdentifier(project="p", domain="d", name="e1")
    scheduled.node_event.id.node_id = "n0"
    scheduled.node_event.id.execution_id.CopyFrom(execution)
    literals = {
        key: literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(string_value=value)))
        for key, value in (inputs or {}).items()
    }
    return Attempt(scheduled, template).context(literals_pb2.LiteralMap(literals=literals), 0)


def built(
    template: tasks_pb2.TaskTemplate,
    pods: Mapping[str, Any] | None = None,
    base: Json | None = None,
    environment: Mapping[str, str] | None = None,
    **request: Any,
) -> Json:
    """The pod of an attempt, made by a worker with these settings."""
    builder = PodBuilder(PodSettings(**(pods or {})), environment or {}, {"FLYTETEMPORAL_STORAGE__ROOT": "s3://b"})
    return builder.build(context(template, **request), OWNER, base)


def resources(requests: Mapping[int, str], limits: Mapping[int, str]) -> tasks_pb2.Resources:
    entry = tasks_pb2.Resources.ResourceEntry
    return tasks_pb2.Resources(
        requests=[entry(name=name, value=value) for name, value in requests.items()],  # type: ignore[arg-type]
        limits=[entry(name=name, value=value) for name, value in limits.items()],  # type: ignore[arg-type]
    )
