"""Edits are checked at the door, recorded with who asked, and sent to the workflow, which decides."""

import json
from typing import Any

import pytest
from flyteidl.admin import execution_pb2, workflow_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2, types_pb2
from flyteidl.core import workflow_pb2 as core_workflow_pb2
from google.protobuf import wrappers_pb2

from flytetemporal import errors
from flytetemporal.admin.base import operator_actions
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.admin.edits import editing
from flytetemporal.admin.executions import workflow_executions
from flytetemporal.admin.registry import launch_plans, tasks, workflows
from flytetemporal.admin.settings import projects
from flytetemporal.contracts.v1 import edits_pb2
from tests.fixtures.engine import RecordingEngine
from tests.fixtures.registrations import DOMAIN, INT, PROJECT, identifier, integer, node, plan, task, variables

ID = identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name="e1")
ENGINE = "fte-local"
OUTPUTS = literals_pb2.LiteralMap(literals={"o0": integer(3)})


def bound(var: str, source: str = "", output: str = "a") -> literals_pb2.Binding:
    promise = types_pb2.OutputReference(node_id=source, var=output)
    return literals_pb2.Binding(var=var, binding=literals_pb2.BindingData(promise=promise))


def graph() -> workflow_pb2.WorkflowSpec:
    """n0 is a task, s0 a subworkflow of n0, b0 a branch, and m0 maps a task over a list."""
    interface = interface_pb2.TypedInterface(inputs=variables(a=INT), outputs=variables(o0=INT))
    inner = core_workflow_pb2.WorkflowTemplate(
        id=identifier("WORKFLOW", "inner"),
        nodes=[node()],
        interface=interface,
        outputs=[bound("o0", "n0", "o0")],
        metadata=core_workflow_pb2.WorkflowMetadata(),
    )
    subworkflow = core_workflow_pb2.Node(
        id="s0",
        metadata=core_workflow_pb2.NodeMetadata(name="s0"),
        inputs=[bound("a")],
        workflow_node=core_workflow_pb2.WorkflowNode(sub_workflow_ref=identifier("WORKFLOW", "inner")),
    )
    mapped = core_workflow_pb2.Node(
        id="m0",
        metadata=core_workflow_pb2.NodeMetadata(name="m0"),
        inputs=[bound("a", "", "l")],
        array_node=core_workflow_pb2.ArrayNode(
            node=core_workflow_pb2.Node(
                id="x",
                metadata=core_workflow_pb2.NodeMetadata(name="x"),
                task_node=core_workflow_pb2.TaskNode(reference_id=identifier("TASK", "t")),
            ),
            is_original_sub_node_interface=wrappers_pb2.BoolValue(value=True),
        ),
    )
    numbers = types_pb2.LiteralType(collection_type=INT)
    outer = core_workflow_pb2.WorkflowTemplate(
        nodes=[node(), subworkflow, mapped, branch()],
        interface=interface_pb2.TypedInterface(inputs=variables(a=INT, l=numbers), outputs=variables()),
        metadata=core_workflow_pb2.WorkflowMetadata(),
    )
    return workflow_pb2.WorkflowSpec(template=outer, sub_workflows=[inner])


def branch() -> core_workflow_pb2.Node:
    condition = {
        "comparison": {
            "operator": "EQ",
            "left_value": {"var": "a"},
            "right_value": {"primitive": {"integer": 1}},
        }
    }
    return core_workflow_pb2.Node(
        id="b0",
        metadata=core_workflow_pb2.NodeMetadata(name="b0"),
        inputs=[bound("a")],
        branch_node=core_workflow_pb2.BranchNode(
            if_else=core_workflow_pb2.IfElseBlock(
                case=core_workflow_pb2.IfBlock(condition=condition, then_node=node("c0")), else_node=node("c1")
            )
        ),
    )


@pytest.fixture
async def running(deps: Dependencies, engine: RecordingEngine) -> Dependencies:
    """An execution that one worker runs."""
    engine.workers = {ENGINE: 1}
    await projects.register_defaults(deps)
    await tasks.create(deps, task())
    await workflows.create(deps, workflow_pb2.WorkflowCreateRequest(id=identifier("WORKFLOW", "w"), spec=graph()))
    await launch_plans.create(deps, plan())
    await workflow_executions.create(
        deps,
        execution_pb2.ExecutionCreateRequest(
            project=PROJECT,
            domain=DOMAIN,
            name=ID.name,
            spec=execution_pb2.ExecutionSpec(launch_plan=identifier("LAUNCH_PLAN", "w")),
            inputs=literals_pb2.LiteralMap(
                literals={
                    "a": integer(1),
                    "l": literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=[integer(1)])),
                }
            ),
        ),
    )
    return deps


