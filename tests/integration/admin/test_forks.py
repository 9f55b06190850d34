"""A fork reuses what succeeded in its source and says what runs again, before it starts anything."""

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2, node_execution_pb2, workflow_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2, tasks_pb2, types_pb2
from flyteidl.core import workflow_pb2 as core_workflow_pb2
from flyteidl.event import event_pb2

from flytetemporal import errors
from flytetemporal.activities.recovery import RecoveryActivities
from flytetemporal.admin.base import execution_lookup
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.edits import editing
from flytetemporal.admin.events import batches
from flytetemporal.admin.executions import workflow_executions
from flytetemporal.admin.forks import forking, records, sources
from flytetemporal.admin.registry import launch_plans, tasks, workflows
from flytetemporal.admin.settings import projects
from flytetemporal.contracts.v1 import edits_pb2, events_pb2, fork_pb2
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.idl import times
from tests.fixtures.engine import RecordingEngine
from tests.fixtures.registrations import DOMAIN, INT, PROJECT, identifier, integer, task, variables
from tests.unit.activities.test_recovery import Nodes

N, W = core_execution_pb2.NodeExecution, core_execution_pb2.WorkflowExecution
ExecutionId = identifier_pb2.WorkflowExecutionIdentifier


def bound(var: str, node: str, output: str) -> literals_pb2.Binding:
    promise = types_pb2.OutputReference(node_id=node, var=output)
    return literals_pb2.Binding(var=var, binding=literals_pb2.BindingData(promise=promise))


def spec(node_id: str, source: str, output: str, version: str, name: str = "t") -> core_workflow_pb2.Node:
    return core_workflow_pb2.Node(
        id=node_id,
        metadata=core_workflow_pb2.NodeMetadata(name=node_id),
        inputs=[bound("a", source, output)],
        task_node=core_workflow_pb2.TaskNode(reference_id=identifier("TASK", name, version)),
    )


def mapped(node_id: str, version: str) -> core_workflow_pb2.Node:
    """A map over input a, which is one number here: nothing is run."""
    inner = spec("n0", "", "a", version)
    node = core_workflow_pb2.Node(id=node_id, inputs=inner.inputs, array_node=core_workflow_pb2.ArrayNode(node=inner))
    node.metadata.name = node_id
    return node


async def register(deps: Dependencies, version: str = "v1", *nodes: core_workflow_pb2.Node, **task_fields: Any) -> None:
    """Register a chain n0, n1, n2 that starts from input a, and m0, which takes input b."""
    template = core_workflow_pb2.WorkflowTemplate(
        nodes=nodes
        or [
            spec("n0", "", "a", version),
            spec("n1", "n0", "o0", version),
            spec("n2", "n1", "o0", version),
            spec("m0", "", "b", version),
        ],
        interface=interface_pb2.TypedInterface(inputs=variables(a=INT, b=INT), outputs=variables()),
        metadata=core_workflow_pb2.WorkflowMetadata(),
    )
    await projects.register_defaults(deps)
    for name in ("t", "u"):
        await tasks.create(deps, task(name, version, **task_fields))
    workflow_id = identifier("WORKFLOW", "w", version)
    await workflows.create(
        deps, workflow_pb2.WorkflowCreateRequest(id=workflow_id, spec=workflow_pb2.WorkflowSpec(template=template))
    )
    await launch_plans.create(
        deps,
        launch_plan_pb2.LaunchPlanCreateRequest(
            id=identifier("LAUNCH_PLAN", "w", version),
            spec=launch_plan_pb2.LaunchPlanSpec(
                workflow_id=workflow_id,
                default_inputs=interface_pb2.ParameterMap(
                    parameters={
                        name: interface_pb2.Parameter(var=interface_pb2.Variable(type=INT), required=True)
                        for name in ("a", "b")
                    }
                ),
            ),
        ),
    )


def execution_id(name: str = "e1") -> ExecutionId:
    return ExecutionId(project=PROJECT, domain=DOMAIN, name=name)


