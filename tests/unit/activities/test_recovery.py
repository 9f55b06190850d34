"""What can be reused of the nodes of an execution that is recovered."""

from pathlib import Path

from flyteidl.admin import node_execution_pb2, task_execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from flyteidl.event import event_pb2

from flytetemporal import errors
from flytetemporal.activities.recovery import RecoveryActivities
from flytetemporal.contracts import content
from flytetemporal.contracts.v1 import arrays_pb2, execution_pb2
from flytetemporal.storage.blobs import BlobStore

Phase, TaskPhase = core_execution_pb2.NodeExecution, core_execution_pb2.TaskExecution
OLD = identifier_pb2.WorkflowExecutionIdentifier(project="p", domain="d", name="old")


class Nodes:
    """Admin's node executions: one level."""

    def __init__(self, *nodes: node_execution_pb2.NodeExecution) -> None:
        self.nodes = nodes
        self.tasks: list[task_execution_pb2.TaskExecution] = []

    async def list_node_executions(
        self, request: node_execution_pb2.NodeExecutionListRequest
    ) -> node_execution_pb2.NodeExecutionList:
        if request.unique_parent_id:
            raise errors.NotFound("no such node")
        return node_execution_pb2.NodeExecutionList(node_executions=self.nodes, token="200")

    async def get_node_execution(
        self, identifier: identifier_pb2.NodeExecutionIdentifier
    ) -> node_execution_pb2.NodeExecution:
        return next(node for node in self.nodes if node.id == identifier)

    async def list_task_executions(
        self, request: task_execution_pb2.TaskExecutionListRequest
    ) -> task_execution_pb2.TaskExecutionList:
        return task_execution_pb2.TaskExecutionList(task_executions=self.tasks)


def store() -> BlobStore:
    return BlobStore("memory://recovery")


def node(name: str, phase: core_execution_pb2.NodeExecution.Phase) -> node_execution_pb2.NodeExecution:
    return node_execution_pb2.NodeExecution(
        id=identifier_pb2.NodeExecutionIdentifier(node_id=name, execution_id=OLD),
        input_uri=f"s/{name}/inputs.pb",
        closure=node_execution_pb2.NodeExecutionClosure(phase=phase, output_uri=f"s/{name}/outputs.pb"),
    )


async def test_outputs_of_nodes_that_succeeded_or_were_recovered_are_reused() -> None:
    nodes = Nodes(node("a", Phase.SUCCEEDED), node("b", Phase.RECOVERED), node("c", Phase.SKIPPED))

    read = await RecoveryActivities(store(), nodes).read_earlier_nodes(
        execution_pb2.EarlierNodesRequest(execution_id=OLD)
    )

    assert [(found.node_id, found.has_outputs, found.output_uri) for found in read.nodes] == [
        ("a", True, "s/a/outputs.pb"),
        ("b", True, "s/b/outputs.pb"),
    ]
    assert read.token == "200"


async def test_of_a_node_that_failed_its_checkpoint_and_its_workflow_are_reused() -> None:
    failed = node("a", Phase.FAILED)
    failed.closure.task_node_metadata.checkpoint_uri = "s/a/_checkpoints"
    failed.closure.dynamic_job_spec_uri = "s/a/data/0/futures.pb"

    read = await RecoveryActivities(store(), Nodes(failed)).read_earlier_nodes(
        execution_pb2.EarlierNodesRequest(execution_id=OLD)
    )

    assert read.nodes == [
        execution_pb2.EarlierNode(
            node_id="a",
            checkpoint_uri="s/a/_checkpoints",
            futures_uri="s/a/data/0/futures.pb",
            # A dynamic node whose workflow is taken up runs no attempt, which would write its inputs again.
            input_uri="s/a/inputs.pb",
        )
    ]


async def test_nothing_is_reused_below_a_node_that_never_ran() -> None:
    request = execution_pb2.EarlierNodesRequest(execution_id=OLD, parent_id="n9")

    assert await RecoveryActivities(store(), Nodes()).read_earlier_nodes(request) == execution_pb2.EarlierNodes()


async def test_outputs_of_elements_that_succeeded_are_taken_over(tmp_path: Path) -> None:
    blobs = BlobStore(str(tmp_path))
    array = node("a", Phase.FAILED)
    array.input_uri = f"{tmp_path}/old/a/data/inputs.pb"
    nodes = Nodes(array)
    task = task_execution_pb2.TaskExecution()
    for index, phase in ((500, TaskPhase.FAILED), (501, TaskPhase.SUCCEEDED), (502, TaskPhase.SUCCEEDED)):
        resource = event_pb2.ExternalResourceInfo(index=index, retry_attempt=2, phase=phase)
        task.closure.metadata.external_resources.append(resource)
    nodes.tasks = [task]
    outputs = literals_pb2.LiteralMap(literals={"o0": literals_pb2.Literal(hash="of 501")})
    await blobs.write_message(f"{tmp_path}/old/a/data/0/501/2/outputs.pb", outputs)

    request = arrays_pb2.RecoverElementsRequest(node=array.id, first=500, count=3, directory=f"{tmp_path}/new")
    found = await RecoveryActivities(blobs, nodes).recover_elements(request)

    # The file of the third is gone, so that element runs again.
    assert list(found.attempts) == [0, 3, 0]
    assert await blobs.read_message(f"{tmp_path}/new/501/2/outputs.pb", literals_pb2.LiteralMap) == outputs


async def test_a_fork_reads_the_levels_of_its_file_in_pages() -> None:
    uri = "s3://" + "x" * 1000
    level = execution_pb2.ReusedLevel(parent_id="n0")
    level.nodes.extend(
        execution_pb2.EarlierNode(node_id=f"n0-0-n{i}", has_outputs=True, output_uri=uri) for i in range(500)
    )
    file, data = content.pack(execution_pb2.ReusedNodes(levels=[level]), lambda sha256: f"memory://recovery/{sha256}")
    await store().write(file.uri, data)
    activities = RecoveryActivities(store(), Nodes())

    async def read(parent: str, token: str = "") -> execution_pb2.EarlierNodes:
        return await activities.read_earlier_nodes(
            execution_pb2.EarlierNodesRequest(execution_id=OLD, parent_id=parent, token=token, reused=file)
        )

    first = await read("n0")
    rest = await read("n0", first.token)

    assert [node.node_id for node in (*first.nodes, *rest.nodes)] == [node.node_id for node in level.nodes]
    assert first.token
    assert not rest.token
    assert first.ByteSize() < 512_000
    assert not (await read("n1")).nodes


async def test_a_node_is_known_by_its_name_as_well_as_by_its_id() -> None:
    found = node("a", Phase.SUCCEEDED)
    found.metadata.spec_node_id = "a-long-name"

    read = await RecoveryActivities(store(), Nodes(found)).read_earlier_nodes(
        execution_pb2.EarlierNodesRequest(execution_id=OLD)
    )

    assert [earlier.spec_node_id for earlier in read.nodes] == ["a-long-name"]
