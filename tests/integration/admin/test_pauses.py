"""Pauses are rows; what they cover is delivered to every open execution, by the call or by the sweeper."""

import gzip
import json
from typing import Any

import pytest
from flyteidl.admin import execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import select, text

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import (
    ExecutionRow,
    ExecutionTagRow,
    LaunchPlanRow,
    NodeExecutionRow,
    OperatorActionRow,
    PauseRow,
    ProjectRow,
)
from flytetemporal.admin.control import operations, pause_times, pauses, sweep_pending
from flytetemporal.admin.control.findings import Findings
from flytetemporal.admin.executions import delivery, pausing
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.contracts.v1 import graph_pb2, operations_pb2, pauses_pb2
from tests.fixtures.engine import RecordingEngine
from tests.fixtures.registrations import DOMAIN, PROJECT

N = core_execution_pb2.NodeExecution
Target = pauses_pb2.PauseTarget
ExecutionId = identifier_pb2.WorkflowExecutionIdentifier


@pytest.fixture(autouse=True)
async def project(deps: Dependencies) -> None:
    async with deps.sessions.begin() as session:
        session.add(ProjectRow(identifier=PROJECT, name=PROJECT))


def of_execution(name: str = "e1") -> Target:
    return Target(kind=Target.EXECUTION, project=PROJECT, domain=DOMAIN, name=name)


def of_node(node_id: str, name: str = "e1") -> Target:
    return Target(kind=Target.NODE, project=PROJECT, domain=DOMAIN, name=name, node_id=node_id)


def of_project(domain: str = "") -> Target:
    return Target(kind=Target.PROJECT, project=PROJECT, domain=domain)


def identifier(name: str) -> ExecutionId:
    return ExecutionId(project=PROJECT, domain=DOMAIN, name=name)


async def pause(deps: Dependencies, target: Target, **fields: Any) -> pauses_pb2.Pause:
    return (await pauses.pause(deps, pauses_pb2.PauseRequest(target=target, **fields))).pause


async def resume(deps: Dependencies, target: Target) -> list[pauses_pb2.Pause]:
    return list((await pauses.resume(deps, pauses_pb2.ResumeRequest(target=target, resumed_by="bob"))).remaining)


async def record(deps: Dependencies, engine: RecordingEngine, name: str, phase: str = "RUNNING", **columns: Any) -> int:
    """Record an execution whose workflow runs if it is open; return its row number."""
    nodes = [graph_pb2.Node(id=node) for node in ("start-node", "end-node", "n0", "n1")]
    graph = graph_pb2.Graph(workflows=[graph_pb2.WorkflowGraph(nodes=nodes)])
    argument = contract_pb2.ExecutionInput(
        execution_id=identifier(name), inline_graph=gzip.compress(graph.SerializeToString())
    )
    row = ExecutionRow(
        execution_project=PROJECT,
        execution_domain=DOMAIN,
        execution_name=name,
        phase=phase,
        closure=execution_pb2.ExecutionClosure(phase=phase).SerializeToString(),
        spec=b"",
        engine_input=argument.SerializeToString(),
        cluster="local",
        **columns,
    )
    async with deps.sessions.begin() as session:
        session.add(row)
        await session.flush()
        number = int(row.id)
    if phase in ("QUEUED", "RUNNING", "ABORTING"):
        engine.running.add(name)
    return number


async def add_node(deps: Dependencies, name: str, node_id: str, phase: str = "RUNNING", parent: str = "") -> int:
    row = NodeExecutionRow(
        execution_project=PROJECT,
        execution_domain=DOMAIN,
        execution_name=name,
        node_id=node_id,
        phase=phase,
        parent_node_id=parent,
        closure=b"",
        node_execution_metadata=b"",
    )
    async with deps.sessions.begin() as session:
        session.add(row)
        await session.flush()
        return int(row.id)


def delivered(engine: RecordingEngine) -> dict[str, list[int]]:
    """Return how many pauses each delivery had, by execution."""
    found: dict[str, list[int]] = {}
    for name, message in engine.paused:
        found.setdefault(name, []).append(len(message.pauses))
    return found


async def age(deps: Dependencies) -> None:
    """Make deliveries due that the sweeper leaves to their calls at first."""
    async with deps.sessions.begin() as session:
        await session.execute(text("UPDATE pauses SET updated_at = now() - interval '1 minute'"))


async def sweep(deps: Dependencies) -> dict[str, int]:
    findings = Findings()
    await sweep_pending.deliver_pauses(deps, findings)
    return dict(findings.counts)


