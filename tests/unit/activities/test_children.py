from pathlib import Path

import pytest
from flyteidl.admin import execution_pb2 as admin_execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2

from flytetemporal import errors
from flytetemporal.activities.children import ChildActivities
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.storage.blobs import BlobStore

Phase = core_execution_pb2.WorkflowExecution
CHILD = identifier_pb2.WorkflowExecutionIdentifier(project="p", domain="d", name="child")


class Executions:
    """Admin's executions. ``refusal`` is the error of launches and aborts."""

    def __init__(self) -> None:
        self.created: list[admin_execution_pb2.ExecutionCreateRequest] = []
        self.known: dict[str, admin_execution_pb2.Execution] = {}
        self.refusal: errors.FlyteError | None = None

    async def create_execution(self, request: admin_execution_pb2.ExecutionCreateRequest) -> None:
        if self.refusal is not None:
            raise self.refusal
        if request.name in self.known:
            raise errors.AlreadyExists("taken")
        self.created.append(request)
        self.known[request.name] = admin_execution_pb2.Execution(spec=request.spec)

    async def get_execution(
        self, identifier: identifier_pb2.WorkflowExecutionIdentifier
    ) -> admin_execution_pb2.Execution:
        if identifier.name not in self.known:
            raise errors.NotFound("no such execution")
        return self.known[identifier.name]

    async def terminate_execution(self, request: admin_execution_pb2.ExecutionTerminateRequest) -> None:
        if self.refusal is not None:
            raise self.refusal


@pytest.fixture
def executions() -> Executions:
    return Executions()


@pytest.fixture
def children(executions: Executions, tmp_path: Path) -> ChildActivities:
    return ChildActivities(BlobStore(str(tmp_path)), executions)


def integer(value: int) -> literals_pb2.LiteralMap:
    literal = literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=value)))
    return literals_pb2.LiteralMap(literals={"a": literal})


def request(node: str = "n0") -> execution_pb2.LaunchRequest:
    create = admin_execution_pb2.ExecutionCreateRequest(project="p", domain="d", name="child")
    create.spec.metadata.parent_node_execution.node_id = node
    return execution_pb2.LaunchRequest(create=create, inputs=execution_pb2.NodeOutputs(literals=integer(3)))


async def test_a_child_is_launched_once(children: ChildActivities, executions: Executions) -> None:
    for _ in range(2):
        assert not (await children.launch_child(request())).HasField("error")

    assert [one.inputs for one in executions.created] == [integer(3)]


async def test_a_name_of_another_execution_is_refused(children: ChildActivities) -> None:
    await children.launch_child(request("another"))

    result = await children.launch_child(request())

    assert (result.error.code, result.error.kind) == ("RuntimeExecutionError", result.error.USER)


async def test_large_inputs_are_read_from_the_store(
    children: ChildActivities, executions: Executions, tmp_path: Path
) -> None:
    (tmp_path / "inputs.pb").write_bytes(integer(8).SerializeToString())
    launch = request()
    launch.inputs.uri = f"{tmp_path}/inputs.pb"

    await children.launch_child(launch)

    assert executions.created[0].inputs == integer(8)


async def test_what_may_pass_is_tried_again_and_what_cannot_is_the_users(
    children: ChildActivities, executions: Executions
) -> None:
    executions.refusal = errors.Unavailable("not now")
    with pytest.raises(errors.Unavailable):
        await children.launch_child(request())
    executions.refusal = errors.InvalidRequest("invalid input a")

    assert (await children.launch_child(request())).error.message == "invalid input a"


async def test_a_child_is_read_once_it_has_ended(children: ChildActivities, executions: Executions) -> None:
    execution = executions.known["child"] = admin_execution_pb2.Execution()
    execution.closure.phase = Phase.RUNNING
    assert not (await children.read_child(CHILD)).HasField("outcome")
    execution.closure.phase = Phase.SUCCEEDED
    execution.closure.outputs.uri = "memory://out"

    outcome = (await children.read_child(CHILD)).outcome

    assert (outcome.phase, outcome.output_uri) == (Phase.SUCCEEDED, "memory://out")


@pytest.mark.parametrize("refusal", [errors.NotFound("none"), errors.AlreadyTerminal("over"), None])
async def test_a_child_that_is_over_needs_no_abort(
    children: ChildActivities, executions: Executions, refusal: errors.FlyteError | None
) -> None:
    executions.refusal = refusal

    await children.terminate_child(admin_execution_pb2.ExecutionTerminateRequest(id=CHILD, cause="enough"))


async def test_outputs_are_copied(children: ChildActivities, tmp_path: Path) -> None:
    (tmp_path / "from.pb").write_bytes(integer(5).SerializeToString())

    copied = await children.copy_outputs(
        execution_pb2.CopyRequest(from_uri=f"{tmp_path}/from.pb", to_uri=f"{tmp_path}/to.pb")
    )

    assert copied.literals == integer(5)
    assert literals_pb2.LiteralMap.FromString((tmp_path / "to.pb").read_bytes()) == integer(5)
