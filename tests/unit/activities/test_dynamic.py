import gzip
import hashlib
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from flyteidl.admin import launch_plan_pb2
from flyteidl.core import dynamic_job_pb2, identifier_pb2, literals_pb2, tasks_pb2, workflow_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.event import event_pb2

from flytetemporal.activities.dynamic import MAX_FUTURES_BYTES, DynamicActivities
from flytetemporal.contracts.v1 import events_pb2, execution_pb2, graph_pb2
from flytetemporal.errors import InvalidRequest, NotFound
from flytetemporal.storage.blobs import BlobStore
from tests.fixtures.templates import INT, promise, variables
from tests.strategies import SUM_TASK

N = core_execution_pb2.NodeExecution


class Admin:
    """Remembers events and knows no launch plan. ``refusal`` is the error for events."""

    def __init__(self) -> None:
        self.events: list[events_pb2.Event] = []
        self.refusal: Exception | None = None

    async def record_events(self, events: Sequence[events_pb2.Event], *, tentative: bool = False) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.events.extend(events)

    async def get_launch_plan(self, identifier: identifier_pb2.Identifier) -> launch_plan_pb2.LaunchPlan:
        raise NotFound(f"no launch plan {identifier.name}")


def job_spec() -> dynamic_job_pb2.DynamicJobSpec:
    one = literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=1))
    numbers = literals_pb2.BindingDataCollection(bindings=[literals_pb2.BindingData(scalar=one)])
    node = workflow_pb2.Node(
        id="dn0",
        metadata=workflow_pb2.NodeMetadata(name="sum"),
        inputs=[literals_pb2.Binding(var="values", binding=literals_pb2.BindingData(collection=numbers))],
        task_node=workflow_pb2.TaskNode(reference_id=SUM_TASK.id),
    )
    outputs = [literals_pb2.Binding(var="o0", binding=promise("dn0", "o0"))]
    return dynamic_job_pb2.DynamicJobSpec(nodes=[node], tasks=[SUM_TASK], outputs=outputs)


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = BlobStore(str(folder))
        self.admin = Admin()
        self.activities = DynamicActivities(self.blobs, self.admin)

    async def request(self) -> execution_pb2.DynamicRequest:
        parent = tasks_pb2.TaskTemplate()
        parent.CopyFrom(SUM_TASK)
        parent.interface.outputs.CopyFrom(variables(o0=INT))
        parent.container.config.add(key="from", value="parent")
        data = gzip.compress(graph_pb2.TaskTemplates(tasks=[parent]).SerializeToString())
        uri = f"{self.folder}/tasks.pb.gz"
        await self.blobs.write(uri, data)
        execution = identifier_pb2.WorkflowExecutionIdentifier(project="p", domain="d", name="e")
        identifier = identifier_pb2.NodeExecutionIdentifier(node_id="n0", execution_id=execution)
        return execution_pb2.DynamicRequest(
            node_event=event_pb2.NodeExecutionEvent(id=identifier, spec_node_id="n0"),
            tasks=execution_pb2.ContentReference(uri=uri, sha256=hashlib.sha256(data).hexdigest()),
            output_dir=f"{self.folder}/n0/data/0",
            generated_name="e-n0-0",
        )

    async def compile(self, spec: dynamic_job_pb2.DynamicJobSpec) -> execution_pb2.DynamicGraph:
        request = await self.request()
        await self.blobs.write_message(f"{request.output_dir}/futures.pb", spec)
        return await self.activities.compile_dynamic(request)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_job_spec_becomes_a_graph_that_clients_see(bench: Bench) -> None:
    compiled = await bench.compile(job_spec())

    graph = graph_pb2.Graph.FromString(gzip.decompress(compiled.inline_graph))
    assert [node.id for node in graph.workflows[0].nodes] == ["start-node", "end-node", "dn0"]
    templates = graph_pb2.TaskTemplates.FromString(gzip.decompress(await bench.blobs.read(compiled.tasks.uri)))
    assert [(pair.key, pair.value) for pair in templates.tasks[0].container.config] == [("from", "parent")]
    shown = bench.admin.events[0].node
    assert (shown.phase, shown.is_dynamic, shown.is_parent) == (N.DYNAMIC_RUNNING, True, True)
    dynamic = shown.task_node_metadata.dynamic_workflow
    assert dynamic.id.name == "dynamic_n0"
    assert dynamic.dynamic_job_spec_uri.endswith("n0/data/0/futures.pb")
    assert dynamic.compiled_workflow.primary.template.id == dynamic.id


async def test_compiling_again_gives_the_same(bench: Bench) -> None:
    assert await bench.compile(job_spec()) == await bench.compile(job_spec())


async def test_what_does_not_compile_is_the_users_error(bench: Bench) -> None:
    spec = job_spec()
    del spec.tasks[:]

    compiled = await bench.compile(spec)

    assert (compiled.error.code, compiled.error.kind) == ("DynamicWorkflowBuildFailed", compiled.error.USER)
    assert "sum" in compiled.error.message
    assert bench.admin.events == []


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_FUTURES_BYTES + 1)


NO_JOB_SPECS: dict[str, Callable[[Path], object]] = {
    "garbage": lambda path: path.write_bytes(b"\xff\xff\xff"),
    "random bytes": lambda path: path.write_bytes(random.Random(1).randbytes(5000)),
    "huge": huge,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a FIFO": os.mkfifo,
    "a directory": Path.mkdir,
    "absent": lambda path: None,
}


@pytest.mark.parametrize("what", NO_JOB_SPECS)
async def test_a_file_that_is_no_job_spec_is_the_users_error(bench: Bench, what: str) -> None:
    request = await bench.request()
    path = Path(request.output_dir, "futures.pb")
    path.parent.mkdir(parents=True)
    NO_JOB_SPECS[what](path)

    compiled = await bench.activities.compile_dynamic(request)

    assert (compiled.error.code, compiled.error.kind) == ("DynamicWorkflowBuildFailed", compiled.error.USER)
    assert "futures.pb" in compiled.error.message
    assert bench.admin.events == []


async def test_a_launch_plan_that_is_not_there_is_the_users_error(bench: Bench) -> None:
    spec = job_spec()
    spec.nodes[0].workflow_node.launchplan_ref.name = "nobody"

    compiled = await bench.compile(spec)

    assert compiled.error.code == "DynamicWorkflowBuildFailed"
    assert "nobody" in compiled.error.message


async def test_an_event_that_admin_refuses_fails_the_node(bench: Bench) -> None:
    bench.admin.refusal = InvalidRequest("too large")

    compiled = await bench.compile(job_spec())

    assert (compiled.error.code, compiled.error.message) == ("NodeFailed", "too large")