async def owed(deps: Dependencies) -> bool:
    async with deps.sessions() as session:
        return bool((await session.scalars(select(PauseRow).where(PauseRow.undelivered))).all())


async def test_an_execution_is_paused_and_resumed_with_growing_revisions(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await record(deps, engine, "e1")

    made = await pause(deps, of_execution(), reason="look at it", paused_by="ann", stop_running=True)
    assert await resume(deps, of_execution()) == []

    assert (made.paused_by, made.reason, made.stop_running) == ("ann", "look at it", True)
    assert made.HasField("since")
    (_, first), (_, second) = engine.paused
    assert (list(first.pauses), list(second.pauses)) == ([made], [])
    assert first.revision < second.revision
    assert not await owed(deps)


async def test_pausing_twice_changes_nothing_and_resuming_twice_neither(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await record(deps, engine, "e1")

    first = await pause(deps, of_execution(), reason="r")
    assert await pause(deps, of_execution(), reason="r") == first
    sharper = await pause(deps, of_execution(), reason="r", stop_running=True)
    for _ in range(2):
        await resume(deps, of_execution())

    assert (sharper.since, sharper.stop_running) == (first.since, True)
    assert delivered(engine) == {"e1": [1, 1, 0]}
    async with deps.sessions() as session:
        actions = (await session.scalars(select(OperatorActionRow).order_by(OperatorActionRow.id))).all()
    assert [action.action for action in actions] == ["pause", "pause", "resume"]
    assert actions[2].operator == "bob"
    assert json.loads(actions[1].details) == {"kind": "EXECUTION", "reason": "r", "stop_running": True}


@pytest.mark.parametrize("phase", ["SUCCEEDED", "FAILED", "ABORTED", "ABORTING"])
async def test_what_has_ended_cannot_be_paused(deps: Dependencies, engine: RecordingEngine, phase: str) -> None:
    await record(deps, engine, "e1", phase)
    await add_node(deps, "e1", "n0")

    for target in (of_execution(), of_node("n0")):
        with pytest.raises(errors.FailedPrecondition, match="cannot be paused"):
            await pause(deps, target)


async def test_what_does_not_exist_cannot_be_paused(deps: Dependencies, engine: RecordingEngine) -> None:
    await record(deps, engine, "e1")
    plan = Target(kind=Target.LAUNCH_PLAN, project=PROJECT, domain=DOMAIN, name="nothing")

    for target in (of_execution("e2"), of_node("n0", "e2"), of_node("n7"), plan, Target(kind="PROJECT", project="x")):
        with pytest.raises(errors.NotFound):
            await pause(deps, target)


@pytest.mark.parametrize(
    "target",
    [
        Target(),
        Target(kind="NODE", project=PROJECT, domain=DOMAIN, name="e1"),
        Target(kind="PROJECT", project=PROJECT, name="e1"),
        Target(kind="EXECUTION", project=PROJECT, domain=DOMAIN, name="e1", node_id="n0"),
        Target(kind=9, project=PROJECT),  # type: ignore[arg-type]
        Target(kind="PROJECT", project=PROJECT, domain="nowhere"),
        Target(kind="EXECUTION", project=PROJECT, domain=DOMAIN, name="e\0"),
    ],
    ids=["nothing", "no node", "name of a project", "node of an execution", "unknown kind", "unknown domain", "NUL"],
)
async def test_a_target_that_makes_no_sense_is_refused(deps: Dependencies, target: Target) -> None:
    with pytest.raises(errors.InvalidRequest):
        await pause(deps, target)
    with pytest.raises(errors.InvalidRequest):
        await resume(deps, target)


async def test_a_node_can_be_paused_before_it_starts_and_not_after_its_end(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await record(deps, engine, "e1")
    await add_node(deps, "e1", "n0", "SUCCEEDED")
    engine.wait_list = [operations_pb2.Wait(node_id="n1-0-dn0")]

    for node_id in ("n1", "n1-0-dn0"):
        await pause(deps, of_node(node_id))
    with pytest.raises(errors.FailedPrecondition, match=r"node n0 has ended \(SUCCEEDED\)"):
        await pause(deps, of_node("n0"))

    assert [pause.target.node_id for pause in engine.paused[-1][1].pauses] == ["n1", "n1-0-dn0"]


async def test_a_project_pauses_its_open_executions_and_new_ones(deps: Dependencies, engine: RecordingEngine) -> None:
    await record(deps, engine, "e1")
    await record(deps, engine, "e2", "SUCCEEDED")

    await pause(deps, of_project(DOMAIN))
    await record(deps, engine, "new", "UNDEFINED")
    await delivery.start(deps, contract_pb2.ExecutionInput(execution_id=identifier("new"), inline_graph=b"g"))
    remaining = await resume(deps, of_execution("new"))
    await resume(deps, of_project(DOMAIN))

    assert [len(argument.pauses.pauses) for argument in engine.started] == [1]
    assert delivered(engine) == {"e1": [1, 0], "new": [0]}
    assert [pause.target for pause in remaining] == [of_project(DOMAIN)]


async def test_other_domains_are_not_paused(deps: Dependencies, engine: RecordingEngine) -> None:
    await record(deps, engine, "e1")

    await pause(deps, of_project("production"))

    assert delivered(engine) == {}
    assert not await owed(deps)


async def test_a_launch_plan_pauses_executions_of_all_its_versions(deps: Dependencies, engine: RecordingEngine) -> None:
    rows = [
        LaunchPlanRow(project=PROJECT, domain=DOMAIN, name=name, version=version, digest="", spec=b"", closure=b"")
        for name, version in (("lp", "v1"), ("lp", "v2"), ("other", "v1"))
    ]
    async with deps.sessions.begin() as session:
        session.add_all(rows)
        await session.flush()
        numbers = [int(row.id) for row in rows]
    for name, number in zip(("e1", "e2", "e3"), numbers, strict=True):
        await record(deps, engine, name, launch_plan_id=number)

    await pause(deps, Target(kind=Target.LAUNCH_PLAN, project=PROJECT, domain=DOMAIN, name="lp"))

    assert delivered(engine) == {"e1": [1], "e2": [1]}


async def test_children_of_launch_plan_nodes_pause_with_their_parents(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    parent = await record(deps, engine, "e1")
    await add_node(deps, "e1", "n0")
    below = await add_node(deps, "e1", "n0-0-n1", parent="n0")
    other = await add_node(deps, "e1", "n1")
    child = await record(deps, engine, "child", source_execution_id=parent, parent_node_execution_id=below)
    await add_node(deps, "child", "n0")
    await record(deps, engine, "sibling", source_execution_id=parent, parent_node_execution_id=other)
    grandchild_node = await add_node(deps, "child", "n1")
    await record(deps, engine, "grandchild", source_execution_id=child, parent_node_execution_id=grandchild_node)
    await record(deps, engine, "relaunched", source_execution_id=parent)

    await pause(deps, of_execution())
    of_all = delivered(engine)
    await resume(deps, of_execution())
    engine.paused.clear()
    await pause(deps, of_node("n0"))

    assert of_all == {"e1": [1], "child": [1], "sibling": [1], "grandchild": [1]}
    assert delivered(engine) == {"e1": [1], "child": [1], "sibling": [0], "grandchild": [1]}


async def label(deps: Dependencies, name: str, root: str, node_id: str = "") -> None:
    """Mark an execution as flytekit marks what an eager workflow launches, with a node as task processes do."""
    key = {"execution_project": PROJECT, "execution_domain": DOMAIN, "execution_name": name}
    labels = {"eager-exec": root, **({"flytetemporal.io/eager-node": node_id} if node_id else {})}
    async with deps.sessions.begin() as session:
        session.add_all([ExecutionTagRow(**key, key=name, value=value) for name, value in labels.items()])


async def test_what_an_eager_workflow_has_launched_pauses_with_it(deps: Dependencies, engine: RecordingEngine) -> None:
    parent = await record(deps, engine, "e1")
    node = await add_node(deps, "e1", "n0")
    await record(deps, engine, "child", source_execution_id=parent, parent_node_execution_id=node)
    numbers = {}
    for name, root in (("a", "e1"), ("b", "e1"), ("below", "child"), ("other", "e2")):
        numbers[name] = await record(deps, engine, name)
        await label(deps, name, root)
    by_plan = await add_node(deps, "a", "n1")
    await record(deps, engine, "deep", source_execution_id=numbers["a"], parent_node_execution_id=by_plan)

    await pause(deps, of_execution())
    of_all = delivered(engine)
    await resume(deps, of_execution())
    engine.paused.clear()
    await pause(deps, of_node("n0"))

    assert of_all == {name: [1] for name in ("e1", "child", "a", "b", "below", "deep")}
    # Which node has launched them is not known: containers do not say so.
    assert delivered(engine) == {"e1": [1], "child": [1], "a": [0], "b": [0], "below": [1], "deep": [0]}


async def test_what_an_eager_task_has_launched_pauses_with_its_node_and_those_above(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await record(deps, engine, "e1")
    await add_node(deps, "e1", "n0")
    await add_node(deps, "e1", "n0-0-n1", parent="n0")
    await add_node(deps, "e1", "n1")
    for name, node_id in (("a", "n0-0-n1"), ("b", "n1"), ("c", "n7")):
        await record(deps, engine, name)
        await label(deps, name, "e1", node_id)
    await add_node(deps, "a", "n0")
    await record(deps, engine, "below")
    await label(deps, "below", "a", "n0")

    await pause(deps, of_node("n0"))
    of_above = delivered(engine)
    engine.paused.clear()
    await pause(deps, of_node("n0-0-n1"))

    assert of_above == {"e1": [1], "a": [1], "b": [0], "c": [0], "below": [1]}
    assert delivered(engine) == {"e1": [2], "a": [2], "b": [0], "c": [0], "below": [2]}


async def test_an_execution_that_an_eager_workflow_launches_while_it_is_paused_is_paused(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await record(deps, engine, "e1")
    await pause(deps, of_execution())
    await record(deps, engine, "late", "UNDEFINED")
    await label(deps, "late", "e1")

    await delivery.start(deps, contract_pb2.ExecutionInput(execution_id=identifier("late"), inline_graph=b"g"))

    assert [found.target.name for found in engine.started[-1].pauses.pauses] == ["e1"]


async def test_labels_in_a_circle_pause_each_other_and_nothing_hangs(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    for name, root in (("e1", "e2"), ("e2", "e1")):
        await record(deps, engine, name)
        await label(deps, name, root)

    await pause(deps, of_execution())

    assert delivered(engine) == {"e1": [1], "e2": [1]}


async def test_the_sweeper_delivers_what_the_call_could_not(deps: Dependencies, engine: RecordingEngine) -> None:
    await record(deps, engine, "e1")
    engine.down = True

    await pause(deps, of_execution())
    await age(deps)
    assert await sweep(deps) == {}
    engine.down = False
    assert await sweep(deps) == {"pause_undelivered": 1}
    assert await sweep(deps) == {}

    assert delivered(engine) == {"e1": [1]}


async def test_an_execution_that_has_not_started_is_owed_its_pause(deps: Dependencies, engine: RecordingEngine) -> None:
    await record(deps, engine, "e1", "UNDEFINED")

    await pause(deps, of_execution())
    await age(deps)
    assert await sweep(deps) == {}
    engine.running.add("e1")
    assert await sweep(deps) == {"pause_undelivered": 1}

    assert delivered(engine) == {"e1": [1]}


async def test_a_pause_between_the_reads_and_the_start_is_delivered_after_it(
    deps: Dependencies, engine: RecordingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record(deps, engine, "e1", "UNDEFINED")
    start = engine.start

    async def late(argument: contract_pb2.ExecutionInput) -> bool:
        await pause(deps, of_execution())
        return await start(argument)

    monkeypatch.setattr(engine, "start", late)
    await delivery.start(deps, contract_pb2.ExecutionInput(execution_id=identifier("e1"), inline_graph=b"g"))

    assert not engine.started[0].pauses.pauses
    assert delivered(engine) == {"e1": [1]}


async def test_more_executions_than_a_page_are_paused_by_the_sweeper(
    deps: Dependencies, engine: RecordingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pauses, "PAGE", 2)
    for number in range(5):
        await record(deps, engine, f"e{number}")

    await pause(deps, of_project())
    by_call = len(engine.paused)
    await age(deps)
    await sweep(deps)

    assert by_call == 2
    assert delivered(engine) == {f"e{number}": [1] for number in range(5)}
    assert not await owed(deps)


async def test_a_pause_of_an_execution_that_has_ended_is_forgotten(deps: Dependencies, engine: RecordingEngine) -> None:
    await record(deps, engine, "e1")
    await pause(deps, of_execution())
    async with deps.sessions.begin() as session:
        await session.execute(text("UPDATE executions SET phase = 'ABORTED'"))

    await sweep(deps)

    found = await pauses.list_pauses(deps, pauses_pb2.ListPausesRequest(project=PROJECT))
    assert list(found.pauses) == []


async def test_pauses_are_listed_by_project_and_by_execution(deps: Dependencies, engine: RecordingEngine) -> None:
    for name in ("e1", "e2"):
        await record(deps, engine, name)
    for target in (of_execution("e1"), of_project("production"), of_project(), of_execution("e2")):
        await pause(deps, target)

    async def listed(**fields: Any) -> list[Target]:
        found = await pauses.list_pauses(deps, pauses_pb2.ListPausesRequest(project=PROJECT, **fields))
        return [pause.target for pause in found.pauses]

    page = await pauses.list_pauses(deps, pauses_pb2.ListPausesRequest(project=PROJECT, limit=3))
    rest = await listed(token=page.token)

    assert await listed() == [of_execution("e2"), of_project(), of_project("production"), of_execution("e1")]
    assert [pause.target for pause in page.pauses] + rest == await listed()
    assert await listed(domain=DOMAIN, execution="e1") == [of_execution("e1"), of_project()]
    assert await listed(domain="production") == [of_project(), of_project("production")]
    with pytest.raises(errors.InvalidRequest, match="token"):
        await listed(token="what")
    with pytest.raises(errors.InvalidRequest, match="1000"):
        await listed(limit=1001)


async def test_an_explanation_says_who_paused_what_since_when_and_why(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await record(deps, engine, "e1")
    await pause(deps, of_execution(), paused_by="ann", reason="the store is full")

    answer = await operations.explain(deps, operations_pb2.ExplainRequest(execution_id=identifier("e1")))

    assert "execution e1 is paused by ann since " in answer.notes[0]
    assert answer.notes[0].endswith(": the store is full")


async def test_nothing_more_is_read_of_an_execution_while_nothing_is_paused(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await record(deps, engine, "e1")

    async with deps.sessions() as session:
        found = await pausing.effective(session, identifier("e1"))

    assert found == pauses_pb2.Pauses()


async def test_a_resumption_says_whether_anything_was_paused_and_which_nodes_still_are(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await record(deps, engine, "e1")
    request = pauses_pb2.ResumeRequest(target=of_execution("e1"))
    of_node = Target(kind=Target.NODE, project=PROJECT, domain=DOMAIN, name="e1", node_id="n1")
    await pause(deps, of_execution("e1"))
    await pause(deps, of_node)

    first, again = await pauses.resume(deps, request), await pauses.resume(deps, request)

    assert (first.was_paused, again.was_paused) == (True, False)
    assert [left.target for left in first.remaining] == [of_node]


async def paused_times(deps: Dependencies, name: str) -> list[tuple[str, str, bool]]:
    """Return kind and node of the pauses that an execution had, and whether they have ended."""
    async with deps.sessions() as session:
        found = await pause_times.read(session, identifier(name))
    assert all(not time.HasField("until") or time.since.ToNanoseconds() <= time.until.ToNanoseconds() for time in found)
    return [(Target.Kind.Name(time.target.kind), time.target.node_id, time.HasField("until")) for time in found]


async def test_the_times_of_an_execution_have_every_pause_that_applied_to_it(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    async with deps.sessions.begin() as session:
        plan = LaunchPlanRow(
            project=PROJECT, domain=DOMAIN, name="lp", version="v1", digest="", spec=b"", closure=b""
        )  # fmt: skip
        session.add(plan)
        await session.flush()
        number = int(plan.id)
    parent = await record(deps, engine, "e1", launch_plan_id=number)
    above = await add_node(deps, "e1", "n0")
    await add_node(deps, "e1", "n1")
    await record(deps, engine, "child", source_execution_id=parent, parent_node_execution_id=above)
    plan_target = Target(kind=Target.LAUNCH_PLAN, project=PROJECT, domain=DOMAIN, name="lp")
    for target in (of_project(), of_project(DOMAIN), plan_target, of_execution(), of_node("n0"), of_node("n1")):
        await pause(deps, target)
        await pause(deps, target, reason="another one")
        await resume(deps, target)
    await pause(deps, of_project("production"))
    await pause(deps, of_execution())

    wide = [("PROJECT", "", True), ("PROJECT", "", True), ("LAUNCH_PLAN", "", True), ("EXECUTION", "", True)]
    assert await paused_times(deps, "e1") == [
        *wide, ("NODE", "n0", True), ("NODE", "n1", True), ("EXECUTION", "", False)
    ]  # fmt: skip
    assert await paused_times(deps, "child") == [*wide, ("NODE", "n0", True), ("EXECUTION", "", False)]


async def test_pauses_of_a_removed_execution_are_not_those_of_another_one_of_its_name(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await record(deps, engine, "e1")
    await pause(deps, of_execution())
    async with deps.sessions.begin() as session:
        await session.execute(text("DELETE FROM executions"))
    await record(deps, engine, "e1")

    assert await paused_times(deps, "e1") == []