async def edit(deps: Dependencies, **fields: Any) -> int:
    request = edits_pb2.EditRequest(**{"execution_id": ID, "edited_by": "ann", **fields})
    return (await editing.edit(deps, request)).revision


async def actions(deps: Dependencies, **fields: Any) -> list[edits_pb2.OperatorAction]:
    request = edits_pb2.ListOperatorActionsRequest(execution_id=ID, **fields)
    return list((await editing.list_operator_actions(deps, request)).actions)


async def end(deps: Dependencies) -> None:
    async with deps.sessions.begin() as session:
        row = await session.get_one(ExecutionRow, (PROJECT, DOMAIN, ID.name))
        ended = execution_pb2.ExecutionClosure(phase=core_execution_pb2.WorkflowExecution.SUCCEEDED)
        row.phase, row.closure = "SUCCEEDED", ended.SerializeToString()


def skip(node_id: str, outputs: str) -> edits_pb2.SkipNode:
    return edits_pb2.SkipNode(node_id=node_id, json=outputs)


async def test_an_edit_is_recorded_with_who_and_why(running: Dependencies, engine: RecordingEngine) -> None:
    first = await edit(running, retry=edits_pb2.RetryNode(node_id="n0"), reason="the disk was full", request_id="r1")
    second = await edit(running, execution=edits_pb2.ExecutionEdit(on_failure="hold"), edited_by="bob")

    assert (first, second) == (1, 2)
    assert [command.WhichOneof("edit") for command in engine.edits] == ["retry", "execution"]
    newest, oldest = await actions(running)
    assert (oldest.action, oldest.operator, oldest.node_id, oldest.reason) == (
        "retry",
        "ann",
        "n0",
        "the disk was full",
    )
    assert (oldest.request_id, oldest.unanswered, json.loads(oldest.details)) == ("r1", False, {"revision": 1})
    assert (newest.action, newest.operator) == ("edit", "bob")
    assert json.loads(newest.details) == {"on_failure": "hold", "revision": 2}


async def test_the_actions_are_listed_in_pages(running: Dependencies) -> None:
    for _ in range(3):
        await edit(running, execution=edits_pb2.ExecutionEdit(on_failure="hold"))

    request = edits_pb2.ListOperatorActionsRequest(execution_id=ID, limit=2)
    page = await editing.list_operator_actions(running, request)
    request.token = page.token
    rest = await editing.list_operator_actions(running, request)

    revisions = [json.loads(action.details)["revision"] for action in (*page.actions, *rest.actions)]
    assert (revisions, rest.token) == ([3, 2, 1], "")


async def test_a_repeated_request_gets_the_same_answer_also_after_the_end(
    running: Dependencies, engine: RecordingEngine
) -> None:
    retry = edits_pb2.RetryNode(node_id="n0")
    first = await edit(running, retry=retry, request_id="r1")
    await end(running)

    assert await edit(running, retry=retry, request_id="r1") == first
    assert (len(engine.edits), len(await actions(running))) == (1, 1)
    with pytest.raises(errors.InvalidRequest, match="request r1 was used for another edit"):
        await edit(running, retry=edits_pb2.RetryNode(node_id="n1"), request_id="r1")
    with pytest.raises(
        errors.FailedPrecondition, match=r"execution e1 has ended \(SUCCEEDED\), so it cannot be edited"
    ):
        await edit(running, retry=retry)


async def test_a_fork_may_have_had_the_same_request_id(running: Dependencies) -> None:
    async with running.sessions.begin() as session:
        operator_actions.record(session, "ada", "fork", (PROJECT, DOMAIN, ID.name), request_id="r1")

    assert await edit(running, retry=edits_pb2.RetryNode(node_id="n0"), request_id="r1") == 1


async def test_an_edit_without_an_answer_stays_recorded_and_can_be_repeated(
    running: Dependencies, engine: RecordingEngine
) -> None:
    retry = edits_pb2.RetryNode(node_id="n0")
    engine.edit_refusal = errors.Unavailable("no worker has answered")
    with pytest.raises(errors.Unavailable):
        await edit(running, retry=retry, request_id="r1")
    unanswered = [action.unanswered for action in await actions(running)]
    engine.edit_refusal = None

    assert await edit(running, retry=retry, request_id="r1") == 1
    assert (unanswered, [action.unanswered for action in await actions(running)]) == ([True], [False])


async def test_a_lost_answer_is_found_after_the_end(running: Dependencies, engine: RecordingEngine) -> None:
    retry = edits_pb2.RetryNode(node_id="n0")
    engine.edit_refusal = errors.Unavailable("no worker has answered")
    with pytest.raises(errors.Unavailable):
        await edit(running, retry=retry, request_id="r1")
    await end(running)
    engine.edit_refusal = None

    assert await edit(running, retry=retry, request_id="r1") == 1