async def launch(deps: Dependencies, name: str = "e1") -> None:
    await workflow_executions.create(
        deps,
        execution_pb2.ExecutionCreateRequest(
            project=PROJECT,
            domain=DOMAIN,
            name=name,
            spec=execution_pb2.ExecutionSpec(launch_plan=identifier("LAUNCH_PLAN", "w"), max_parallelism=7),
            inputs=literals_pb2.LiteralMap(literals={"a": integer(1), "b": integer(2)}),
        ),
    )


async def report(deps: Dependencies, execution: str = "e1", **phases: str) -> None:
    """Report the phases of nodes, in order, and of the execution itself as ``phase``."""
    events = [
        events_pb2.Event(
            workflow=event_pb2.WorkflowExecutionEvent(
                execution_id=execution_id(execution), phase=W.RUNNING, occurred_at=times.timestamp(datetime.now(UTC))
            )
        )
    ]
    for node_id, phase in phases.items():
        event = event_pb2.NodeExecutionEvent(
            id=identifier_pb2.NodeExecutionIdentifier(node_id=node_id, execution_id=execution_id(execution)),
            spec_node_id=node_id,
            node_name=node_id,
            phase=phase,
            event_version=1,
            input_uri=f"{deps.blobs.root}/{node_id}/inputs.pb",
            occurred_at=times.timestamp(datetime.now(UTC)),
        )
        if phase == "SUCCEEDED":
            event.output_uri = f"{deps.blobs.root}/{node_id}/outputs.pb"
        elif phase == "FAILED":
            event.error.code = "Boom"
        events.append(events_pb2.Event(node=event))
    await batches.record_events(deps, events_pb2.RecordEventsRequest(events=events))


async def fork(deps: Dependencies, *from_nodes: str, **fields: Any) -> fork_pb2.ForkResponse:
    fields.setdefault("execution_id", execution_id())
    return await forking.fork(deps, fork_pb2.ForkRequest(from_nodes=from_nodes, **fields))


def answers(response: fork_pb2.ForkResponse) -> dict[str, str]:
    return {node.node_id: "" if node.reused else node.reason for node in response.nodes}


async def reused(deps: Dependencies, engine: RecordingEngine) -> list[contract_pb2.EarlierNode]:
    """The nodes that the workflow of the execution that started last would reuse at the top level."""
    request = contract_pb2.EarlierNodesRequest(reused=engine.started[-1].reused)
    return list((await RecoveryActivities(deps.blobs, Nodes()).read_earlier_nodes(request)).nodes)


@pytest.fixture
async def failed(deps: Dependencies) -> Dependencies:
    """An execution whose node n1 failed."""
    await register(deps)
    await launch(deps)
    await report(deps, n0="SUCCEEDED", m0="SUCCEEDED", n1="FAILED")
    return deps


@pytest.fixture
async def succeeded(deps: Dependencies) -> Dependencies:
    """An execution all of whose nodes succeeded."""
    await register(deps)
    await launch(deps)
    await report(deps, n0="SUCCEEDED", m0="SUCCEEDED", n1="SUCCEEDED", n2="SUCCEEDED")
    return deps


async def test_a_fork_reuses_what_succeeded_and_runs_the_rest(failed: Dependencies, engine: RecordingEngine) -> None:
    answer = await fork(failed, name="e2")

    assert answers(answer) == {"n0": "", "n1": "it is FAILED in e1", "n2": "it did not run in e1", "m0": ""}
    assert (answer.reused, answer.run_again, answer.execution_id.name) == (2, 2, "e2")
    started = engine.started[-1]
    assert started.execution_id.name == "e2"
    assert started.recovered_from == execution_id()
    assert started.inputs == engine.started[0].inputs
    found = await reused(failed, engine)
    root = failed.blobs.root
    assert [(node.node_id, node.output_uri) for node in found] == [
        ("n0", f"{root}/n0/outputs.pb"),
        ("m0", f"{root}/m0/outputs.pb"),
    ]
    again = await workflow_executions.get(failed, execution_pb2.WorkflowExecutionGetRequest(id=execution_id("e2")))
    assert again.spec.metadata.mode == execution_pb2.ExecutionMetadata.RECOVERED
    assert again.spec.metadata.reference_execution == execution_id()
    assert again.spec.max_parallelism == 7


