import asyncio

import pytest
from flyteidl.core import catalog_pb2, condition_pb2, types_pb2
from flyteidl.core import workflow_pb2 as core_workflow_pb2
from temporalio.exceptions import ApplicationError

from flytetemporal.compiler import task
from flytetemporal.compiler.compact import compact
from flytetemporal.compiler.workflow import compile_workflow
from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from tests.fixtures import templates
from tests.fixtures.engine_runs import (
    EngineRuns,
    bind,
    body,
    constant,
    failed,
    int_map,
    succeeded,
    task_node,
    task_summary,
)
from tests.fixtures.waiting import bounded
from tests.integration.workflows.graphs import chain, sleep_node


def comparison(variable: str, operator: str, value: int) -> condition_pb2.BooleanExpression:
    return condition_pb2.BooleanExpression(
        comparison=condition_pb2.ComparisonExpression(
            operator=operator,
            left_value=condition_pb2.Operand(var=variable),
            right_value=condition_pb2.Operand(primitive={"integer": value}),
        )
    )


def branching(*, default: graph_pb2.Node | None) -> graph_pb2.Graph:
    branch = graph_pb2.BranchNode(
        cases=[
            graph_pb2.BranchCase(
                condition=comparison(".a", "GT", 10), node=task_node("n0-n0", [0], [bind("a", "start-node", "a")])
            )
        ]
    )
    if default is None:
        branch.error.CopyFrom(types_pb2.Error(message="a is too small"))
    else:
        branch.else_node.CopyFrom(default)
    node = graph_pb2.Node(id="n0", name="n0", upstream=[0], inputs=[bind(".a", "start-node", "a")], branch=branch)
    return graph_pb2.Graph(workflows=[body([node], [bind("o0", "n0", "o0")])], tasks=[task_summary()])


def nested() -> graph_pb2.Graph:
    inner = body([task_node("n0", [0], [bind("a", "start-node", "a")])], [bind("o0", "n0", "o0")], name="inner")
    subworkflow = graph_pb2.Node(
        id="n0", upstream=[0], inputs=[bind("a", "start-node", "a")], subworkflow=graph_pb2.SubworkflowNode(workflow=1)
    )
    outer = body([subworkflow], [bind("o0", "n0", "o0")])
    return graph_pb2.Graph(workflows=[outer, inner], tasks=[task_summary()])


