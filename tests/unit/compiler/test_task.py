from typing import Any

import pytest
from flyteidl.core import interface_pb2, tasks_pb2
from google.protobuf import struct_pb2

from flytetemporal import errors
from flytetemporal.compiler.task import compile_task
from tests.fixtures import templates as t


def container(**fields: Any) -> tasks_pb2.TaskTemplate:
    template = t.task_template()
    template.container.CopyFrom(tasks_pb2.Container(**{"image": "i:1", "args": ["x"], **fields}))
    return template


def resources(value: str) -> tasks_pb2.Resources:
    entry = tasks_pb2.Resources.ResourceEntry(name="CPU", value=value)
    return tasks_pb2.Resources(limits=[entry])


def pod(spec: dict[str, Any]) -> tasks_pb2.TaskTemplate:
    template = t.task_template()
    pod_spec = struct_pb2.Struct()
    pod_spec.update(spec)
    template.k8s_pod.CopyFrom(tasks_pb2.K8sPod(pod_spec=pod_spec))
    return template


def nameless() -> tasks_pb2.TaskTemplate:
    template = t.task_template()
    template.ClearField("id")
    return template


def untyped() -> tasks_pb2.TaskTemplate:
    template = t.task_template()
    template.interface.inputs.variables["a"].CopyFrom(interface_pb2.Variable())
    return template


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (nameless(), "Code: ValueRequired, Node Id: root, Description: Value required [Id]."),
        (untyped(), "Code: ValueRequired, Node Id: root, Description: Value required [param.Type]."),
        (container(args=[]), "Code: ValueRequired, Node Id: container, Description: Value required [command]."),
        (container(image=""), "Code: ValueRequired, Node Id: container, Description: Value required [image]."),
        (container(resources=resources("lots")), "Code: UnrecognizedValue, Node Id: resources.CPU"),
        (pod({"containers": [{"name": "Not_A_Label"}]}), "Code: InvalidValue, Node Id: root"),
        (pod({"initContainers": [{}]}), "Code: InvalidValue, Node Id: root"),
        (pod({"containers": "none"}), "Invalid value [k8s pod spec]"),
    ],
)
def test_a_task_that_cannot_run_does_not_compile(template: tasks_pb2.TaskTemplate, text: str) -> None:
    with pytest.raises(errors.CompileFailed) as failure:
        compile_task(template)

    assert failure.value.message.startswith("task failed compilation with Collected Errors: 1\n")
    assert text in failure.value.message


@pytest.mark.parametrize("value", ["1", "0.5", ".5", "500m", "2Gi", "1e3", "1E-3", "+1k"])
def test_quantities_are_those_of_kubernetes(value: str) -> None:
    assert compile_task(container(resources=resources(value))).template.container.resources == resources(value)


def test_both_halves_of_the_interface_are_there_afterwards() -> None:
    template = tasks_pb2.TaskTemplate(id=t.identifier("TASK", "t"), sql=tasks_pb2.Sql(statement="select 1"))

    compiled = compile_task(template)

    assert compiled.template.interface.HasField("inputs")
    assert compiled.template.interface.HasField("outputs")
    assert not template.HasField("interface")


def test_a_pod_task_compiles() -> None:
    template = pod({"containers": [{"name": "primary", "image": "i:1"}], "initContainers": [{"name": "init"}]})

    assert compile_task(template).template.k8s_pod == template.k8s_pod
