"""Compile a task: check its interface and target."""

import re

from flyteidl.core import compiler_pb2, tasks_pb2
from google.protobuf import json_format

from flytetemporal import errors
from flytetemporal.compiler.problems import Code, Problems

_ROOT = "root"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_QUANTITY = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+)?")


def compile_task(template: tasks_pb2.TaskTemplate) -> compiler_pb2.CompiledTask:
    """Return the compiled task: a copy of the template in which inputs and outputs are set, even if they are empty.

    Raises:
        CompileFailed: the message lists every problem.
    """
    problems = Problems()
    if not template.HasField("id"):
        problems.value_required(_ROOT, "Id")
    _check_variables(template, problems)
    match template.WhichOneof("target"):
        case "container":
            _check_container(template, problems)
        case "k8s_pod":
            _check_pod(template.k8s_pod, problems)
        case _:  # Only the plugin knows the requirements of other targets.
            pass
    if problems:
        raise errors.CompileFailed(f"task failed compilation with {problems.text()}")
    compiled = compiler_pb2.CompiledTask(template=template)
    compiled.template.interface.inputs.SetInParent()
    compiled.template.interface.outputs.SetInParent()
    return compiled


def _check_variables(template: tasks_pb2.TaskTemplate, problems: Problems) -> None:
    for variables in (template.interface.inputs.variables, template.interface.outputs.variables):
        for name in variables:
            if not name:
                problems.value_required(_ROOT, "paramName")
            if not variables[name].HasField("type"):
                problems.value_required(_ROOT, "param.Type")


def _check_container(template: tasks_pb2.TaskTemplate, problems: Problems) -> None:
    container, interface = template.container, template.interface
    has_variables = bool(interface.inputs.variables) or bool(interface.outputs.variables)
    if has_variables and not container.command and not container.args:
        problems.value_required("container", "command")
    if not container.image:
        problems.value_required("container", "image")
    for entry in [*container.resources.requests, *container.resources.limits]:
        if not _QUANTITY.fullmatch(entry.value):
            name = tasks_pb2.Resources.ResourceName.Name(entry.name)
            description = f"Value [{entry.value}] not recognized as a quantity."
            problems.add(Code.UNRECOGNIZED_VALUE, f"resources.{name}", description)


def _check_pod(pod: tasks_pb2.K8sPod, problems: Problems) -> None:
    """Check the containers of the pod spec; the cluster checks the rest when the pod is created."""
    spec = json_format.MessageToDict(pod.pod_spec)
    containers = [spec.get("containers", []), spec.get("initContainers", [])]
    if not all(isinstance(group, list) and all(isinstance(one, dict) for one in group) for group in containers):
        problems.add(Code.INVALID_VALUE, _ROOT, "Invalid value [k8s pod spec]: its containers are no list of objects.")
        return
    for container in [*containers[0], *containers[1]]:
        name = container.get("name", "")
        if not isinstance(name, str) or not _LABEL.fullmatch(name):
            description = f"Invalid value [container name]: [{name}] is no DNS-1123 label."
            problems.add(Code.INVALID_VALUE, _ROOT, description)