async def test_a_chain_hands_each_value_on(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        phase = await runs.outcome(chain(3), int_map(a=1))

    assert phase == "SUCCEEDED"
    assert runs.outputs() == int_map(o0=4)
    assert runs.phases() == {
        "start-node": ["SUCCEEDED"],
        "n0": ["QUEUED", "SUCCEEDED"],
        "n1": ["QUEUED", "SUCCEEDED"],
        "n2": ["QUEUED", "SUCCEEDED"],
        "end-node": ["QUEUED", "SUCCEEDED"],
    }


async def test_echo_needs_no_activity_but_the_event_pump(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        phase = await runs.outcome(chain(50, kind="echo"), int_map(a=7))

    assert phase == "SUCCEEDED"
    assert runs.attempts == []
    assert runs.outputs() == int_map(o0=7)
    assert len(runs.task_events) == 50


async def test_events_of_one_workflow_task_have_increasing_times(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        phase = await runs.outcome(chain(100, kind="echo"), int_map(a=7))

    assert phase == "SUCCEEDED"
    node_times = [event.occurred_at.ToNanoseconds() for event in runs.node_events]
    assert node_times == sorted(set(node_times))
    started, *_, ended = [event.occurred_at.ToNanoseconds() for event in runs.workflow_events]
    assert started < node_times[0] < node_times[-1] < ended
    of_tasks = {event.parent_node_execution_id.node_id: event.occurred_at for event in runs.task_events}
    assert len({moment.ToNanoseconds() for moment in of_tasks.values()} | set(node_times)) == 100 + len(node_times)


async def test_events_happen_within_the_workflow_task_that_made_them(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        await runs.outcome(chain(100, kind="echo"), int_map(a=7))

    times = [event.occurred_at.ToNanoseconds() for event in runs.node_events]
    [history] = await runs.histories(runs.handles[0])
    begun = [event.event_time for event in history.events if event.HasField("workflow_task_started_event_attributes")]
    ended = [event.event_time for event in history.events if event.HasField("workflow_task_completed_event_attributes")]
    assert begun[0].ToNanoseconds() <= times[0]
    assert times[-1] <= ended[-1].ToNanoseconds()
    # More than the microsecond per event that workflow time would give.
    assert times[-1] - times[0] > 1000 * (len(runs.node_events) + len(runs.task_events))


async def test_more_pure_nodes_than_one_workflow_task_may_run(engine_runs: EngineRuns) -> None:
    nodes = [task_node(f"n{i}", [0], [bind("a", "start-node", "a")]) for i in range(1500)]
    graph = graph_pb2.Graph(workflows=[body(nodes, [bind("o0", "n0", "o0")])], tasks=[task_summary(kind="echo")])
    runs = engine_runs

    async with runs.workers():
        phase = await runs.outcome(graph, int_map(a=7), max_parallelism=25)

    assert phase == "SUCCEEDED"
    assert len(runs.phases()) == 1502


async def test_an_eager_task_takes_no_place_of_those_that_it_waits_for(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    launched = asyncio.Event()

    async def wait_for_it(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        await launched.wait()
        return await runs.default_script(attempt)

    async def be_waited_for(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        launched.set()
        return await runs.default_script(attempt)

    runs.scripts.update(n0=wait_for_it, n1=be_waited_for)
    given = [bind("a", "start-node", "a")]
    nodes = [task_node("n0", [0], given), sleep_node("pause", [0], 0.5), task_node("n1", [0, 3], given, task=1)]
    eager, ordinary = task_summary("eager"), task_summary("ordinary")
    eager.is_eager = True
    graph = graph_pb2.Graph(workflows=[body(nodes, [bind("o0", "n0", "o0")])], tasks=[eager, ordinary])

    async with runs.engine_worker(), runs.task_worker(at_once=1), runs.task_worker(eager=True, at_once=1):
        phase = await bounded(runs.outcome(graph, int_map(a=1)))

    assert phase == "SUCCEEDED"
    assert runs.outputs() == int_map(o0=2)


async def test_core_sleep_is_a_timer(engine_runs: EngineRuns) -> None:
    summary = task_summary(kind="core-sleep")
    summary.input_names[:] = ["duration"]
    sleeping = constant("duration", 0)
    sleeping.binding.scalar.primitive.duration.FromMilliseconds(50)
    graph = graph_pb2.Graph(workflows=[body([task_node("n0", [0], [sleeping])], [])], tasks=[summary])
    runs = engine_runs

    async with runs.workers():
        phase = await runs.outcome(graph, int_map())

    assert phase == "SUCCEEDED"
    assert runs.phases()["n0"] == ["QUEUED", "RUNNING", "SUCCEEDED"]


async def test_core_sleep_without_a_duration_is_the_users_error(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        phase = await runs.outcome(chain(1, kind="core-sleep"), int_map(a=1))

    assert phase == "FAILED"
    assert runs.workflow_events[-1].error.code == "BadTaskDefinition"


async def test_the_chosen_child_of_a_branch_gives_the_branch_its_outputs(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        phase = await runs.outcome(branching(default=None), int_map(a=30))

    assert phase == "SUCCEEDED"
    assert runs.outputs() == int_map(o0=31)
    assert runs.phases()["n0-0-n0-n0"] == ["QUEUED", "SUCCEEDED"]
    assert runs.phases()["n0"] == ["QUEUED", "RUNNING", "SUCCEEDED"]


async def test_a_branch_without_a_match_takes_its_default(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        phase = await runs.outcome(branching(default=task_node("n0-n1", [0], [constant("a", 99)])), int_map(a=1))

    assert phase == "SUCCEEDED"
    assert runs.outputs() == int_map(o0=100)
    assert "n0-0-n0-n0" not in runs.phases()


async def test_a_branch_without_a_match_and_default_fails_with_the_users_message(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        phase = await runs.outcome(branching(default=None), int_map(a=1))

    error = runs.workflow_events[-1].error
    assert phase == "FAILED"
    assert (error.code, error.message) == ("UserProvidedError", "[UserProvidedError] a is too small")


async def test_a_subworkflow_runs_below_its_node(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        phase = await runs.outcome(nested(), int_map(a=1))

    assert phase == "SUCCEEDED"
    assert runs.outputs() == int_map(o0=2)
    assert set(runs.phases()) >= {"n0", "n0-0-start-node", "n0-0-n0", "n0-0-end-node"}
    child = next(event for event in runs.node_events if event.id.node_id == "n0-0-n0")
    assert (child.parent_node_metadata.node_id, child.retry_group, child.spec_node_id) == ("n0", "0", "n0")


async def test_a_failure_inside_a_subworkflow_fails_its_node_with_the_same_error(engine_runs: EngineRuns) -> None:
    async def boom(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return failed("USER:Boom")

    runs = engine_runs
    runs.scripts["n0"] = boom

    async with runs.workers():
        phase = await runs.outcome(nested(), int_map(a=1))

    assert phase == "FAILED"
    assert runs.phases()["n0"][-1] == "FAILED"
    assert runs.workflow_events[-1].error.code == "USER:Boom"
    checkpoints = {e.id.node_id: e.task_node_metadata.checkpoint_uri for e in runs.node_events if e.HasField("error")}
    # It belongs to the task that failed, not to the nodes above it.
    assert checkpoints.keys() == {"n0", "n0-0-n0"}
    assert (checkpoints["n0"], bool(checkpoints["n0-0-n0"])) == ("", True)


async def test_a_recoverable_failure_is_tried_again_as_often_as_the_node_says(engine_runs: EngineRuns) -> None:
    async def flaky(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return failed("USER:Recoverable", recoverable=True) if attempt.attempt < 2 else succeeded(o0=attempt.attempt)

    runs = engine_runs
    runs.scripts["n0"] = flaky
    graph = chain(1)
    graph.workflows[0].nodes[2].retries = 2

    async with runs.workers():
        phase = await runs.outcome(graph, int_map(a=1))

    assert phase == "SUCCEEDED"
    assert [attempt.output_dir[-2:] for attempt in runs.attempts] == ["/0", "/1", "/2"]
    assert runs.attempts[1].previous_checkpoint_dir.endswith("-n0-0/_flytecheckpoints")
    assert runs.outputs() == int_map(o0=2)


async def test_a_retry_may_use_the_checkpoint_of_any_earlier_attempt(engine_runs: EngineRuns) -> None:
    async def flaky(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return failed("USER:Recoverable", recoverable=True) if attempt.attempt < 3 else succeeded(o0=attempt.attempt)

    runs = engine_runs
    runs.scripts["n0"] = flaky
    graph = chain(1)
    graph.workflows[0].nodes[2].retries = 3

    async with runs.workers():
        assert await runs.outcome(graph, int_map(a=1)) == "SUCCEEDED"

    previous = [attempt.previous_checkpoint_dir for attempt in runs.attempts]
    older = [list(attempt.older_checkpoint_dirs) for attempt in runs.attempts]
    assert older == [[], [], [previous[1]], [previous[2], previous[1]]]


async def test_a_spent_budget_says_so_and_keeps_the_last_error(engine_runs: EngineRuns) -> None:
    async def always(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return failed("Error", recoverable=True)

    runs = engine_runs
    runs.scripts["n0"] = always

    async with runs.workers():
        await runs.outcome(chain(1), int_map(a=1))

    error = runs.workflow_events[-1].error
    assert error.code == "RetriesExhausted|Error"
    assert error.message == "[1/1] currentAttempt done. Last Error: USER::Error happened"
    assert len(runs.attempts) == 1


async def test_system_failures_have_a_budget_of_their_own(engine_runs: EngineRuns) -> None:
    async def unlucky(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return failed("Interrupted", "SYSTEM", recoverable=True) if attempt.attempt < 3 else succeeded(o0=1)

    runs = engine_runs
    runs.scripts["n0"] = unlucky

    async with runs.workers():
        phase = await runs.outcome(chain(1), int_map(a=1))

    assert phase == "SUCCEEDED"
    assert len(runs.attempts) == 4


def two_branches(policy: core_workflow_pb2.WorkflowMetadata.OnFailurePolicy) -> graph_pb2.Graph:
    """n0 fails early; n1 is slow and n2 waits for it."""
    nodes = [
        task_node("n0", [0], [bind("a", "start-node", "a")]),
        task_node("n1", [0], [bind("a", "start-node", "a")]),
        task_node("n2", [3], [bind("a", "n1", "o0")]),
    ]
    workflow = body(nodes, [bind("o0", "n2", "o0")])
    workflow.on_failure = policy
    return graph_pb2.Graph(workflows=[workflow], tasks=[task_summary()])


async def test_the_first_failure_stops_what_still_runs(engine_runs: EngineRuns) -> None:
    async def boom(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return failed("USER:Boom")

    async def for_ever(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        await asyncio.sleep(60)
        return succeeded(o0=0)

    runs = engine_runs
    runs.scripts |= {"n0": boom, "n1": for_ever}

    async with runs.workers():
        phase = await runs.outcome(two_branches(core_workflow_pb2.WorkflowMetadata.FAIL_IMMEDIATELY), int_map(a=1))

    assert phase == "FAILED"
    assert runs.phases()["n1"] == ["QUEUED", "ABORTED"]
    assert "n2" not in runs.phases()
    aborted = next(e for e in runs.node_events if e.id.node_id == "n1" and e.HasField("error"))
    assert aborted.error.message == "Some node execution failed, auto-abort."


async def test_executable_nodes_are_finished_first_when_the_workflow_asks_for_it(engine_runs: EngineRuns) -> None:
    async def boom(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return failed("USER:Boom")

    runs = engine_runs
    runs.scripts["n0"] = boom
    policy = core_workflow_pb2.WorkflowMetadata.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE

    async with runs.workers():
        phase = await runs.outcome(two_branches(policy), int_map(a=1))

    assert phase == "FAILED"
    assert runs.phases()["n2"] == ["QUEUED", "SUCCEEDED"]
    assert runs.phases()["end-node"] == ["SKIPPED"]


async def test_an_abort_reaches_the_running_task_and_is_reported(engine_runs: EngineRuns) -> None:
    started = asyncio.Event()

    async def for_ever(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        started.set()
        await asyncio.sleep(60)
        return succeeded(o0=0)

    runs = engine_runs
    runs.scripts["n0"] = for_ever

    async with runs.workers():
        handle = await runs.start(chain(2), int_map(a=1))
        await bounded(started.wait())
        await handle.cancel()
        phase = await runs.wait(handle)

    assert phase == "ABORTED"
    assert runs.phases()["n0"] == ["QUEUED", "ABORTED"]
    assert "n1" not in runs.phases()


async def test_no_more_tasks_run_at_once_than_max_parallelism(engine_runs: EngineRuns) -> None:
    running, most = 0, 0

    async def counted(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.1)
        running -= 1
        return succeeded(o0=0)

    runs = engine_runs
    nodes = [task_node(f"n{i}", [0], [bind("a", "start-node", "a")]) for i in range(6)]
    runs.scripts |= {node.id: counted for node in nodes}
    graph = graph_pb2.Graph(workflows=[body(nodes, [])], tasks=[task_summary()])

    async with runs.workers():
        phase = await runs.outcome(graph, int_map(a=1), max_parallelism=2)

    assert phase == "SUCCEEDED"
    assert most == 2


async def test_max_parallelism_counts_over_subworkflows(engine_runs: EngineRuns) -> None:
    running, most = 0, 0

    async def counted(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.1)
        running -= 1
        return succeeded(o0=0)

    runs = engine_runs
    runs.default_script = counted
    inner = body([task_node(f"n{i}", [0], [bind("a", "start-node", "a")]) for i in range(3)], [], name="inner")
    outer = [
        graph_pb2.Node(
            id=f"n{i}",
            upstream=[0],
            inputs=[bind("a", "start-node", "a")],
            subworkflow=graph_pb2.SubworkflowNode(workflow=1),
        )
        for i in range(3)
    ]
    graph = graph_pb2.Graph(workflows=[body(outer, []), inner], tasks=[task_summary()])

    async with runs.workers():
        phase = await runs.outcome(graph, int_map(a=1), max_parallelism=2)

    assert phase == "SUCCEEDED"
    assert len(runs.attempts) == 9
    assert most == 2


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (graph_pb2.Node(array=graph_pb2.ArrayNode()), "array"),
    ],
)
async def test_a_kind_that_nothing_handles_fails_its_node_by_name(
    engine_runs: EngineRuns, target: graph_pb2.Node, name: str
) -> None:
    node = graph_pb2.Node(id="n0", upstream=[0])
    node.MergeFrom(target)
    graph = graph_pb2.Graph(workflows=[body([node], [])])
    runs = engine_runs

    async with runs.workers():
        phase = await runs.outcome(graph, int_map())

    error = runs.workflow_events[-1].error
    assert phase == "FAILED"
    assert error.kind == error.USER
    assert name in error.message
    assert "n0" in error.message


async def test_a_binding_to_nothing_fails_the_node_with_flytes_code(engine_runs: EngineRuns) -> None:
    graph = graph_pb2.Graph(
        workflows=[body([task_node("n0", [0], [bind("a", "start-node", "missing")])], [])], tasks=[task_summary()]
    )
    runs = engine_runs

    async with runs.workers():
        phase = await runs.outcome(graph, int_map(a=1))

    assert phase == "FAILED"
    assert runs.phases()["n0"] == ["FAILED"]
    assert runs.workflow_events[-1].error.code == "BindingResolutionFailure"


async def test_a_run_that_admin_does_not_know_ends(engine_runs: EngineRuns) -> None:
    async def for_ever(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        await asyncio.sleep(60)
        return succeeded(o0=0)

    runs = engine_runs
    runs.scripts["n0"] = for_ever
    runs.record_failure = ApplicationError("gone", type="ExecutionNotFound", non_retryable=True)

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=1))
        with pytest.raises(Exception, match="Workflow execution failed"):
            await bounded(handle.result())


async def test_values_too_large_to_travel_stay_in_the_store(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async def large(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        uri = f"{attempt.output_dir}/outputs.pb"
        runs.files[uri] = int_map(o0=41)
        return execution_pb2.TaskAttemptResult(outputs=execution_pb2.NodeOutputs(uri=uri))

    async def reads(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        source = attempt.inputs.deferred.sources["n0"].uri
        return succeeded(o0=runs.files[source].literals["o0"].scalar.primitive.integer + 1)

    runs.scripts |= {"n0": large, "n1": reads}

    async with runs.workers():
        phase = await runs.outcome(chain(2), int_map(a=1))

    assert phase == "SUCCEEDED"
    assert runs.outputs() == int_map(o0=42)


async def test_replaying_on_every_task_changes_nothing(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers(max_cached_workflows=0):
        phase = await runs.outcome(nested(), int_map(a=1))

    assert phase == "SUCCEEDED"
    assert runs.outputs() == int_map(o0=2)


async def test_a_report_that_admin_refuses_fails_the_run_and_the_end_is_still_told(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.refused_nodes.add("n0")

    async with runs.workers():
        phase = await bounded(runs.outcome(chain(2), int_map(a=1)))

    assert phase == "FAILED"
    assert runs.workflow_events[-1].error.code == "InvalidRequest"


async def test_a_node_has_the_timeout_of_its_task_and_is_as_interruptible(engine_runs: EngineRuns) -> None:
    template = templates.task_template()
    template.metadata.timeout.seconds = 300
    template.metadata.interruptible = True
    spec = templates.workflow(nodes=[templates.node()])
    graph, _ = compact(compile_workflow(spec, [], [task.compile_task(template)], []))

    async with engine_runs.workers():
        settings = execution_pb2.ExecutionSettings(interruptible={"value": False})
        phase = await engine_runs.outcome(graph, int_map(a=1), settings=settings)

    assert phase == "SUCCEEDED"
    (attempt,) = engine_runs.attempts
    assert attempt.timeout.seconds == 300
    assert attempt.interruptible


async def test_the_node_says_how_its_attempt_used_the_cache(engine_runs: EngineRuns) -> None:
    def using(status: catalog_pb2.CatalogCacheStatus) -> execution_pb2.TaskAttemptResult:
        result = succeeded(o0=1)
        result.cache.cache_status = status
        result.cache.catalog_key.artifact_tag.name = "tag"
        return result

    async def stored(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return using(catalog_pb2.CACHE_POPULATED)

    async def found(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return using(catalog_pb2.CACHE_HIT)

    runs = engine_runs
    runs.scripts |= {"n0": stored, "n1": found}

    async with runs.workers():
        await runs.outcome(chain(2), int_map(a=1))

    ends = {event.id.node_id: event.task_node_metadata for event in runs.node_events if event.output_uri}
    assert ends["n0"].cache_status == catalog_pb2.CACHE_POPULATED
    assert ends["n1"].cache_status == catalog_pb2.CACHE_HIT
    assert {ends[node_id].catalog_key.artifact_tag.name for node_id in ("n0", "n1")} == {"tag"}
    assert (bool(ends["n0"].checkpoint_uri), ends["n1"].checkpoint_uri) == (True, "")
    assert runs.task_events == []
