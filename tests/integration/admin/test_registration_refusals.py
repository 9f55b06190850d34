"""What registering refuses, and that nothing a caller sends is the server's fault."""

import asyncio
import dataclasses

import pytest
from flyteidl.admin import common_pb2, task_pb2, workflow_pb2
from flyteidl.core import workflow_pb2 as core_workflow_pb2

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import WorkflowRow
from flytetemporal.admin.registry import tasks, workflows
from flytetemporal.admin.settings import projects
from flytetemporal.idl import identifiers
from tests.fixtures.registrations import identifier, listing, node, task, workflow


@pytest.fixture(autouse=True)
async def _registered_task(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    await tasks.create(deps, task())


async def task_refusal(deps: Dependencies, request: task_pb2.TaskCreateRequest) -> str:
    with pytest.raises(errors.InvalidRequest) as failure:
        await tasks.create(deps, request)
    return failure.value.message


async def workflow_refusal(deps: Dependencies, request: workflow_pb2.WorkflowCreateRequest) -> str:
    with pytest.raises(errors.InvalidRequest) as failure:
        await workflows.create(deps, request)
    return failure.value.message


@pytest.mark.parametrize(
    ("left_out", "message"),
    [
        ("id", "missing id"),
        ("spec", "missing spec"),
        ("spec.template", "missing spec"),
        ("spec.template.type", "missing type"),
        ("spec.template.metadata", "missing metadata"),
        ("spec.template.metadata.runtime.version", "missing runtime version"),
        ("spec.template.interface", "missing typed interface"),
        ("spec.template.container.image", "missing image"),
    ],
)
async def test_an_incomplete_task_is_refused(deps: Dependencies, left_out: str, message: str) -> None:
    request = task("new")
    *path, last = left_out.split(".")
    target = request
    for name in path:
        target = getattr(target, name)
    target.ClearField(last)

    assert await task_refusal(deps, request) == message


async def test_unknown_projects_and_domains_are_refused(deps: Dependencies) -> None:
    elsewhere, nowhere = task(), task()
    elsewhere.id.project = "nosuch"
    nowhere.id.domain = "nosuch"

    assert "[project [nosuch] not found]" in await task_refusal(deps, elsewhere)
    assert await task_refusal(deps, nowhere) == "domain [nosuch] is unrecognized by system"


@pytest.mark.parametrize("part", ["project", "domain", "name", "version"])
@pytest.mark.parametrize("value", ["", "x" * 256, "a\0b"])
async def test_every_part_of_an_id_must_fit(deps: Dependencies, part: str, value: str) -> None:
    request = task()
    setattr(request.id, part, value)

    assert part in await task_refusal(deps, request)
    with pytest.raises(errors.InvalidRequest):
        await tasks.get(deps, common_pb2.ObjectGetRequest(id=request.id))


async def test_ids_may_have_any_characters_that_fit(deps: Dependencies) -> None:
    request = task("ü" * 255, "../😀 ' \" ; %")

    await tasks.create(deps, request)

    assert (await tasks.get(deps, common_pb2.ObjectGetRequest(id=request.id))).id == request.id


async def test_a_task_is_stored_under_the_id_of_the_request(deps: Dependencies) -> None:
    request = task("new")
    request.spec.template.id.CopyFrom(identifier("TASK", "something else"))
    await tasks.create(deps, request)

    found = await tasks.get(deps, common_pb2.ObjectGetRequest(id=request.id))

    assert found.closure.compiled_task.template.id == request.id


async def test_the_kind_of_an_id_must_be_right(deps: Dependencies) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"^unexpected resource type workflow"):
        await tasks.get(deps, common_pb2.ObjectGetRequest(id=identifier("WORKFLOW", "t")))


