"""Artifacts are recorded with the success that has produced them, and found again by launches."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest
from flyteidl.admin import execution_pb2, launch_plan_pb2
from flyteidl.core import artifact_id_pb2, identifier_pb2, interface_pb2, literals_pb2, types_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.event import event_pb2
from sqlalchemy import select

from flytetemporal import errors
from flytetemporal.admin.artifacts import listing, queries, rows, values
from flytetemporal.admin.artifacts.models import NamedArtifactRow
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.events import batches
from flytetemporal.admin.executions import launching, workflow_executions
from flytetemporal.admin.registry import launch_plans, tasks, workflows
from flytetemporal.admin.settings import projects
from flytetemporal.contracts.v1 import artifacts_pb2, events_pb2
from flytetemporal.idl import times
from tests.fixtures.registrations import (
    DOMAIN,
    INT,
    PROJECT,
    STR,
    identifier,
    integer,
    node,
    plan,
    task,
    variables,
    workflow,
)

T: TypeAlias = core_execution_pb2.TaskExecution
W: TypeAlias = core_execution_pb2.WorkflowExecution
ExecutionId = identifier_pb2.WorkflowExecutionIdentifier
Label: TypeAlias = artifact_id_pb2.LabelValue
Key = artifact_id_pb2.ArtifactKey
NOON = datetime(2026, 3, 4, 12, 30, 15, tzinfo=UTC)


def bound(name: str) -> Label:
    return Label(input_binding=artifact_id_pb2.InputBindingData(var=name))


def static(text: str) -> Label:
    return Label(static_value=text)


def with_partitions(*keys: str) -> artifact_id_pb2.ArtifactID:
    partitions = artifact_id_pb2.Partitions(value=dict.fromkeys(keys, RUNTIME))
    return artifact_id_pb2.ArtifactID(artifact_key=Key(name="model"), partitions=partitions)


RUNTIME = Label(runtime_binding=artifact_id_pb2.RuntimeBinding())


def artifact_id(
    name: str = "model", time: Label | None = None, granularity: int = artifact_id_pb2.DAY, **partitions: Label
) -> artifact_id_pb2.ArtifactID:
    identifier = artifact_id_pb2.ArtifactID(artifact_key=Key(name=name))
    for key, value in partitions.items():
        identifier.partitions.value[key].CopyFrom(value)
    if time is not None:
        identifier.time_partition.value.CopyFrom(time)
        identifier.time_partition.granularity = granularity  # type: ignore[assignment]
    return identifier


def producing(partial: artifact_id_pb2.ArtifactID, **inputs: types_pb2.LiteralType) -> Any:
    request = task()
    interface = request.spec.template.interface
    interface.inputs.CopyFrom(variables(a=INT, **inputs))
    interface.outputs.variables["o0"].artifact_partial_id.CopyFrom(partial)
    return request


def consuming(
    query: artifact_id_pb2.ArtifactID | artifact_id_pb2.ArtifactQuery, name: str = "consumer"
) -> launch_plan_pb2.LaunchPlanCreateRequest:
    """Return a launch plan of the workflow w whose input is an artifact."""
    if isinstance(query, artifact_id_pb2.ArtifactID):
        query = artifact_id_pb2.ArtifactQuery(artifact_id=query)
    request = plan(name)
    parameter = interface_pb2.Parameter(var=interface_pb2.Variable(type=INT), artifact_query=query)
    request.spec.default_inputs.parameters["a"].CopyFrom(parameter)
    return request


@pytest.fixture(autouse=True)
async def _projects(deps: Dependencies) -> None:
    await projects.register_defaults(deps)


async def register(deps: Dependencies, partial: artifact_id_pb2.ArtifactID, **inputs: types_pb2.LiteralType) -> None:
    """Register the task t, which produces an artifact, a workflow, and its launch plan.

    The workflow calls another task: what is reported as the task of its node decides.
    """
    await tasks.create(deps, producing(partial, **inputs))
    await tasks.create(deps, task("u"))
    await workflows.create(deps, workflow(nodes=[node(task_name="u")]))
    await launch_plans.create(deps, plan())


async def launch(deps: Dependencies, name: str, plan_name: str = "w", **inputs: literals_pb2.Literal) -> ExecutionId:
    request = execution_pb2.ExecutionCreateRequest(
        project=PROJECT,
        domain=DOMAIN,
        name=name,
        spec=execution_pb2.ExecutionSpec(launch_plan=identifier("LAUNCH_PLAN", plan_name)),
        inputs=literals_pb2.LiteralMap(literals=inputs),
    )
    created = await workflow_executions.create(deps, request)
    return created.id


def primitive(**value: Any) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(**value)))


async def succeed(
    deps: Dependencies,
    execution: str,
    output: literals_pb2.Literal,
    inputs: Mapping[str, literals_pb2.Literal] | None = None,
    phase: T.Phase = T.SUCCEEDED,
) -> None:
    """Launch w, and report that its task has ended with an output."""
    execution_id = ExecutionId(project=PROJECT, domain=DOMAIN, name=execution)
    if next(iter(await found(deps, execution)), None) is None:
        await launch(deps, execution, a=integer(1))
    await batches.record_events(deps, await ended(deps, execution_id, output, inputs or {}, phase))


async def ended(
    deps: Dependencies,
    execution_id: ExecutionId,
    output: literals_pb2.Literal,
    inputs: Mapping[str, literals_pb2.Literal],
    phase: T.Phase = T.SUCCEEDED,
) -> events_pb2.RecordEventsRequest:
    directory = f"{deps.blobs.root}/{execution_id.name}/n0"
    await deps.blobs.write_message(f"{directory}/outputs.pb", literals_pb2.LiteralMap(literals={"o0": output}))
    await deps.blobs.write_message(f"{directory}/inputs.pb", literals_pb2.LiteralMap(literals=inputs))
    event = event_pb2.TaskExecutionEvent(
        task_id=identifier("TASK", "t"),
        parent_node_execution_id=identifier_pb2.NodeExecutionIdentifier(node_id="n0", execution_id=execution_id),
        phase=phase,
        occurred_at=times.timestamp(NOON),
        input_uri=f"{directory}/inputs.pb",
    )
    if phase == T.SUCCEEDED:
        event.output_uri = f"{directory}/outputs.pb"
    return events_pb2.RecordEventsRequest(events=[events_pb2.Event(task=event)])


async def found(deps: Dependencies, execution: str = "") -> list[artifacts_pb2.Artifact]:
    """Return the artifacts, oldest first: all of them, or those of one execution."""
    query = select(NamedArtifactRow).order_by(NamedArtifactRow.id)
    if execution:
        query = query.where(NamedArtifactRow.execution_name == execution)
    async with deps.sessions() as session:
        return [rows.message(row) for row in await session.scalars(query)]


async def texts(deps: Dependencies) -> list[str]:
    return [values.text(artifact.id) for artifact in await found(deps)]


async def test_a_task_that_succeeds_has_produced_its_artifact_once(deps: Dependencies) -> None:
    await register(deps, artifact_id(region=bound("region"), kind=static("full")), region=STR)

    for _ in range(2):
        await succeed(deps, "e1", integer(7), {"region": primitive(string_value="SEA")})

    [artifact] = await found(deps)
    assert values.text(artifact.id) == "flytesnacks:development:model@e1.n0.0.o0[kind=full, region=SEA]"
    assert artifact.source.entity == identifier("TASK", "t")
    assert artifact.source.execution.name == "e1"
    assert artifact.type == INT
    assert artifact.HasField("created_at")


async def test_a_task_that_fails_has_produced_nothing(deps: Dependencies) -> None:
    await register(deps, artifact_id())

    await succeed(deps, "e1", integer(7), phase=T.FAILED)

    assert await found(deps) == []


async def test_a_success_that_comes_after_the_abort_of_its_attempt_produces_nothing(deps: Dependencies) -> None:
    await register(deps, artifact_id())
    await succeed(deps, "e1", integer(7), phase=T.ABORTED)
    late = await ended(deps, ExecutionId(project=PROJECT, domain=DOMAIN, name="e1"), integer(7), {})

    await batches.record_events(deps, late)

    assert await found(deps) == []


async def test_the_outputs_of_an_execution_are_artifacts_too(deps: Dependencies) -> None:
    await tasks.create(deps, task())
    request = workflow()
    interface = request.spec.template.interface
    interface.outputs.variables["o0"].type.CopyFrom(INT)
    interface.outputs.variables["o0"].artifact_partial_id.CopyFrom(artifact_id(of=bound("a")))
    promise = types_pb2.OutputReference(node_id="n0", var="o0")
    request.spec.template.outputs.add(var="o0").binding.promise.CopyFrom(promise)
    await workflows.create(deps, request)
    await launch_plans.create(deps, plan())
    execution_id = await launch(deps, "e1", a=integer(12))
    uri = f"{deps.blobs.root}/outputs.pb"
    # The value is that of a task, where it is an artifact with partitions, too.
    made = created_from(integer(3), artifact_id(region=static("LAX")))
    await deps.blobs.write_message(uri, literals_pb2.LiteralMap(literals={"o0": made}))
    event = event_pb2.WorkflowExecutionEvent(
        execution_id=execution_id, phase=W.SUCCEEDED, occurred_at=times.timestamp(NOON), output_uri=uri
    )

    for _ in range(2):
        await batches.record_events(deps, events_pb2.RecordEventsRequest(events=[events_pb2.Event(workflow=event)]))

    assert await texts(deps) == ["flytesnacks:development:model@e1.o0[of=12]"]


@pytest.mark.parametrize(
    ("granularity", "start"),
    [
        (artifact_id_pb2.MINUTE, "2026-03-04T12:30:00+00:00"),
        (artifact_id_pb2.HOUR, "2026-03-04T12:00:00+00:00"),
        (artifact_id_pb2.DAY, "2026-03-04T00:00:00+00:00"),
        (artifact_id_pb2.MONTH, "2026-03-01T00:00:00+00:00"),
        (artifact_id_pb2.UNSET, "2026-03-04T00:00:00+00:00"),
    ],
)
async def test_a_time_partition_starts_with_its_minute_hour_day_or_month(
    deps: Dependencies, granularity: int, start: str
) -> None:
    day = types_pb2.LiteralType(simple=types_pb2.DATETIME)
    await register(deps, artifact_id(time=bound("day"), granularity=granularity), day=day)

    await succeed(deps, "e1", integer(7), {"day": primitive(datetime=times.timestamp(NOON))})

    assert await texts(deps) == [f"flytesnacks:development:model@e1.n0.0.o0[time={start}]"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"integer": 3}, "3"),
        ({"float_value": 2.0}, "2.00"),
        ({"boolean": True}, "true"),
        ({"datetime": times.timestamp(NOON)}, "2026-03-04"),
    ],
)
async def test_partitions_have_the_texts_of_their_inputs_that_flyte_gives_them(
    deps: Dependencies, value: dict[str, Any], text: str
) -> None:
    await register(deps, artifact_id(of=bound("b")), b=STR)

    await succeed(deps, "e1", integer(7), {"b": primitive(**value)})

    assert await texts(deps) == [f"flytesnacks:development:model@e1.n0.0.o0[of={text}]"]


def created_from(literal: literals_pb2.Literal, given: artifact_id_pb2.ArtifactID) -> literals_pb2.Literal:
    """Return what flytekit's Artifact.create_from makes of a value."""
    literal.metadata["_uap"] = base64.b64encode(given.SerializeToString()).decode()
    return literal


