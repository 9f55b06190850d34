"""Real programs, serialized by flytekit, compile: those of the recorded runs, and some that Flyte refuses."""

import importlib
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from flyteidl.admin import launch_plan_pb2, task_pb2, workflow_pb2
from flyteidl.core import compiler_pb2, interface_pb2
from flytekit.configuration import Image, ImageConfig, SerializationSettings
from flytekit.core.workflow import PythonFunctionWorkflow
from flytekit.tools.translator import get_serializable

from flytetemporal.compiler.compact import compact
from flytetemporal.compiler.requirements import requirements
from flytetemporal.compiler.task import compile_task
from flytetemporal.compiler.workflow import compile_workflow
from flytetemporal.idl import identifiers
from tests.fixtures import programs as accepted

GOLDEN = Path(__file__).parents[2] / "golden"
SETTINGS = SerializationSettings(
    image_config=ImageConfig(default_image=Image("default", "local/none", "1")),
    project="flytesnacks",
    domain="development",
    version="v1",
)


class Registry:
    """What registering leaves on a server."""

    def __init__(self) -> None:
        self.tasks: dict[identifiers.EntityKey, compiler_pb2.CompiledTask] = {}
        self.launch_plans: dict[identifiers.EntityKey, launch_plan_pb2.LaunchPlan] = {}
        self.interfaces: dict[identifiers.EntityKey, interface_pb2.TypedInterface] = {}

    def register(self, entity: Any) -> compiler_pb2.CompiledWorkflowClosure:
        """Serialize a workflow with all it needs, compile it, and return its closure."""
        serialized: OrderedDict[Any, Any] = OrderedDict()
        get_serializable(serialized, SETTINGS, entity)
        closures = {}
        for model in serialized.values():
            message = model.to_flyte_idl() if hasattr(model, "to_flyte_idl") else None
            if isinstance(message, task_pb2.TaskSpec):
                self.tasks[identifiers.entity_key(message.template.id)] = compile_task(message.template)
            elif isinstance(message, workflow_pb2.WorkflowSpec):
                closures[message.template.id.name] = self._compile(message)
            elif isinstance(message, launch_plan_pb2.LaunchPlan):
                self._add_launch_plan(message)
        return closures[entity.name]

    def _compile(self, spec: workflow_pb2.WorkflowSpec) -> compiler_pb2.CompiledWorkflowClosure:
        self.interfaces[identifiers.entity_key(spec.template.id)] = spec.template.interface
        tasks, plans = requirements(spec.template, spec.sub_workflows)
        return compile_workflow(
            spec.template,
            spec.sub_workflows,
            [self.tasks[identifiers.entity_key(identifier)] for identifier in tasks],
            [self.launch_plans[identifiers.entity_key(identifier)] for identifier in plans],
        )

    def _add_launch_plan(self, launch_plan: launch_plan_pb2.LaunchPlan) -> None:
        """Compute the closure as admin does: defaults, and as required what neither they nor fixed inputs name."""
        interface = self.interfaces[identifiers.entity_key(launch_plan.spec.workflow_id)]
        expected = launch_plan.closure.expected_inputs
        expected.CopyFrom(launch_plan.spec.default_inputs)
        for name, variable in interface.inputs.variables.items():
            if name not in expected.parameters and name not in launch_plan.spec.fixed_inputs.literals:
                expected.parameters[name].CopyFrom(interface_pb2.Parameter(var=variable, required=True))
        launch_plan.closure.expected_outputs.CopyFrom(interface.outputs)
        self.launch_plans[identifiers.entity_key(launch_plan.id)] = launch_plan


@pytest.fixture(scope="module")
def programs() -> dict[str, PythonFunctionWorkflow]:
    """The workflows of the golden cases by their full names."""
    sys.path.insert(0, str(GOLDEN))
    try:
        modules = [importlib.import_module(f"cases.{name}") for name in ("plain", "control", "runtime")]
    finally:
        sys.path.remove(str(GOLDEN))
    values = [value for module in modules for value in vars(module).values()]
    return {value.name: value for value in values if isinstance(value, PythonFunctionWorkflow)}


def test_every_recorded_program_compiles(programs: dict[str, PythonFunctionWorkflow]) -> None:
    assert len(programs) > 40
    for name, program in programs.items():
        closure = Registry().register(program)

        graph, templates = compact(closure)

        assert graph.workflows[0].id.name == name
        assert len(graph.workflows[0].nodes) == len(closure.primary.template.nodes)
        assert [summary.id for summary in graph.tasks] == [template.id for template in templates.tasks]


@pytest.mark.parametrize("program", [accepted.array_over_plan, accepted.array_over_plan_that_may_fail])
def test_an_array_over_a_launch_plan_compiles(program: PythonFunctionWorkflow) -> None:
    graph, _ = compact(Registry().register(program))

    assert graph.workflows[0].nodes[2].array.node.launch_plan.name == "incremented_plan"


def test_a_condition_that_asks_for_none_compiles() -> None:
    graph, _ = compact(Registry().register(accepted.asks_for_none))

    assert len(graph.workflows[0].nodes[2].branch.cases) == 1