@pytest.mark.parametrize("kind", [errors.Conflict, errors.FailedPrecondition, errors.NotFound, errors.InvalidRequest])
async def test_an_edit_that_the_workflow_refuses_leaves_no_record(
    running: Dependencies, engine: RecordingEngine, kind: type[errors.FlyteError]
) -> None:
    engine.edit_refusal = kind("because")

    with pytest.raises(kind, match="because"):
        await edit(running, retry=edits_pb2.RetryNode(node_id="n0"))

    assert await actions(running) == []


async def test_without_a_worker_an_edit_is_refused_at_once(running: Dependencies, engine: RecordingEngine) -> None:
    engine.workers = {}

    with pytest.raises(errors.Unavailable, match=f"no worker polls task queue {ENGINE}.*start one, then try again"):
        await edit(running, retry=edits_pb2.RetryNode(node_id="n0"))

    assert await actions(running) == []


@pytest.mark.parametrize(
    ("node_id", "outputs"),
    [("n0", {"o0": 3}), ("s0", {"o0": 3}), ("s0-0-n0", {"o0": 3}), ("m0", {"o0": [3, 4]}), ("b0", {"o0": 3}),
     ("b0-0-b0-c1", {"o0": 3})],
)  # fmt: skip
async def test_a_node_of_any_kind_is_skipped_with_outputs_that_fit(
    running: Dependencies, engine: RecordingEngine, node_id: str, outputs: dict[str, Any]
) -> None:
    await edit(running, skip=skip(node_id, json.dumps(outputs)))

    sent = engine.edits[0].skip
    assert sent.node_id == node_id
    assert await running.blobs.read_message(sent.uri, literals_pb2.LiteralMap) == sent.literals
    assert sorted(sent.literals.literals) == ["o0"]
    assert "3" not in (await actions(running))[0].details, "outputs are not recorded"


@pytest.mark.parametrize("node_id", ["n0", "s0-0-n0", "m0", "b0-0-b0-c1"])
async def test_a_node_that_runs_a_task_is_changed(running: Dependencies, engine: RecordingEngine, node_id: str) -> None:
    change = edits_pb2.NodeEdit(node_id=node_id, resources={"memory": "8Gi", "cpu": "500m"})
    change.retries.value = 0
    change.timeout.seconds = 90

    await edit(running, node=change)

    sent = engine.edits[0].node
    assert (sent.node_id, sent.HasField("retries"), sent.retries.value, sent.timeout.seconds) == (node_id, True, 0, 90)
    assert [entry.value for entry in sent.resources.requests] == ["500m", "8Gi"]
    assert sent.resources.requests == sent.resources.limits
    recorded = json.loads((await actions(running))[0].details)
    assert recorded == {
        "resources": {"cpu": "500m", "memory": "8Gi"}, "retries": 0, "timeout": "90s", "revision": 1
    }  # fmt: skip


async def test_the_elements_of_a_map_task_that_run_at_once_are_changed(
    running: Dependencies, engine: RecordingEngine
) -> None:
    await edit(running, node=edits_pb2.NodeEdit(node_id="m0", max_parallelism=wrappers_pb2.UInt32Value(value=7)))

    assert engine.edits[0].node.max_parallelism.value == 7
    assert json.loads((await actions(running))[0].details) == {"max_parallelism": 7, "revision": 1}