async def test_the_code_of_a_task_gives_partitions_their_values(deps: Dependencies) -> None:
    await register(deps, artifact_id(region=RUNTIME, time=RUNTIME))
    given = artifact_id(region=static("LAX"), time=Label(time_value=times.timestamp(NOON)))

    await succeed(deps, "e1", created_from(integer(7), given))

    assert await texts(deps) == ["flytesnacks:development:model@e1.n0.0.o0[region=LAX, time=2026-03-04T00:00:00+00:00]"]


@pytest.mark.parametrize(
    "output",
    [
        integer(7),
        created_from(integer(7), artifact_id(region=static("LAX"), colour=static("red"))),
        created_from(integer(7), artifact_id(region=static("LAX"), time=Label(time_value=times.timestamp(NOON)))),
        created_from(integer(7), artifact_id(region=static("LAX\0"))),
        created_from(integer(7), artifact_id(region=static("LAX" * 100))),
        literals_pb2.Literal(scalar=integer(7).scalar, metadata={"_uap": "?"}),
        literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=[integer(7)])),
    ],
    ids=["no value", "unknown partition", "no time partition", "NUL", "too long", "unreadable", "another type"],
)
async def test_an_output_that_cannot_be_its_artifact_does_not_fail_the_run(
    deps: Dependencies, output: literals_pb2.Literal
) -> None:
    await register(deps, artifact_id(region=RUNTIME))

    await succeed(deps, "e1", output)

    assert await found(deps) == []
    execution = ExecutionId(project=PROJECT, domain=DOMAIN, name="e1")
    repeated = await batches.record_events(deps, await ended(deps, execution, output, {}))
    assert repeated.applied == 0  # The success itself was recorded.


