"""How a node ends: with values, or with an error."""

from dataclasses import dataclass
from datetime import timedelta

from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import literals_pb2

from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.idl import error_text, times

UNKNOWN = core_execution_pb2.ExecutionError.UNKNOWN
USER = core_execution_pb2.ExecutionError.USER
SYSTEM = core_execution_pb2.ExecutionError.SYSTEM

BINDING_FAILURE = "BindingResolutionFailure"


@dataclass(frozen=True, slots=True)
class Values:
    """The inputs or outputs of a node, inline while small. ``uri`` is where the map is stored or will be."""

    literals: literals_pb2.LiteralMap | None
    uri: str

    def message(self, *, inline: bool = True) -> execution_pb2.NodeOutputs:
        """Return the values as an argument of an activity: the URI if they are not inline or ``inline`` is false."""
        if inline and self.literals is not None:
            return execution_pb2.NodeOutputs(literals=self.literals)
        return execution_pb2.NodeOutputs(uri=self.uri)


class NodeFailure(Exception):
    """A node failed and no attempt follows. ``checkpoint_uri`` is set if a task attempt itself reported the failure."""

    def __init__(self, error: core_execution_pb2.ExecutionError, *, checkpoint_uri: str = "") -> None:
        super().__init__(f"{error.code}: {error.message[:200]}")
        self.error = error
        self.checkpoint_uri = checkpoint_uri


class NodeTimedOut(NodeFailure):
    """The deadline of the node over all its attempts has stopped it: it ends TIMED_OUT."""


def timed_out(node_id: str, limit: timedelta, timeout: timedelta) -> NodeTimedOut:
    """Return the failure of a node that was open for ``limit``; an attempt of it may take ``timeout``."""
    text = (
        f"Timeout in node [{node_id}]: it was open for {times.go_text(limit)}, the limit of all its attempts and waits "
        f"together; the timeout of one attempt is {times.go_text(timeout)}"
    )
    return NodeTimedOut(execution_error("Timeout", text, USER))


def user_failure(code: str, message: str) -> NodeFailure:
    """Return a failure that the user must fix."""
    return NodeFailure(execution_error(code, message, USER))


def system_failure(code: str, message: str) -> NodeFailure:
    """Return a failure that the user has not caused."""
    return NodeFailure(execution_error(code, message, SYSTEM))


def execution_error(
    code: str, message: str, kind: core_execution_pb2.ExecutionError.ErrorKind
) -> core_execution_pb2.ExecutionError:
    """Return an error; the middle of a message over Flyte's limit is cut."""
    return core_execution_pb2.ExecutionError(code=code, message=error_text.shortened(message), kind=kind)
