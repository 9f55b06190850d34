"""A single task runs in a wrapper workflow, which the first launch registers."""

import asyncio

import pytest
from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2, task_pb2
from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2, tasks_pb2, types_pb2

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, NamedEntityMetadataRow, ProjectRow
from flytetemporal.admin.executions import single_task, workflow_executions
from flytetemporal.admin.registry import launch_plans, tasks, workflows
from tests.fixtures.engine import RecordingEngine

INT = types_pb2.LiteralType(simple=types_pb2.INTEGER)
TASK = identifier_pb2.Identifier(
    resource_type=identifier_pb2.TASK, project="flytesnacks", domain="development", name="cases.plain.add", version="v"
)
WRAPPER = identifier_pb2.Identifier(
    resource_type=identifier_pb2.WORKFLOW,
    project="flytesnacks",
    domain="development",
    name=".flytegen.cases.plain.add",
    version="v",
)


def integer(value: int) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=value)))


def template() -> tasks_pb2.TaskTemplate:
    def variables(*names: str) -> interface_pb2.VariableMap:
        return interface_pb2.VariableMap(variables={name: interface_pb2.Variable(type=INT) for name in names})

    return tasks_pb2.TaskTemplate(
        id=TASK,
        type="python-task",
        metadata=tasks_pb2.TaskMetadata(runtime=tasks_pb2.RuntimeMetadata(version="1", flavor="python")),
        interface=interface_pb2.TypedInterface(inputs=variables("a", "b"), outputs=variables("o0")),
        container=tasks_pb2.Container(image="local/none:1", args=["true"]),
    )


def launch(name: str = "e1", **inputs: int) -> execution_pb2.ExecutionCreateRequest:
    given = {key: integer(value) for key, value in (inputs or {"a": 4, "b": 5}).items()}
    return execution_pb2.ExecutionCreateRequest(
        project="flytesnacks",
        domain="development",
        name=name,
        spec=execution_pb2.ExecutionSpec(launch_plan=TASK),
        inputs=literals_pb2.LiteralMap(literals=given),
    )


@pytest.fixture(autouse=True)
async def _registered(deps: Dependencies) -> None:
    async with deps.sessions.begin() as session:
        session.add(ProjectRow(identifier="flytesnacks", name="flytesnacks"))
    await tasks.create(deps, task_pb2.TaskCreateRequest(id=TASK, spec=task_pb2.TaskSpec(template=template())))


async def test_a_task_runs_in_a_workflow_of_one_node(deps: Dependencies, engine: RecordingEngine) -> None:
    await workflow_executions.create(deps, launch())

    [argument] = engine.started
    assert argument.workflow_id == WRAPPER
    assert argument.inputs.literals.literals["b"] == integer(5)
    request = execution_pb2.WorkflowExecutionGetRequest(id=argument.execution_id)
    found = await workflow_executions.get(deps, request)
    assert (found.spec.launch_plan, found.closure.workflow_id) == (TASK, WRAPPER)
    assert found.spec.max_parallelism == 0
    compiled = (await workflows.get(deps, common_pb2.ObjectGetRequest(id=WRAPPER))).closure.compiled_workflow
    [node] = [one for one in compiled.primary.template.nodes if one.WhichOneof("target")]
    assert (node.id, node.metadata.retries.retries) == ("casesplainadd", 3)


async def test_the_row_names_the_task_and_no_launch_plan(deps: Dependencies) -> None:
    await workflow_executions.create(deps, launch())

    async with deps.sessions() as session:
        row = await session.get_one(ExecutionRow, ("flytesnacks", "development", "e1"))
    assert (row.launch_entity, row.launch_plan_id) == ("task", 0)
    assert row.task_id
    assert row.workflow_id


async def test_the_wrapper_is_the_systems_own(deps: Dependencies) -> None:
    await workflow_executions.create(deps, launch())

    async with deps.sessions() as session:
        for kind in (identifier_pb2.WORKFLOW, identifier_pb2.LAUNCH_PLAN):
            key = (kind, "flytesnacks", "development", WRAPPER.name)
            row = await session.get_one(NamedEntityMetadataRow, key)
            assert row.state == common_pb2.SYSTEM_GENERATED
    plan_id = identifier_pb2.Identifier()
    plan_id.CopyFrom(WRAPPER)
    plan_id.resource_type = identifier_pb2.LAUNCH_PLAN
    plan = await launch_plans.get(deps, common_pb2.ObjectGetRequest(id=plan_id))
    assert plan.closure.state == launch_plan_pb2.INACTIVE


async def test_first_launches_may_race(deps: Dependencies, engine: RecordingEngine) -> None:
    await asyncio.gather(*(workflow_executions.create(deps, launch(f"e{i}")) for i in range(4)))

    assert len(engine.started) == 4


async def test_all_inputs_of_a_task_are_required(deps: Dependencies) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"^expected_inputs b missing$"):
        await workflow_executions.create(deps, launch(a=1))


async def test_an_unknown_task_is_not_found(deps: Dependencies) -> None:
    request = launch()
    request.spec.launch_plan.name = "nosuch"

    with pytest.raises(errors.NotFound, match="missing entity of type TASK"):
        await workflow_executions.create(deps, request)


def test_node_ids_keep_the_end_of_long_task_names() -> None:
    assert single_task.node_id("my_mod.my-task") == "mymodmy-task"
    assert single_task.node_id("x" * 70 + ".t") == "x" * 61 + "t"