async def test_outputs_that_are_gone_from_the_store_do_not_hold_up_events(deps: Dependencies) -> None:
    await register(deps, artifact_id())
    await launch(deps, "e1", a=integer(1))
    request = await ended(deps, ExecutionId(project=PROJECT, domain=DOMAIN, name="e1"), integer(7), {})
    await deps.blobs.delete(request.events[0].task.output_uri)

    assert (await batches.record_events(deps, request)).applied == 1
    assert await found(deps) == []


async def test_the_execution_of_a_single_task_produces_one_artifact(deps: Dependencies) -> None:
    await tasks.create(deps, producing(artifact_id(region=RUNTIME)))
    request = execution_pb2.ExecutionCreateRequest(
        project=PROJECT,
        domain=DOMAIN,
        name="e1",
        spec=execution_pb2.ExecutionSpec(launch_plan=identifier("TASK", "t")),
        inputs=literals_pb2.LiteralMap(literals={"a": integer(1)}),
    )
    execution_id = (await workflow_executions.create(deps, request)).id
    output = created_from(integer(7), artifact_id(region=static("LAX")))
    events = await ended(deps, execution_id, output, {})
    event = event_pb2.WorkflowExecutionEvent(execution_id=execution_id, phase=W.SUCCEEDED)
    event.occurred_at.CopyFrom(times.timestamp(NOON))
    event.output_uri = events.events[0].task.output_uri
    events.events.add(workflow=event)

    await batches.record_events(deps, events)

    assert await texts(deps) == ["flytesnacks:development:model@e1.n0.0.o0[region=LAX]"]


