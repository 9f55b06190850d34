"""How a node ends: values it leaves, or the error it fails with."""

from dataclasses import dataclass

from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import literals_pb2

from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.idl import error_text

UNKNOWN = core_execution_pb2.ExecutionError.UNKNOWN
USER = core_execution_pb2.ExecutionError.USER
SYSTEM = core_execution_pb2.ExecutionError.SYSTEM

BINDING_FAILURE = "BindingResolutionFailure"


@dataclass(frozen=True, slots=True)
class Values:
    """The inputs or outputs of a node: inline while small; ``uri`` is where the map lies or will lie."""

    literals: literals_pb2.LiteralMap | None
    uri: str

    def message(self, *, inline: bool = True) -> execution_pb2.NodeOutputs:
        """Return the form that crosses to an activity."""
        if inline and self.literals is not None:
            return execution_pb2.NodeOutputs(literals=self.literals)
        return execution_pb2.NodeOutputs(uri=self.uri)


class NodeFailure(Exception):
    """A node failed for good. ``checkpoint_uri`` is set when a task attempt itself reported the failure."""

    def __init__(self, error: core_execution_pb2.ExecutionError, *, checkpoint_uri: str = "") -> None:
        super().__init__(f"{error.code}: {error.message[:200]}")
        self.error = error
        self.checkpoint_uri = checkpoint_uri


class NodeTimedOut(NodeFailure):
    """The node was stopped by its active deadline: it ends TIMED_OUT, without an error of its own."""

    def __init__(self) -> None:
        super().__init__(execution_error("Timeout", "Timeout in node", USER))


def user_failure(code: str, message: str) -> NodeFailure:
    """Return a failure that the user must mend."""
    return NodeFailure(execution_error(code, message, USER))


def system_failure(code: str, message: str) -> NodeFailure:
    """Return a failure that is not the user's."""
    return NodeFailure(execution_error(code, message, SYSTEM))


def execution_error(
    code: str, message: str, kind: core_execution_pb2.ExecutionError.ErrorKind
) -> core_execution_pb2.ExecutionError:
    """Return an error; a message over Flyte's limit loses its middle."""
    return core_execution_pb2.ExecutionError(code=code, message=error_text.shortened(message), kind=kind)
