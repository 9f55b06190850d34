"""Workflows are compiled, stored under their own URIs, and distinguished by structure."""

import asyncio
import gzip
import hashlib
from pathlib import Path

import pytest
from flyteidl.admin import common_pb2, workflow_pb2

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import WorkflowRow
from flytetemporal.admin.registry import tasks, workflows
from flytetemporal.admin.settings import projects
from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from tests.fixtures.effort import statements
from tests.fixtures.registrations import DOMAIN, PROJECT, identifier, listing, node, scope, task, workflow


@pytest.fixture(autouse=True)
async def _registered_task(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    await tasks.create(deps, task())


async def node_ids(deps: Dependencies, version: str = "v1") -> list[str]:
    found = await workflows.get(deps, common_pb2.ObjectGetRequest(id=identifier("WORKFLOW", "w", version)))
    return [one.id for one in found.closure.compiled_workflow.primary.template.nodes]


async def test_a_registered_workflow_is_read_back_compiled(deps: Dependencies) -> None:
    await workflows.create(deps, workflow())

    assert await node_ids(deps) == ["start-node", "end-node", "n0"]


async def test_the_row_names_the_graph_and_the_templates_by_their_content(deps: Dependencies) -> None:
    await workflows.create(deps, workflow())

    async with deps.sessions() as session:
        row = await session.get_one(WorkflowRow, (PROJECT, DOMAIN, "w", "v1"))
    graph, templates = (execution_pb2.ContentReference.FromString(one) for one in (row.graph, row.task_templates))
    data = await deps.blobs.read(graph.uri)
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (graph.sha256, graph.size_bytes)
    assert [one.id for one in graph_pb2.Graph.FromString(gzip.decompress(data)).workflows[0].nodes][2:] == ["n0"]
    stored = graph_pb2.TaskTemplates.FromString(gzip.decompress(await deps.blobs.read(templates.uri)))
    assert [one.id.name for one in stored.tasks] == ["t"]


async def test_conflicts_carry_the_reason_that_clients_look_for(deps: Dependencies) -> None:
    await workflows.create(deps, workflow())

    with pytest.raises(errors.AlreadyExists) as same:
        await workflows.create(deps, workflow())
    with pytest.raises(errors.StructureConflict) as other:
        await workflows.create(deps, workflow(nodes=[node("n0"), node("n1")]))

    (identical,), (different,) = same.value.details, other.value.details
    assert isinstance(identical, workflow_pb2.CreateWorkflowFailureReason)
    assert isinstance(different, workflow_pb2.CreateWorkflowFailureReason)
    assert identical.exists_identical_structure.id == identifier("WORKFLOW", "w")
    assert different.exists_different_structure.id == identifier("WORKFLOW", "w")


async def test_of_different_structures_at_once_the_one_that_is_accepted_is_stored(deps: Dependencies) -> None:
    requests = [workflow(nodes=[node(f"n{number}")]) for number in range(6)]

    answers = await asyncio.gather(*(workflows.create(deps, one) for one in requests), return_exceptions=True)

    (winner,) = [number for number, answer in enumerate(answers) if not isinstance(answer, BaseException)]
    assert all(isinstance(a, errors.StructureConflict) for number, a in enumerate(answers) if number != winner)
    assert await node_ids(deps) == ["start-node", "end-node", f"n{winner}"]


@pytest.mark.parametrize("version", ["../../../../../../escaped", "..", ".", "a/b", "%2E", "v" * 255, "é" * 255])
async def test_closures_of_any_two_versions_have_different_uris(
    deps: Dependencies, tmp_path: Path, version: str
) -> None:
    await workflows.create(deps, workflow(version=version))

    assert await node_ids(deps, version) == ["start-node", "end-node", "n0"]
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.parent.name != "graphs"]
    assert [path.parent.parent for path in files] == [tmp_path / "store/metadata/admin" / PROJECT / DOMAIN / "w"]


def test_closures_of_different_versions_never_share_a_place() -> None:
    versions = ["..", "%2E%2E", "a/b", "a%2Fb", "é" * 255, "é" * 254 + "e", ".", "..."]

    uris = {workflows.closure_uri("file:///store", (PROJECT, DOMAIN, "w", version), "v1:d") for version in versions}
    split = {
        workflows.closure_uri("file:///store", (PROJECT, DOMAIN, *key), "v1:d") for key in (("a/b", "c"), ("a", "b/c"))
    }

    assert len(uris) == len(versions)
    assert len(split) == 2


async def test_a_missing_task_is_a_compile_failure(deps: Dependencies) -> None:
    with pytest.raises(errors.CompileFailed, match="missing entity of type TASK with identifier"):
        await workflows.create(deps, workflow(nodes=[node(task_name="nosuch")]))


async def test_lists_show_interfaces_only(deps: Dependencies) -> None:
    await workflows.create(deps, workflow())

    (found,) = (await workflows.list_workflows(deps, listing("w"))).workflows

    primary = found.closure.compiled_workflow.primary.template
    assert list(primary.interface.inputs.variables) == ["a"]
    assert not primary.nodes
    assert found.closure.HasField("created_at")
    ids = common_pb2.NamedEntityIdentifierListRequest(project=PROJECT, domain=DOMAIN, limit=5)
    assert list((await workflows.list_ids(deps, ids)).entities) == [scope("w")]


async def test_a_thousand_nodes_ask_no_more_of_the_database_than_ten(deps: Dependencies) -> None:
    async def sent(count: int) -> tuple[int, int]:
        version = str(count)
        first, second = ([node(f"{letter}{number}") for number in range(count)] for letter in "nm")
        with statements(deps.sessions) as registered:
            await workflows.create(deps, workflow(version=version, nodes=first))
        with statements(deps.sessions) as refused, pytest.raises(errors.StructureConflict):
            await workflows.create(deps, workflow(version=version, nodes=second))
        return len(registered), len(refused)

    assert await sent(1_000) == await sent(10)