async def test_a_launch_has_the_latest_artifact_that_matches(deps: Dependencies) -> None:
    await register(deps, artifact_id(region=bound("region")), region=STR)
    for name, region, value in (("e1", "SEA", 1), ("e2", "SEA", 2), ("e3", "LAX", 3)):
        await succeed(deps, name, integer(value), {"region": primitive(string_value=region)})
    await launch_plans.create(deps, consuming(artifact_id(region=static("SEA"))))

    execution_id = await launch(deps, "c1", "consumer")

    execution = await workflow_executions.get(deps, execution_pb2.WorkflowExecutionGetRequest(id=execution_id))
    [used] = execution.spec.metadata.artifact_ids
    assert values.text(used) == "flytesnacks:development:model@e2.n0.0.o0[region=SEA]"
    assert await inputs_of(deps, execution_id) == {"a": integer(2)}


async def inputs_of(deps: Dependencies, execution_id: ExecutionId) -> dict[str, literals_pb2.Literal]:
    request = execution_pb2.WorkflowExecutionGetDataRequest(id=execution_id)
    return dict((await workflow_executions.get_data(deps, request)).full_inputs.literals)


async def test_a_value_that_a_caller_gives_comes_before_the_query(deps: Dependencies) -> None:
    await register(deps, artifact_id())
    await launch_plans.create(deps, consuming(artifact_id()))

    execution_id = await launch(deps, "c1", "consumer", a=integer(9))

    assert await inputs_of(deps, execution_id) == {"a": integer(9)}


