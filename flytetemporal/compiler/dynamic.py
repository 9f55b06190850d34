"""Compile the job spec that a dynamic task returned: a workflow without inputs and with the task's outputs.

Mirrors flytepropeller's pkg/controller/nodes/dynamic/{utils,dynamic_workflow}.go.
"""

from collections.abc import Sequence

from flyteidl.admin import launch_plan_pb2
from flyteidl.core import compiler_pb2, dynamic_job_pb2, identifier_pb2, interface_pb2, tasks_pb2, workflow_pb2

from flytetemporal.compiler import requirements
from flytetemporal.compiler.task import compile_task
from flytetemporal.compiler.workflow import compile_workflow

WORKFLOW_PREFIX = "dynamic_"


def template_of(
    spec: dynamic_job_pb2.DynamicJobSpec, identifier: identifier_pb2.Identifier, parent: tasks_pb2.TaskTemplate
) -> workflow_pb2.WorkflowTemplate:
    """Return the spec as a workflow."""
    return workflow_pb2.WorkflowTemplate(
        id=identifier,
        metadata=workflow_pb2.WorkflowMetadata(),
        metadata_defaults=workflow_pb2.WorkflowMetadataDefaults(),
        interface=interface_pb2.TypedInterface(outputs=parent.interface.outputs),
        nodes=spec.nodes,
        outputs=spec.outputs,
    )


def launch_plans_of(
    spec: dynamic_job_pb2.DynamicJobSpec, template: workflow_pb2.WorkflowTemplate
) -> list[identifier_pb2.Identifier]:
    """Return the launch plans needed to compile the spec, sorted."""
    return requirements.requirements(template, spec.subworkflows)[1]


def compile_dynamic(
    spec: dynamic_job_pb2.DynamicJobSpec,
    template: workflow_pb2.WorkflowTemplate,
    parent: tasks_pb2.TaskTemplate,
    launch_plans: Sequence[launch_plan_pb2.LaunchPlan],
) -> compiler_pb2.CompiledWorkflowClosure:
    """Return the closure; its tasks inherit the configuration of the parent's container in addition to their own.

    Raises:
        CompileFailed: the message lists every problem.
    """
    tasks = []
    for task in spec.tasks:
        compiled = compile_task(task)
        if compiled.template.HasField("container"):
            compiled.template.container.config.extend(parent.container.config)
        tasks.append(compiled)
    return compile_workflow(template, spec.subworkflows, tasks, launch_plans)
