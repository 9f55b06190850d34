"""What can be reused of the nodes of an execution that is recovered."""

from flyteidl.admin import node_execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2

from flytetemporal import errors
from flytetemporal.activities.recovery import RecoveryActivities
from flytetemporal.contracts.v1 import execution_pb2

Phase = core_execution_pb2.NodeExecution
OLD = identifier_pb2.WorkflowExecutionIdentifier(project="p", domain="d", name="old")


class Nodes:
    """Admin's node executions: one level."""

    def __init__(self, *nodes: node_execution_pb2.NodeExecution) -> None:
        self.nodes = nodes

    async def list_node_executions(
        self, request: node_execution_pb2.NodeExecutionListRequest
    ) -> node_execution_pb2.NodeExecutionList:
        if request.unique_parent_id:
            raise errors.NotFound("no such node")
        return node_execution_pb2.NodeExecutionList(node_executions=self.nodes, token="200")


def node(name: str, phase: core_execution_pb2.NodeExecution.Phase) -> node_execution_pb2.NodeExecution:
    return node_execution_pb2.NodeExecution(
        id=identifier_pb2.NodeExecutionIdentifier(node_id=name, execution_id=OLD),
        input_uri=f"s/{name}/inputs.pb",
        closure=node_execution_pb2.NodeExecutionClosure(phase=phase, output_uri=f"s/{name}/outputs.pb"),
    )


async def test_outputs_of_nodes_that_succeeded_or_were_recovered_are_reused() -> None:
    nodes = Nodes(node("a", Phase.SUCCEEDED), node("b", Phase.RECOVERED), node("c", Phase.SKIPPED))

    read = await RecoveryActivities(nodes).read_earlier_nodes(execution_pb2.EarlierNodesRequest(execution_id=OLD))

    assert [(found.node_id, found.has_outputs, found.output_uri) for found in read.nodes] == [
        ("a", True, "s/a/outputs.pb"),
        ("b", True, "s/b/outputs.pb"),
    ]
    assert read.token == "200"


async def test_of_a_node_that_failed_its_checkpoint_and_its_workflow_are_reused() -> None:
    failed = node("a", Phase.FAILED)
    failed.closure.task_node_metadata.checkpoint_uri = "s/a/_checkpoints"
    failed.closure.dynamic_job_spec_uri = "s/a/data/0/futures.pb"

    read = await RecoveryActivities(Nodes(failed)).read_earlier_nodes(
        execution_pb2.EarlierNodesRequest(execution_id=OLD)
    )

    assert read.nodes == [
        execution_pb2.EarlierNode(node_id="a", checkpoint_uri="s/a/_checkpoints", futures_uri="s/a/data/0/futures.pb")
    ]


async def test_nothing_is_reused_below_a_node_that_never_ran() -> None:
    request = execution_pb2.EarlierNodesRequest(execution_id=OLD, parent_id="n9")

    assert await RecoveryActivities(Nodes()).read_earlier_nodes(request) == execution_pb2.EarlierNodes()