async def test_who_repeats_an_execution_gets_its_artifacts_again(deps: Dependencies) -> None:
    await register(deps, artifact_id())
    await succeed(deps, "e1", integer(1))
    await launch_plans.create(deps, consuming(artifact_id()))
    first = await launch(deps, "c1", "consumer")
    await succeed(deps, "e2", integer(2))

    relaunched = (await launching.relaunch(deps, execution_pb2.ExecutionRelaunchRequest(id=first))).id

    assert await inputs_of(deps, relaunched) == {"a": integer(1)}
    execution = await workflow_executions.get(deps, execution_pb2.WorkflowExecutionGetRequest(id=relaunched))
    assert [one.version for one in execution.spec.metadata.artifact_ids] == ["e1.n0.0.o0"]


async def test_a_time_partition_is_found_by_any_time_in_it(deps: Dependencies) -> None:
    day = types_pb2.LiteralType(simple=types_pb2.DATETIME)
    await register(deps, artifact_id(time=bound("day"), granularity=artifact_id_pb2.HOUR), day=day)
    await succeed(deps, "e1", integer(1), {"day": primitive(datetime=times.timestamp(NOON))})
    await launch_plans.create(
        deps, consuming(artifact_id(time=Label(time_value=times.timestamp(NOON.replace(minute=59)))), "same")
    )
    await launch_plans.create(
        deps, consuming(artifact_id(time=Label(time_value=times.timestamp(NOON.replace(hour=13)))), "next")
    )
    await launch_plans.create(deps, consuming(artifact_id(), "any"))

    for name in ("same", "any"):
        assert await inputs_of(deps, await launch(deps, f"c{name}", name)) == {"a": integer(1)}
    with pytest.raises(errors.NotFound, match=r"no artifact .*model\[time=2026-03-04T13.* has the partitions time"):
        await launch(deps, "cnext", "next")


async def test_a_launch_without_an_artifact_says_which_one_is_missing(deps: Dependencies) -> None:
    await register(deps, artifact_id())
    await launch_plans.create(deps, consuming(artifact_id(region=static("SEA"))))

    missing = r"^no artifact flytesnacks:development:model\[region=SEA\] for input a was found; run what produces it"
    with pytest.raises(errors.NotFound, match=missing):
        await launch(deps, "c1", "consumer")
    await succeed(deps, "e1", integer(1))
    with pytest.raises(errors.NotFound, match="its newest version has no partitions"):
        await launch(deps, "c1", "consumer")


@pytest.mark.parametrize("region", ["S\0", "S" * 256, ""])
async def test_a_query_with_a_value_that_no_artifact_has_is_refused(deps: Dependencies, region: str) -> None:
    await register(deps, artifact_id())
    fixed = literals_pb2.LiteralMap(literals={"b": primitive(string_value=region)})
    parameter = interface_pb2.Parameter(var=interface_pb2.Variable(type=INT))
    parameter.artifact_query.artifact_id.CopyFrom(artifact_id(region=bound("b")))
    expected = interface_pb2.ParameterMap(parameters={"a": parameter})

    async with deps.sessions() as session:
        with pytest.raises(errors.InvalidRequest):
            await queries.resolve(session, deps.blobs, expected, fixed, literals_pb2.LiteralMap(), (PROJECT, DOMAIN))