async def test_a_node_that_is_named_runs_again_with_all_that_follows(
    succeeded: Dependencies, engine: RecordingEngine
) -> None:
    answer = await fork(succeeded, "n1")

    assert answers(answer) == {"n0": "", "n1": "it is asked for", "n2": "it runs after n1", "m0": ""}
    assert [node.node_id for node in await reused(succeeded, engine)] == ["n0", "m0"]


async def test_a_node_can_be_named_by_its_name(deps: Dependencies) -> None:
    load, first, second = spec("n0", "", "a", "v1"), spec("n1", "n0", "o0", "v1"), spec("n2", "n1", "o0", "v1")
    load.metadata.name, first.metadata.name, second.metadata.name = "load", "step", "step"
    await register(deps, "v1", load, first, second)
    await launch(deps)
    await report(deps, n0="SUCCEEDED", n1="SUCCEEDED", n2="SUCCEEDED")

    by_name = await fork(deps, "load", name="e2", request_id="r")
    lineage = await records.get_lineage(deps, fork_pb2.LineageRequest(execution_id=execution_id("e2")))

    assert answers(by_name) == answers(await fork(deps, "n0", dry_run=True))
    assert list(lineage.forked_from.from_nodes) == ["n0"], "the id is recorded"
    with pytest.raises(errors.NotFound, match=r"node step does not exist .* this is a name; you mean n1 or n2$"):
        await fork(deps, "step")


async def test_a_running_source_is_forked_as_it_is_at_one_moment(deps: Dependencies, engine: RecordingEngine) -> None:
    await register(deps)
    await launch(deps)
    await report(deps, n0="SUCCEEDED", n1="RUNNING")
    await fork(deps)
    await report(deps, n1="SUCCEEDED", m0="SUCCEEDED")

    assert [node.node_id for node in await reused(deps, engine)] == ["n0"]


async def test_what_depends_on_a_changed_input_runs_again(succeeded: Dependencies, engine: RecordingEngine) -> None:
    changed = literals_pb2.LiteralMap(literals={"a": integer(1), "b": integer(5)})

    answer = await fork(succeeded, inputs=changed)

    assert answers(answer) == {"n0": "", "n1": "", "n2": "", "m0": "it reads input b, which changed"}
    assert list(answer.changed_inputs) == ["b"]
    assert engine.started[-1].inputs.literals == changed


async def test_what_runs_again_may_overwrite_the_cache(succeeded: Dependencies, engine: RecordingEngine) -> None:
    await fork(succeeded, "n1")
    await fork(succeeded, "n1", overwrite_cache=True)

    assert [started.settings.overwrite_cache for started in engine.started] == [False, False, True]


async def test_a_dynamic_node_whose_workflow_is_gone_runs_whole(deps: Dependencies) -> None:
    message = node_execution_pb2.NodeExecution()
    message.id.node_id = "n0"
    message.closure.phase = N.FAILED
    gone = sources.SourceNode(message, "", f"{deps.blobs.root}/gone.pb")

    assert await sources.generated_graphs(deps, sources.SourceNodes({"n0": gone}), frozenset()) == {}


async def test_a_dry_run_starts_nothing(failed: Dependencies, engine: RecordingEngine) -> None:
    answer = await fork(failed, dry_run=True, name="e2")

    assert (answer.reused, answer.run_again) == (2, 2)
    assert not answer.HasField("execution_id")
    assert len(engine.started) == 1
    with pytest.raises(errors.NotFound):
        await workflow_executions.get(failed, execution_pb2.WorkflowExecutionGetRequest(id=execution_id("e2")))


async def test_a_repeated_call_answers_with_the_same_execution(failed: Dependencies, engine: RecordingEngine) -> None:
    first = await fork(failed, request_id="r1")
    second = await fork(failed, request_id="r1")
    other = await fork(failed, request_id="r2")

    assert first.execution_id == second.execution_id != other.execution_id
    assert (second.reused, second.run_again) == (2, 2)
    assert len(engine.started) == 3


async def test_a_name_that_another_execution_has_is_refused(failed: Dependencies) -> None:
    await fork(failed, name="e2", request_id="r1")

    for name, request_id in (("e2", "r2"), ("e1", "")):
        with pytest.raises(errors.AlreadyExists, match=rf"^execution .*:{name} exists already; give the fork another"):
            await fork(failed, name=name, request_id=request_id)