async def test_large_outputs_do_not_travel_with_the_edit(running: Dependencies, engine: RecordingEngine) -> None:
    await edit(running, skip=skip("m0", json.dumps({"o0": list(range(2000))})))

    sent = engine.edits[0].skip
    stored = await running.blobs.read_message(sent.uri, literals_pb2.LiteralMap)
    assert not sent.HasField("literals")
    assert len(stored.literals["o0"].collection.literals) == 2000


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({"execution_id": None}, errors.InvalidRequest, "missing"),
        ({"execution_id": identifier_pb2.WorkflowExecutionIdentifier(project="p", domain="d", name="e9"),
          "retry": {"node_id": "n0"}}, errors.NotFound, "missing entity of type execution"),
        ({}, errors.InvalidRequest, "the edit asks for nothing"),
        ({"retry": {}}, errors.InvalidRequest, "missing node_id"),
        ({"retry": {"node_id": "n" * 256}}, errors.InvalidRequest, "node_id cannot exceed 255 characters"),
        ({"retry": {"node_id": "n0"}, "request_id": "a b"}, errors.InvalidRequest, "invalid value for request_id"),
        ({"retry": {"node_id": "n0"}, "edited_by": "x" * 256}, errors.InvalidRequest, "edited_by cannot exceed 255"),
        ({"retry": {"node_id": "n0"}, "reason": "x" * 4097}, errors.InvalidRequest, "reason cannot exceed 4096"),
        ({"node": {"node_id": "n9", "retries": {"value": 1}}}, errors.NotFound, "execution e1 has no node n9"),
        ({"node": {"node_id": "m0-0-n1", "retries": {"value": 1}}}, errors.NotFound,
         "m0-0-n1 is an element of map task m0, and elements cannot be changed one by one; what is changed of m0"),
        ({"node": {"node_id": "n0", "max_parallelism": {"value": 1}}}, errors.InvalidRequest, "n0 is no map task"),
        ({"node": {"node_id": "start-node", "retries": {"value": 1}}}, errors.InvalidRequest, "nothing to change"),
        ({"node": {"node_id": "n0", "retries": {"value": 10_001}}}, errors.InvalidRequest, "the limit is 10000"),
        ({"node": {"node_id": "n0", "timeout": {"seconds": -1}}}, errors.InvalidRequest, "timeout must be between"),
        ({"node": {"node_id": "n0", "timeout": {"seconds": 2**62}}}, errors.InvalidRequest, "timeout"),
        ({"node": {"node_id": "n0", "resources": {"ram": "1"}}}, errors.InvalidRequest, "node n0 has no resource ram"),
        ({"node": {"node_id": "n0", "resources": {"memory": "much"}}}, errors.InvalidRequest, "Kubernetes quantity"),
        ({"node": {"node_id": "n0", "resources": {"gpu": "1.5"}}}, errors.InvalidRequest, "must be a whole number"),
        ({"node": {"node_id": "b0", "resources": {"cpu": "1"}}}, errors.InvalidRequest, "node b0 runs no task"),
        ({"node": {"node_id": "s0", "resources": {"cpu": "1"}}}, errors.InvalidRequest, "node s0 runs no task"),
        ({"skip": skip("n9", "{}")}, errors.NotFound, "execution e1 has no node n9"),
        ({"skip": skip("s0-0-n9", "{}")}, errors.NotFound, "execution e1 has no node s0-0-n9"),
        ({"skip": skip("n0", "{")}, errors.InvalidRequest, "the outputs of node n0 are not JSON"),
        ({"skip": skip("n0", "[]")}, errors.InvalidRequest, "the outputs of node n0 are not a JSON object"),
        ({"skip": skip("n0", "{}")}, errors.InvalidRequest, "output o0 of node n0 is missing; its outputs are: o0"),
        ({"skip": skip("n0", '{"o0": 1, "x": 2}')}, errors.InvalidRequest, "node n0 has no output x"),
        ({"skip": skip("n0", '{"o0": "three"}')}, errors.InvalidRequest, "the outputs of node n0: o0 is no .*INTEGER"),
        ({"skip": skip("m0", '{"o0": 1}')}, errors.InvalidRequest, "the outputs of node m0: o0 is no collection_type"),
        ({"skip": {"node_id": "m0", "literals": OUTPUTS}}, errors.InvalidRequest, "output o0 of node m0 is simple"),
        ({"skip": {"node_id": "n0", "literals": literals_pb2.LiteralMap(literals={"o0": literals_pb2.Literal()})}},
         errors.InvalidRequest, "missing valid literal in outputs of node n0 o0"),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused(
    running: Dependencies, fields: dict[str, Any], kind: type[errors.FlyteError], text: str
) -> None:
    with pytest.raises(kind, match=text):
        await edit(running, **fields)

    assert await actions(running) == []


@pytest.mark.parametrize(
    ("fields", "text"),
    [({"limit": 1001}, "list at most 1000 actions"), ({"token": "x"}, "pass the token of the page before")],
)
async def test_a_page_of_actions_that_cannot_be_is_refused(
    running: Dependencies, fields: dict[str, Any], text: str
) -> None:
    with pytest.raises(errors.InvalidRequest, match=text):
        await actions(running, **fields)


async def test_the_policy_of_a_launch_plan_reaches_the_workflow(running: Dependencies, engine: RecordingEngine) -> None:
    annotations = {"values": {"flytetemporal.io/on-failure": "hold"}}
    request = execution_pb2.ExecutionCreateRequest(
        project=PROJECT,
        domain=DOMAIN,
        name="e2",
        spec=execution_pb2.ExecutionSpec(launch_plan=identifier("LAUNCH_PLAN", "w"), annotations=annotations),
        inputs=engine.started[0].inputs.literals,
    )

    await workflow_executions.create(running, request)
    request.name, request.spec.annotations.values["flytetemporal.io/on-failure"] = "e3", "wait"

    assert [started.settings.on_failure for started in engine.started] == ["", "hold"]
    with pytest.raises(errors.InvalidRequest, match=r"annotation flytetemporal\.io/on-failure of the execution"):
        await workflow_executions.create(running, request)