async def test_a_version_is_found_by_its_id(deps: Dependencies) -> None:
    await register(deps, artifact_id())
    for number in (1, 2):
        await succeed(deps, f"e{number}", integer(number))
    request = plan("consumer")
    wanted = artifact_id_pb2.ArtifactID(
        artifact_key=Key(project=PROJECT, domain=DOMAIN, name="model"), version="e1.n0.0.o0"
    )
    parameter = interface_pb2.Parameter(var=interface_pb2.Variable(type=INT), artifact_id=wanted)
    request.spec.default_inputs.parameters["a"].CopyFrom(parameter)
    await launch_plans.create(deps, request)

    assert await inputs_of(deps, await launch(deps, "c1", "consumer")) == {"a": integer(1)}


async def test_an_artifact_of_another_type_is_refused(deps: Dependencies) -> None:
    request = producing(artifact_id())
    request.spec.template.interface.outputs.variables["o0"].type.CopyFrom(STR)
    await tasks.create(deps, request)
    await workflows.create(deps, workflow())
    await launch_plans.create(deps, plan())
    await succeed(deps, "e1", primitive(string_value="text"))
    await launch_plans.create(deps, consuming(artifact_id()))

    with pytest.raises(errors.InvalidRequest, match="is of type simple:STRING, and the input takes simple:INTEGER"):
        await launch(deps, "c1", "consumer")


async def test_an_artifact_whose_value_is_gone_says_so(deps: Dependencies) -> None:
    await register(deps, artifact_id())
    await succeed(deps, "e1", integer(1))
    await launch_plans.create(deps, consuming(artifact_id()))
    [artifact] = await found(deps)
    await deps.blobs.delete(artifact.outputs_uri)

    with pytest.raises(errors.NotFound, match="is gone from the store; produce the artifact again"):
        await launch(deps, "c1", "consumer")


@pytest.mark.parametrize(
    ("partial", "problem"),
    [
        (artifact_id(""), "the artifact of output o0 has no name"),
        (artifact_id("m" * 256), "the name of the artifact of output o0"),
        (with_partitions("\0"), "it contains a NUL character"),
        (artifact_id(region=bound("nowhere")), "bound to input nowhere, which does not exist"),
        (artifact_id(region=static("")), "partition region of output o0 has no value"),
        (artifact_id(time=bound("a")), "bind it to a datetime"),
        (artifact_id(time=static("today")), "the time partition of output o0 has no value"),
        (artifact_id(time=RUNTIME, granularity=17), "unknown granularity 17"),
        (with_partitions(*(f"p{number}" for number in range(11))), "has 11 partitions; the limit is 10"),
        (artifact_id_pb2.ArtifactID(artifact_key=Key(name="m"), version="1"), r"has the version \[1\]"),
    ],
)
async def test_a_task_whose_artifact_could_never_be_made_is_refused(
    deps: Dependencies, partial: artifact_id_pb2.ArtifactID, problem: str
) -> None:
    with pytest.raises(errors.InvalidRequest, match=problem):
        await tasks.create(deps, producing(partial))