async def test_of_two_structures_at_once_one_registers_and_the_other_conflicts(deps: Dependencies) -> None:
    asked = [task("new", kind=kind) for kind in ("one", "other")] * 4

    answers = await asyncio.gather(*(tasks.create(deps, one) for one in asked), return_exceptions=True)

    kinds = sorted(type(answer).__name__ for answer in answers)
    assert kinds == ["AlreadyExists"] * 3 + ["StructureConflict"] * 4 + ["TaskCreateResponse"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("eq(version,v1)", ["v1"]),
        ("value_in(version,v0;v2)+ne(version,v0)", ["v2"]),
        ("contains(version,V)", []),
        ("contains(version,v_)", ["v2", "v1", "v0"]),
        ("not_like(version,v_)", []),
        ("eq(version,' OR ''=')", []),
        ("value_in(version,');--)", []),
        ("gte(created_at,2020-01-01T00:00:00Z)", ["v2", "v1", "v0"]),
        ("lt(created_at,2020-01-01)", []),
        ("contains(digest,v1:)", ["v2", "v1", "v0"]),
        ("value_in(id,-1;9223372036854775807)", []),
    ],
)
async def test_the_database_takes_every_filter_that_is_not_refused(
    deps: Dependencies, filters: str, expected: list[str]
) -> None:
    for number in range(3):
        await tasks.create(deps, task("paged", f"v{number}"))

    found = await tasks.list_tasks(deps, listing("paged", filters=filters))

    assert [one.id.version for one in found.tasks] == expected


async def test_what_does_not_compile_names_the_workflow_and_every_problem(deps: Dependencies) -> None:
    unbound = [node("n0"), node("n1")]
    for one in unbound:
        one.ClearField("inputs")
    request = workflow("bad", nodes=unbound)

    message = await workflow_refusal(deps, request)

    assert message.startswith(f"failed to compile workflow for [{identifiers.text(request.id)}] with err: ")
    assert "Node Id: n0" in message
    assert "Node Id: n1" in message


async def test_two_nodes_of_one_id_are_refused(deps: Dependencies) -> None:
    message = await workflow_refusal(deps, workflow("bad", nodes=[node("n0"), node("n0")]))

    assert "failed to compile workflow" in message


async def test_the_number_of_nodes_is_limited(deps: Dependencies) -> None:
    settings = deps.settings.model_copy(update={"max_workflow_nodes": 1})
    request = workflow("two", nodes=[node("n0"), node("n1")])

    assert "exceeds limit (2 > 1)" in await workflow_refusal(dataclasses.replace(deps, settings=settings), request)
    await workflows.create(deps, request)


async def test_a_large_difference_is_cut(deps: Dependencies) -> None:
    await workflows.create(deps, workflow("large", nodes=[node(f"n{number}") for number in range(500)]))

    message = await workflow_refusal(deps, workflow("large", nodes=[node(f"m{number}") for number in range(500)]))

    assert len(message) < 20_000
    assert message.endswith("...")


async def test_tasks_of_subworkflows_are_resolved(deps: Dependencies) -> None:
    inner, outer = workflow("inner"), workflow("outer", nodes=[node("n0")])
    inner.spec.template.id.CopyFrom(inner.id)
    outer.spec.sub_workflows.append(inner.spec.template)
    target = core_workflow_pb2.WorkflowNode(sub_workflow_ref=inner.id)
    outer.spec.template.nodes[0].workflow_node.CopyFrom(target)

    await workflows.create(deps, outer)

    found = await workflows.get(deps, common_pb2.ObjectGetRequest(id=outer.id))
    compiled = found.closure.compiled_workflow
    assert [one.template.id.name for one in compiled.sub_workflows] == ["inner"]
    assert [one.template.id.name for one in compiled.tasks] == ["t"]


async def test_a_closure_gone_from_the_store_is_our_fault(deps: Dependencies) -> None:
    request = workflow()
    await workflows.create(deps, request)
    async with deps.sessions() as session:
        row = await session.get_one(WorkflowRow, identifiers.entity_key(request.id))
    await deps.blobs.delete(row.remote_closure_identifier)

    with pytest.raises(errors.Internal, match="is missing from the store"):
        await workflows.get(deps, common_pb2.ObjectGetRequest(id=request.id))


@pytest.mark.parametrize("field", ["name", "version"])
@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\x7f", "\x85"])
async def test_ids_with_control_characters_are_refused(deps: Dependencies, field: str, character: str) -> None:
    of_task, of_workflow = task(), workflow()
    for request in (of_task, of_workflow):
        setattr(request.id, field, f"a{character}b")
    message = f"invalid value for {field}: it contains control characters"

    with pytest.raises(errors.InvalidRequest, match=message):
        await tasks.create(deps, of_task)
    with pytest.raises(errors.InvalidRequest, match=message):
        await workflows.create(deps, of_workflow)