async def test_a_plan_says_which_elements_of_a_map_task_are_reused(deps: Dependencies) -> None:
    await register(deps, "v1", mapped("n0", "v1"))
    await launch(deps)
    await report(deps, n0="FAILED")
    node = identifier_pb2.NodeExecutionIdentifier(node_id="n0", execution_id=execution_id())
    resources = [
        event_pb2.ExternalResourceInfo(
            external_id=f"x{index}", index=index, phase="SUCCEEDED" if index != 4 else "FAILED"
        )
        for index in range(7)
    ]
    attempt = event_pb2.TaskExecutionEvent(
        task_id=identifier("TASK", "t"),
        parent_node_execution_id=node,
        phase="FAILED",
        occurred_at=times.timestamp(datetime.now(UTC)),
        metadata=event_pb2.TaskExecutionMetadata(external_resources=resources),
    )
    await batches.record_events(deps, events_pb2.RecordEventsRequest(events=[events_pb2.Event(task=attempt)]))

    answer = await fork(deps, dry_run=True)
    named = await fork(deps, "n0", dry_run=True)

    assert (answer.nodes[0].reused_elements, answer.nodes[0].reused_element_count) == ("0-3, 5-6", 6)
    assert not named.nodes[0].reused_element_count


async def test_the_concurrency_limit_of_the_launch_plan_holds_for_forks(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await register(deps)
    policy = launch_plan_pb2.ConcurrencyPolicy(max=1, behavior=launch_plan_pb2.CONCURRENCY_LIMIT_BEHAVIOR_SKIP)
    plan = launch_plan_pb2.LaunchPlanCreateRequest(
        id=identifier("LAUNCH_PLAN", "one", "v1"),
        spec=launch_plan_pb2.LaunchPlanSpec(workflow_id=identifier("WORKFLOW", "w", "v1"), concurrency_policy=policy),
    )
    for name in ("a", "b"):
        plan.spec.fixed_inputs.literals[name].CopyFrom(integer(1))
    await launch_plans.create(deps, plan)
    create = execution_pb2.ExecutionCreateRequest(project=PROJECT, domain=DOMAIN, name="e1")
    create.spec.launch_plan.CopyFrom(plan.id)
    await workflow_executions.create(deps, create)

    with pytest.raises(errors.AlreadyExists, match=r"concurrency limit \(1\) reached for launch plan one"):
        await fork(deps)
    assert len(engine.started) == 1


async def test_both_records_show_the_lineage(failed: Dependencies) -> None:
    await fork(failed, name="e2")
    await report(failed, "e2", n0="SUCCEEDED")
    await fork(failed, "n0", name="e3", execution_id=execution_id("e2"))

    async def lineage(name: str) -> fork_pb2.Lineage:
        return await records.get_lineage(failed, fork_pb2.LineageRequest(execution_id=execution_id(name)))

    of_source, of_fork = await lineage("e1"), await lineage("e2")
    assert not of_source.HasField("forked_from")
    assert [made.execution_id.name for made in of_source.forks] == ["e2"]
    assert of_fork.forked_from.source == execution_id()
    assert (of_fork.forked_from.reused, of_fork.forked_from.run_again) == (2, 2)
    assert [list(made.from_nodes) for made in of_fork.forks] == [["n0"]]
    with pytest.raises(errors.NotFound, match="missing entity of type execution"):
        await lineage("nosuch")


async def test_a_source_or_node_or_version_that_does_not_exist_is_refused(failed: Dependencies) -> None:
    with pytest.raises(errors.InvalidRequest, match="missing id"):
        await forking.fork(failed, fork_pb2.ForkRequest())
    with pytest.raises(errors.NotFound, match="missing entity of type execution"):
        await fork(failed, execution_id=execution_id("nosuch"))
    with pytest.raises(errors.NotFound, match="node n7 does not exist in execution e1; see its nodes with"):
        await fork(failed, "n7")
    with pytest.raises(errors.NotFound, match="missing entity of type LAUNCH_PLAN"):
        await fork(failed, version="v7")


async def test_a_node_whose_upstream_has_no_outputs_is_no_place_to_start_from(failed: Dependencies) -> None:
    with pytest.raises(
        errors.FailedPrecondition, match=r"from n2: node n1 .* \(it is FAILED in e1\); fork from n1 too"
    ):
        await fork(failed, "n2")

    assert answers(await fork(failed, "n1", "n2"))["n2"] == "it is asked for"


async def test_inputs_of_the_wrong_type_are_refused(failed: Dependencies) -> None:
    text = literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(string_value="five")))
    with pytest.raises(errors.InvalidRequest, match=r"invalid b input wrong type\. Expected simple:INTEGER"):
        await fork(failed, inputs=literals_pb2.LiteralMap(literals={"b": text}))
    with pytest.raises(errors.InvalidRequest, match="invalid input c"):
        await fork(failed, inputs=literals_pb2.LiteralMap(literals={"c": integer(1)}))