async def test_the_partitions_of_a_workflow_have_no_values_at_run_time(deps: Dependencies) -> None:
    await tasks.create(deps, task())
    request = workflow()
    variable = request.spec.template.interface.outputs.variables["o0"]
    variable.type.CopyFrom(INT)
    variable.artifact_partial_id.CopyFrom(artifact_id(region=RUNTIME))

    with pytest.raises(errors.InvalidRequest, match="partition region of output o0 has no value"):
        await workflows.create(deps, request)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        (artifact_id(""), "the artifact of input a has no name"),
        (artifact_id(region=static("")), "partition region in the artifact query of input a has no value"),
        (artifact_id(region=bound("nowhere")), "bound to input nowhere, which does not exist"),
        (artifact_id(region=RUNTIME), "has no value"),
        (artifact_id(time=bound("a")), "bound to an input of type simple:INTEGER; use a datetime"),
        (artifact_id(time=static("today")), "must be a datetime"),
        (artifact_id_pb2.ArtifactQuery(), "is empty"),
        (artifact_id_pb2.ArtifactQuery(artifact_tag=artifact_id_pb2.ArtifactTag()), "names a tag"),
        (artifact_id_pb2.ArtifactQuery(uri="flyte://"), "is a URI"),
        (
            artifact_id_pb2.ArtifactQuery(binding=artifact_id_pb2.ArtifactBindingData()),
            "is bound to a triggering artifact",
        ),
    ],
)
async def test_a_launch_plan_whose_query_could_never_be_answered_is_refused(
    deps: Dependencies, query: artifact_id_pb2.ArtifactID | artifact_id_pb2.ArtifactQuery, problem: str
) -> None:
    await register(deps, artifact_id())

    with pytest.raises(errors.InvalidRequest, match=problem):
        await launch_plans.create(deps, consuming(query))


async def listed(deps: Dependencies, **fields: Any) -> list[str]:
    request = artifacts_pb2.ListArtifactsRequest(project=PROJECT, domain=DOMAIN, **fields)
    return [one.id.version for one in (await listing.list_artifacts(deps, request)).artifacts]


async def test_artifacts_are_listed_newest_first_and_by_what_they_have(deps: Dependencies) -> None:
    day = types_pb2.LiteralType(simple=types_pb2.DATETIME)
    await register(deps, artifact_id(region=bound("region"), time=bound("day")), region=STR, day=day)
    for number, region in enumerate(("SEA", "LAX", "SEA")):
        inputs = {
            "region": primitive(string_value=region),
            "day": primitive(datetime=times.timestamp(NOON + timedelta(days=number))),
        }
        await succeed(deps, f"e{number}", integer(number), inputs)

    assert await listed(deps) == ["e2.n0.0.o0", "e1.n0.0.o0", "e0.n0.0.o0"]
    assert await listed(deps, name="model", partitions=["region=SEA"]) == ["e2.n0.0.o0", "e0.n0.0.o0"]
    assert await listed(deps, time=times.timestamp(NOON + timedelta(days=1))) == ["e1.n0.0.o0"]
    assert await listed(deps, execution="e1") == ["e1.n0.0.o0"]
    assert await listed(deps, version="e0.n0.0.o0") == ["e0.n0.0.o0"]
    assert await listed(deps, name="other") == []
    page = await listing.list_artifacts(
        deps, artifacts_pb2.ListArtifactsRequest(project=PROJECT, domain=DOMAIN, limit=2)
    )
    assert await listed(deps, limit=2, token=page.token) == ["e0.n0.0.o0"]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"project": ""}, "project"),
        ({"partitions": ["region"]}, r"partition \[region\] is not of the form KEY=VALUE"),
        ({"partitions": ["region=SEA", "region=LAX"]}, r"partition \[region\] has two values; give one"),
        ({"partitions": ["region=\0"]}, "NUL"),
        ({"limit": 1001}, "list at most 1000 artifacts"),
        ({"token": "x"}, "invalid value for token"),
    ],
)
async def test_a_malformed_list_is_refused(deps: Dependencies, fields: dict[str, Any], problem: str) -> None:
    request = artifacts_pb2.ListArtifactsRequest(**{"project": PROJECT, "domain": DOMAIN, **fields})

    with pytest.raises(errors.InvalidRequest, match=problem):
        await listing.list_artifacts(deps, request)
