"""An execution that finds no place of its launch plan waits for one, in order, or replaces those that have one."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from flyteidl.admin import execution_pb2, launch_plan_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from flyteidl.event import event_pb2
from google.protobuf import timestamp_pb2
from prometheus_client import REGISTRY
from sqlalchemy import select

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, NodeExecutionRow
from flytetemporal.admin.concurrency.models import WaitingExecutionRow
from flytetemporal.admin.control import operations, pauses, sweep_ended, sweep_pending
from flytetemporal.admin.control.findings import Findings
from flytetemporal.admin.control.sweeper import Sweeper
from flytetemporal.admin.executions import admission, workflow_executions
from flytetemporal.admin.registry import launch_plans, tasks, workflows
from flytetemporal.admin.settings import projects
from flytetemporal.contracts.v1 import events_pb2, operations_pb2, pauses_pb2
from tests.fixtures.engine import RecordingEngine
from tests.fixtures.registrations import DOMAIN, PROJECT, identifier, integer, plan, task, workflow
from tests.fixtures.waiting import eventually

W = core_execution_pb2.WorkflowExecution
Mode = execution_pb2.ExecutionMetadata
CONCURRENCY, PRIORITY = "flytetemporal.io/concurrency", "flytetemporal.io/priority"


@pytest.fixture(autouse=True)
async def _registered(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    await tasks.create(deps, task())
    await workflows.create(deps, workflow())


async def register(deps: Dependencies, policy: str, name: str = "w", version: str = "v1") -> None:
    request = plan(name, version)
    request.spec.annotations.values[CONCURRENCY] = policy
    await launch_plans.create(deps, request)


def key(name: str) -> identifier_pb2.WorkflowExecutionIdentifier:
    return identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=name)


async def launch(
    deps: Dependencies, name: str, plan_name: str = "w", version: str = "v1", priority: int = 0, **metadata: Any
) -> None:
    request = execution_pb2.ExecutionCreateRequest(
        project=PROJECT,
        domain=DOMAIN,
        name=name,
        spec=execution_pb2.ExecutionSpec(
            launch_plan=identifier("LAUNCH_PLAN", plan_name, version), metadata=Mode(**metadata)
        ),
        inputs=literals_pb2.LiteralMap(literals={"a": integer(1)}),
    )
    if priority:
        request.spec.annotations.values[PRIORITY] = str(priority)
    await workflow_executions.create(deps, request)


async def launch_child(deps: Dependencies, name: str, parent: str, plan_name: str = "w") -> None:
    """Launch an execution as a launch plan node of ``parent`` does."""
    async with deps.sessions.begin() as session:
        session.add(
            NodeExecutionRow(
                execution_project=PROJECT,
                execution_domain=DOMAIN,
                execution_name=parent,
                node_id=f"n-{name}",
                closure=b"",
                node_execution_metadata=b"",
            )
        )
    node = identifier_pb2.NodeExecutionIdentifier(node_id=f"n-{name}", execution_id=key(parent))
    await launch(deps, name, plan_name, mode=Mode.CHILD_WORKFLOW, parent_node_execution=node)


async def end(deps: Dependencies, name: str, phase: str = "SUCCEEDED") -> None:
    """Report the end of an execution as its workflow does."""
    event = event_pb2.WorkflowExecutionEvent(
        execution_id=key(name), phase=phase, occurred_at=timestamp_pb2.Timestamp(seconds=1)
    )
    await admission.record_events(deps, events_pb2.RecordEventsRequest(events=[events_pb2.Event(workflow=event)]))


async def phase(deps: Dependencies, name: str) -> str:
    found = await workflow_executions.get(deps, execution_pb2.WorkflowExecutionGetRequest(id=key(name)))
    return W.Phase.Name(found.closure.phase)


async def why(deps: Dependencies, name: str) -> str:
    found = await operations.explain(deps, operations_pb2.ExplainRequest(execution_id=key(name)))
    return "\n".join(found.notes)


async def waiting(deps: Dependencies) -> list[str]:
    row = WaitingExecutionRow
    async with deps.sessions() as session:
        return list(await session.scalars(select(row.execution_name).order_by(row.priority, row.id)))


def started(engine: RecordingEngine) -> list[str]:
    return [argument.execution_id.name for argument in engine.started]


def has_started(engine: RecordingEngine, number: int) -> bool:
    return len(engine.started) >= number


async def test_launches_at_once_do_not_exceed_the_limit_and_none_is_lost(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await register(deps, "{max: 2, on_limit: queue}")
    names = [f"e{number}" for number in range(12)]

    await asyncio.gather(*(launch(deps, name) for name in names))

    running = started(engine)
    assert len(running) == 2
    for done in range(1, 13):
        await end(deps, running[done - 1])
        expected = min(12, done + 2)
        await eventually(partial(has_started, engine, expected))
        running = started(engine)
        assert len(running) == expected
    assert sorted(running) == sorted(names)
    assert await waiting(deps) == []


async def test_those_that_wait_are_queued_in_order_and_why_names_their_place(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await register(deps, "{max: 1}")
    for name in ("e1", "e2", "e3"):
        await launch(deps, name)

    assert await phase(deps, "e3") == "QUEUED"
    assert await why(deps, "e3") == (
        "the execution waits for a place: launch plan flytesnacks:development:w runs at most 1 at once (now e1); "
        "it is number 2 of 2 in the queue, with priority 3"
    )
    await end(deps, "e1", "FAILED")
    await eventually(lambda: started(engine) == ["e1", "e2"])
    assert "it is number 1 of 1 in the queue" in await why(deps, "e3")
    assert "waits for a place" not in await why(deps, "e2")


async def test_versions_of_a_launch_plan_share_its_places(deps: Dependencies, engine: RecordingEngine) -> None:
    await register(deps, "{max: 1}")
    await register(deps, "{max: 1}", version="v2")

    await launch(deps, "e1")
    await launch(deps, "e2", version="v2")

    assert started(engine) == ["e1"]


async def test_an_urgent_execution_overtakes_those_that_wait(deps: Dependencies, engine: RecordingEngine) -> None:
    await register(deps, "{max: 1}")
    for name, priority in (("e1", 0), ("e2", 5), ("e3", 0), ("e4", 1)):
        await launch(deps, name, priority=priority)

    assert await waiting(deps) == ["e4", "e3", "e2"]
    await end(deps, "e1")
    await eventually(lambda: started(engine) == ["e1", "e4"])


async def test_one_that_waits_can_be_aborted(deps: Dependencies, engine: RecordingEngine) -> None:
    await register(deps, "{max: 1}")
    for name in ("e1", "e2", "e3"):
        await launch(deps, name)

    request = execution_pb2.ExecutionTerminateRequest(id=key("e2"), cause="not needed")
    await workflow_executions.terminate(deps, request)

    assert (await phase(deps, "e2"), await waiting(deps)) == ("ABORTED", ["e3"])
    await end(deps, "e1")
    await eventually(lambda: started(engine) == ["e1", "e3"])


async def test_a_full_queue_refuses_a_launch_and_keeps_nothing_of_it(deps: Dependencies) -> None:
    await register(deps, "{max: 1, max_waiting: 1}")
    await launch(deps, "e1")
    await launch(deps, "e2")

    with pytest.raises(errors.QuotaExceeded, match="1 execution waits for a place of launch plan"):
        await launch(deps, "e3")

    with pytest.raises(errors.AlreadyExists):
        await launch(deps, "e2")
    with pytest.raises(errors.NotFound):
        await phase(deps, "e3")
    assert len(await deps.blobs.tree(f"{deps.blobs.root}/metadata/{PROJECT}")) == 4


async def test_the_installation_bounds_queues_that_their_launch_plan_does_not(deps: Dependencies) -> None:
    deps = replace(deps, settings=deps.settings.model_copy(update={"max_waiting_executions": 1}))
    await register(deps, "{max: 1}")
    await launch(deps, "e1")
    await launch(deps, "e2")

    with pytest.raises(errors.QuotaExceeded):
        await launch(deps, "e3")


async def test_an_end_whose_caller_died_is_made_up_for_by_the_sweeper(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await register(deps, "{max: 1}")
    await launch(deps, "e1")
    await launch(deps, "e2")
    async with deps.sessions.begin() as session:
        row = await session.get_one(ExecutionRow, (PROJECT, DOMAIN, "e1"))
        row.phase = "SUCCEEDED"

    found = await Sweeper(deps).sweep()

    assert found.counts["place_unused"] == 1
    assert started(engine) == ["e1", "e2"]


async def test_one_whose_start_was_not_delivered_is_started_by_the_sweeper(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await register(deps, "{max: 1}")
    await launch(deps, "e1")
    await launch(deps, "e2")
    engine.down = True
    await end(deps, "e1")
    await eventually(lambda: not admission._starts)
    engine.down = False

    await Sweeper(deps).sweep()

    assert started(engine) == ["e1", "e2"]
    assert await phase(deps, "e2") == "QUEUED"


async def test_the_sweeper_leaves_those_that_wait_alone(deps: Dependencies, engine: RecordingEngine) -> None:
    await register(deps, "{max: 1}")
    await launch(deps, "e1")
    await launch(deps, "e2")
    findings = Findings()

    await sweep_pending.start_recorded(deps, findings, timedelta())
    await sweep_ended.close_ended(deps, findings, 0)
    await admission.admit_all(deps)

    assert (await phase(deps, "e2"), await waiting(deps)) == ("QUEUED", ["e2"])
    assert "e2" not in started(engine)


async def test_a_pause_of_one_that_waits_is_in_force_when_it_starts(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await register(deps, "{max: 1}")
    await launch(deps, "e1")
    await launch(deps, "e2")
    target = pauses_pb2.PauseTarget(project=PROJECT, domain=DOMAIN, name="e2")
    await pauses.pause(deps, pauses_pb2.PauseRequest(target=target, reason="later"))

    await end(deps, "e1")
    await eventually(lambda: len(engine.started) == 2)

    assert [pause.reason for pause in engine.started[1].pauses.pauses] == ["later"]


async def test_a_new_execution_replaces_the_oldest_one(deps: Dependencies, engine: RecordingEngine) -> None:
    await register(deps, "{max: 2, on_limit: replace}")
    for name in ("e1", "e2", "e3"):
        await launch(deps, name)

    cause = "replaced by execution e3: launch plan flytesnacks:development:w runs at most 2 at once"
    assert engine.cancelled == [("e1", cause)]
    assert (await phase(deps, "e1"), await phase(deps, "e3"), started(engine)) == ("ABORTING", "QUEUED", ["e1", "e2"])

    await end(deps, "e1", "ABORTED")
    await eventually(lambda: started(engine) == ["e1", "e2", "e3"])
    found = await workflow_executions.get(deps, execution_pb2.WorkflowExecutionGetRequest(id=key("e1")))
    assert found.closure.abort_metadata.cause == cause


async def test_of_launches_at_once_the_last_ones_stay(deps: Dependencies, engine: RecordingEngine) -> None:
    await register(deps, "{max: 1, on_limit: replace}")

    await asyncio.gather(*(launch(deps, f"e{number}") for number in range(6)))

    async with deps.sessions() as session:
        *others, last = await session.scalars(select(ExecutionRow.execution_name).order_by(ExecutionRow.id))
    phases = {name: await phase(deps, name) for name in others}
    assert len(others) == 5
    assert set(phases.values()) <= {"ABORTING", "ABORTED"}
    for name, found in phases.items():
        if found == "ABORTING":
            await end(deps, name, "ABORTED")
    await eventually(lambda: last in started(engine))
    assert last not in [name for name, _ in engine.cancelled]


async def test_a_replaced_execution_without_a_workflow_frees_its_place_at_once(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await register(deps, "{max: 1, on_limit: replace}")
    engine.down = True
    await launch(deps, "e1")
    engine.down = False

    await launch(deps, "e2")

    assert (await phase(deps, "e1"), started(engine)) == ("ABORTED", ["e2"])


async def test_a_launch_whose_name_is_taken_replaces_nothing(deps: Dependencies, engine: RecordingEngine) -> None:
    await register(deps, "{max: 1, on_limit: replace}")
    await launch(deps, "e1")

    with pytest.raises(errors.AlreadyExists):
        await launch(deps, "e1")

    assert (engine.cancelled, await phase(deps, "e1")) == ([], "UNDEFINED")


async def test_children_wait_like_others(deps: Dependencies, engine: RecordingEngine) -> None:
    await register(deps, "{max: 1}", "limited")
    await launch_plans.create(deps, plan())
    await launch(deps, "parent")
    await launch_child(deps, "c1", "parent", "limited")
    await launch_child(deps, "c2", "parent", "limited")

    assert started(engine) == ["parent", "c1"]
    await end(deps, "c1")
    await eventually(lambda: started(engine) == ["parent", "c1", "c2"])


@pytest.mark.parametrize("on_limit", ["queue", "replace"])
async def test_a_launch_plan_that_launches_itself_is_no_deadlock(
    deps: Dependencies, engine: RecordingEngine, on_limit: str
) -> None:
    await register(deps, f"{{max: 1, on_limit: {on_limit}}}")
    await launch(deps, "e1")

    await launch_child(deps, "e2", "e1")
    await launch_child(deps, "e3", "e2")

    assert started(engine) == ["e1", "e2", "e3"]
    assert engine.cancelled == []


async def test_launch_plans_that_launch_each_other_are_no_deadlock(deps: Dependencies, engine: RecordingEngine) -> None:
    for name in ("one", "other"):
        await register(deps, "{max: 1}", name)
    await launch(deps, "e1", "one")
    await launch(deps, "e2", "other")
    await launch_child(deps, "e3", "e1", "other")
    assert started(engine) == ["e1", "e2"]

    await launch_child(deps, "e4", "e2", "one")

    await eventually(lambda: started(engine) == ["e1", "e2", "e4"])
    await end(deps, "e4")
    await end(deps, "e2")
    await eventually(lambda: started(engine) == ["e1", "e2", "e4", "e3"])


async def test_the_executions_of_an_eager_workflow_do_not_wait_for_it(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await register(deps, "{max: 1}")
    await launch(deps, "e1")
    request = execution_pb2.ExecutionCreateRequest(
        project=PROJECT,
        domain=DOMAIN,
        name="e2",
        spec=execution_pb2.ExecutionSpec(launch_plan=identifier("LAUNCH_PLAN", "w")),
        inputs=literals_pb2.LiteralMap(literals={"a": integer(1)}),
    )
    request.spec.labels.values["eager-exec"] = "e1"

    await workflow_executions.create(deps, request)

    assert started(engine) == ["e1", "e2"]


async def test_relaunching_and_recovering_follow_the_same_rules(deps: Dependencies, engine: RecordingEngine) -> None:
    await register(deps, "{max: 1}")
    await launch(deps, "e1")
    await end(deps, "e1", "FAILED")
    await launch(deps, "e2")

    await workflow_executions.relaunch(deps, execution_pb2.ExecutionRelaunchRequest(id=key("e1"), name="e3"))
    await workflow_executions.recover(deps, execution_pb2.ExecutionRecoverRequest(id=key("e1"), name="e4"))

    assert await waiting(deps) == ["e3", "e4"]
    assert started(engine) == ["e1", "e2"]


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        ("{max: 0}", "give 1 or more"),
        ("{}", "at max: it is missing"),
        ("{max: 1, on_limit: wait}", "'queue', 'replace' or 'skip'"),
        ("{max: 1, other: 2}", "at other: there is no such field"),
        ("{max: 1, on_limit: skip, max_waiting: 2}", "max_waiting bounds a queue, and on_limit is skip"),
        ("{max: true}", "give a whole number"),
        ("[", "is not YAML"),
        ("{max: 3}", "allows 3 executions at once, and concurrency_policy 2"),
        ("{max: 2}", "says queue, and concurrency_policy SKIP"),
    ],
)
async def test_a_policy_that_is_malformed_or_contradicts_flytes_is_refused(
    deps: Dependencies, policy: str, problem: str
) -> None:
    request = plan()
    request.spec.annotations.values[CONCURRENCY] = policy
    skip = launch_plan_pb2.CONCURRENCY_LIMIT_BEHAVIOR_SKIP
    request.spec.concurrency_policy.CopyFrom(launch_plan_pb2.ConcurrencyPolicy(max=2, behavior=skip))

    with pytest.raises(errors.InvalidRequest, match=problem):
        await launch_plans.create(deps, request)


async def test_the_annotation_can_also_skip(deps: Dependencies, engine: RecordingEngine) -> None:
    await register(deps, "{max: 1, on_limit: skip}")
    await launch(deps, "e1")

    with pytest.raises(errors.AlreadyExists, match=r"concurrency limit \(1\) reached for launch plan w"):
        await launch(deps, "e2")


@pytest.mark.parametrize("priority", ["0", "6", "high"])
async def test_a_priority_that_is_none_is_refused(deps: Dependencies, priority: str) -> None:
    request = plan()
    request.spec.annotations.values[PRIORITY] = priority

    with pytest.raises(errors.InvalidRequest, match=r"annotation flytetemporal\.io/priority"):
        await launch_plans.create(deps, request)


async def test_the_number_of_those_that_wait_is_a_metric(deps: Dependencies) -> None:
    await register(deps, "{max: 1}")
    for name in ("e1", "e2", "e3"):
        await launch(deps, name)

    await admission.admit_all(deps)

    assert REGISTRY.get_sample_value("flytetemporal_waiting_executions") == 2