async def test_inputs_may_be_plain_values(succeeded: Dependencies, engine: RecordingEngine) -> None:
    answer = await fork(succeeded, plain_inputs='{"b": 5}')

    assert list(answer.changed_inputs) == ["b"]
    assert engine.started[-1].inputs.literals.literals["b"] == integer(5)
    with pytest.raises(errors.InvalidRequest, match='inputs of w: b is no simple:INTEGER: "five"'):
        await fork(succeeded, plain_inputs='{"b": "five"}')
    with pytest.raises(errors.InvalidRequest, match="invalid input c; the inputs are a, b"):
        await fork(succeeded, plain_inputs='{"c": 5}')
    with pytest.raises(errors.InvalidRequest, match="both inputs and plain_inputs"):
        await fork(succeeded, plain_inputs="{}", inputs=literals_pb2.LiteralMap(literals={"b": integer(5)}))


async def test_who_forked_is_recorded_with_the_source(failed: Dependencies) -> None:
    await fork(failed, "n1", name="e2", forked_by="ada", request_id="r1")

    found = await editing.list_operator_actions(
        failed, edits_pb2.ListOperatorActionsRequest(execution_id=execution_id())
    )
    [action] = found.actions
    assert (action.action, action.operator, action.request_id) == ("fork", "ada", "r1")
    assert json.loads(action.details) == {"fork": "e2", "from_nodes": ["n1"]}
    lineage = await records.get_lineage(failed, fork_pb2.LineageRequest(execution_id=execution_id("e2")))
    assert lineage.forked_from.forked_by == "ada"


async def test_another_version_reuses_nodes_that_still_fit(failed: Dependencies, engine: RecordingEngine) -> None:
    nodes = [spec("n0", "", "a", "v2"), spec("n1", "n0", "o0", "v2"), spec("m0", "", "b", "v2", "u")]
    await register(failed, "v2", *nodes)

    answer = await fork(failed, version="v2")

    assert answers(answer) == {"n0": "", "n1": "it is FAILED in e1", "m0": "it runs u and ran t in version v1"}
    assert engine.started[-1].workflow_id.version == "v2"
    await report(failed, n2="RUNNING")
    with pytest.raises(errors.NotFound, match=r"node n2 .* does not exist in version v2"):
        await fork(failed, "n2", version="v2")


async def test_a_node_whose_upstream_changed_its_interface_is_no_place_to_start_from(succeeded: Dependencies) -> None:
    nodes = [
        spec("n0", "", "a", "v2"),
        spec("m0", "", "b", "v2"),
        spec("n1", "m0", "o0", "v2"),
        spec("n2", "n1", "o0", "v2"),
    ]
    await register(succeeded, "v2", *nodes)

    assert answers(await fork(succeeded, version="v2", dry_run=True)) == {
        "n0": "",
        "m0": "",
        "n1": "its inputs are bound to other values than in version v1",
        "n2": "it runs after n1",
    }
    with pytest.raises(errors.FailedPrecondition, match=r"node n1 .* \(its inputs are bound"):
        await fork(succeeded, "n2", version="v2")


async def test_nodes_that_run_get_other_resources(failed: Dependencies, engine: RecordingEngine) -> None:
    memory = fork_pb2.NodeResource(node_id="n1", resource="memory", quantity="8Gi")

    await fork(failed, resources=[memory], name="e2")

    given = engine.started[-1].node_resources["n1"]
    kinds = [(entry.name, entry.value) for entry in (*given.requests, *given.limits)]
    assert kinds == [(tasks_pb2.Resources.MEMORY, "8Gi")] * 2

    async with failed.sessions.begin() as session:
        row = await execution_lookup.locked_execution(session, execution_id("e2"))
        row.phase = "FAILED"
    await workflow_executions.recover(failed, execution_pb2.ExecutionRecoverRequest(id=execution_id("e2"), name="e3"))
    assert engine.started[-1].node_resources["n1"] == given
    assert not engine.started[-1].HasField("reused")


@pytest.mark.parametrize(
    ("node", "resource", "quantity", "error", "text"),
    [
        ("n0", "memory", "8Gi", errors.FailedPrecondition, "outputs of node n0 are reused"),
        ("n7", "memory", "8Gi", errors.NotFound, "node n7, whose resources are set, does not exist"),
        ("n1", "disk", "8Gi", errors.InvalidRequest, "node n1 has no resource disk; set one of cpu, memory"),
        ("n1", "memory", "lots", errors.InvalidRequest, "MEMORY request failed for value lots"),
        ("", "memory", "8Gi", errors.InvalidRequest, "given to no node"),
        ("n1", "cpu", "900", errors.InvalidRequest, "greater than current limit set in the platform"),
    ],
)
async def test_resources_that_cannot_be_set_are_refused(
    failed: Dependencies, node: str, resource: str, quantity: str, error: type[Exception], text: str
) -> None:
    given = fork_pb2.NodeResource(node_id=node, resource=resource, quantity=quantity)
    limited = failed.settings.model_copy(update={"task_cpu_limit": "100"})
    deps = dataclasses.replace(failed, settings=limited)

    with pytest.raises(error, match=text):
        await fork(deps, resources=[given])


async def with_child(deps: Dependencies) -> None:
    """An execution whose node n1 has launched the execution e1child, which runs."""
    await register(deps)
    await launch(deps)
    await report(deps, n0="SUCCEEDED")
    node = identifier_pb2.NodeExecutionIdentifier(node_id="n1", execution_id=execution_id())
    event = event_pb2.NodeExecutionEvent(
        id=node, spec_node_id="n1", phase="RUNNING", occurred_at=times.timestamp(datetime.now(UTC)), event_version=1
    )
    event.workflow_node_metadata.execution_id.CopyFrom(execution_id("e1child"))
    await batches.record_events(deps, events_pb2.RecordEventsRequest(events=[events_pb2.Event(node=event)]))
    metadata = execution_pb2.ExecutionMetadata(
        mode=execution_pb2.ExecutionMetadata.CHILD_WORKFLOW, parent_node_execution=node
    )
    await workflow_executions.create(
        deps,
        execution_pb2.ExecutionCreateRequest(
            project=PROJECT,
            domain=DOMAIN,
            name="e1child",
            spec=execution_pb2.ExecutionSpec(
                launch_plan=identifier("LAUNCH_PLAN", "w"),
                metadata=metadata,
                labels=common_pb2.Labels(values={"execution-id": "e1", "mine": "kept"}),
            ),
            inputs=literals_pb2.LiteralMap(literals={"a": integer(1), "b": integer(2)}),
        ),
    )


async def test_children_that_run_are_known(deps: Dependencies) -> None:
    await with_child(deps)

    async def open_children() -> list[str]:
        source = await sources.read(deps, execution_id())
        return [node.id for node in source.nodes if sources.is_open_child(source, node)]

    assert await open_children() == ["n1"]
    async with deps.sessions.begin() as session:
        (await execution_lookup.locked_execution(session, execution_id("e1child"))).phase = "FAILED"
    assert await open_children() == []


async def test_the_fork_of_a_child_stands_alone(deps: Dependencies, engine: RecordingEngine) -> None:
    await with_child(deps)

    await fork(deps, execution_id=execution_id("e1child"), name="e2")

    found = await workflow_executions.get(deps, execution_pb2.WorkflowExecutionGetRequest(id=execution_id("e2")))
    metadata = found.spec.metadata
    assert not metadata.HasField("parent_node_execution")
    assert metadata.nesting == 0
    assert not engine.started[-1].HasField("parent")
    assert dict(found.spec.labels.values) == {"mine": "kept"}
