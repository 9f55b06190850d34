"""Phases of executions, nodes and tasks: their order, which of them are final, and which changes Flyte refuses.

There are two ways to apply events. Flyte's own event RPCs refuse repeated and late events (``check_*``, after
flyteadmin's pkg/manager/impl/{execution,node_execution,task_execution}_manager.go). Our batches refuse nothing: a phase
only moves forward by rank, so any order and any repetition of events ends in the same phase.
"""

from flyteidl.admin import event_pb2 as admin_event_pb2
from flyteidl.core import execution_pb2
from flyteidl.event import event_pb2

from flytetemporal import errors
from flytetemporal.idl import identifiers

W = execution_pb2.WorkflowExecution
N = execution_pb2.NodeExecution
T = execution_pb2.TaskExecution

WORKFLOW_TERMINAL = frozenset({W.SUCCEEDED, W.FAILED, W.ABORTED, W.TIMED_OUT})
NODE_TERMINAL = frozenset({N.SUCCEEDED, N.FAILED, N.TIMED_OUT, N.ABORTED, N.SKIPPED, N.RECOVERED})
TASK_TERMINAL = frozenset({T.SUCCEEDED, T.FAILED, T.ABORTED})

# The default producer id of Flyte's engine. Events with it are accepted on every cluster.
ANY_PRODUCER = "propeller"

_FINAL = 100
_WORKFLOW_ORDER = (W.UNDEFINED, W.QUEUED, W.RUNNING, W.SUCCEEDING, W.FAILING, W.ABORTING)
_NODE_ORDER = (N.UNDEFINED, N.QUEUED, N.RUNNING, N.DYNAMIC_RUNNING, N.FAILING)
_TASK_ORDER = (T.UNDEFINED, T.QUEUED, T.WAITING_FOR_RESOURCES, T.INITIALIZING, T.RUNNING, T.RETRYABLE_FAILED)

_WORKFLOW_RANK = {phase: rank for rank, phase in enumerate(_WORKFLOW_ORDER)}
_NODE_RANK = {phase: rank for rank, phase in enumerate(_NODE_ORDER)}
_TASK_RANK = {phase: rank for rank, phase in enumerate(_TASK_ORDER)}


def workflow_rank(phase: W.Phase) -> int:
    """Return the position of a phase in its life cycle; all final phases share the highest rank."""
    return _WORKFLOW_RANK.get(phase, _FINAL)


def node_rank(phase: N.Phase) -> int:
    """Return the position of a phase in its life cycle; all final phases share the highest rank."""
    return _NODE_RANK.get(phase, _FINAL)


def task_rank(phase: T.Phase) -> int:
    """Return the position of a phase in its life cycle; all final phases share the highest rank."""
    return _TASK_RANK.get(phase, _FINAL)


def check_workflow_event(current: W.Phase, cluster: str, event: event_pb2.WorkflowExecutionEvent) -> None:
    """Check that Flyte accepts an event of an execution.

    Raises:
        AlreadyExists: the phase is recorded already.
        AlreadyTerminal: the execution has ended.
        FailedPrecondition: the phase would move back, the execution is being aborted, or another cluster owns it.
    """
    target = event.phase
    if target == current and target != W.QUEUED:
        raise errors.AlreadyExists(
            f"phase {W.Phase.Name(target)} is already recorded for execution"
            f" [{identifiers.execution_text(event.execution_id)}]"
        )
    if target != W.QUEUED:
        check_producer(event.producer_id, cluster)
    if current in WORKFLOW_TERMINAL:
        raise already_terminal(W.Phase.Name(current), W.Phase.Name(target))
    if (current, target) == (W.RUNNING, W.QUEUED) or (current == W.ABORTING and target not in WORKFLOW_TERMINAL):
        raise errors.FailedPrecondition(
            f"execution [{identifiers.execution_text(event.execution_id)}] cannot go from"
            f" {W.Phase.Name(current)} to {W.Phase.Name(target)}"
        )


def check_node_event(current: N.Phase, event: event_pb2.NodeExecutionEvent) -> None:
    """Check that Flyte accepts an event of a known node.

    Raises:
        AlreadyExists: the phase is recorded already.
        AlreadyTerminal: the node has ended.
    """
    if event.phase == current:
        raise errors.AlreadyExists(
            f"phase {N.Phase.Name(current)} is already recorded for node execution [{identifiers.node_text(event.id)}]"
        )
    if current in NODE_TERMINAL:
        # The detail contains the reported phase, not the stored one: a quirk of Flyte that its clients see.
        raise already_terminal(N.Phase.Name(event.phase), N.Phase.Name(event.phase), N.Phase.Name(current))


def check_task_event(current: T.Phase, version: int, event: event_pb2.TaskExecutionEvent) -> None:
    """Check that Flyte accepts an event of a known task execution.

    Raises:
        AlreadyExists: the phase is recorded already in this version or a later one.
        AlreadyTerminal: the attempt has ended.
    """
    if event.phase == current and version >= event.phase_version:
        raise errors.AlreadyExists(
            f"phase {T.Phase.Name(current)} (version {version}) is already recorded for the task execution"
            f" of [{identifiers.unqualified_text(event.task_id)}]"
        )
    if current in TASK_TERMINAL:
        # The detail contains the reported phase, not the stored one: a quirk of Flyte that its clients see.
        raise already_terminal(T.Phase.Name(event.phase), T.Phase.Name(event.phase), T.Phase.Name(current))


def already_ended(phase: str) -> errors.AlreadyTerminal:
    """Return the error of an abort after the end, in Flyte's words."""
    error = already_terminal(phase, "ABORTING")
    return errors.AlreadyTerminal("Cannot abort an already terminated workflow execution", details=error.details)


def already_terminal(reported: str, target: str, stored: str = "") -> errors.AlreadyTerminal:
    """Return the error with the detail that Flyte's clients look for; ``reported`` is the phase in that detail."""
    detail = admin_event_pb2.EventFailureReason(
        already_in_terminal_state=admin_event_pb2.EventErrorAlreadyInTerminalState(current_phase=reported)
    )
    return errors.AlreadyTerminal(
        f"invalid phase change from {stored or reported} to {target}: it has ended already", details=[detail]
    )


def check_producer(producer: str, cluster: str) -> None:
    """Check that an event comes from the cluster that owns the execution.

    Raises:
        FailedPrecondition: it comes from another cluster; carries the detail that Flyte's clients look for.
    """
    if producer in ("", ANY_PRODUCER, cluster):
        return
    detail = admin_event_pb2.EventFailureReason(
        incompatible_cluster=admin_event_pb2.EventErrorIncompatibleCluster(cluster=producer)
    )
    raise errors.FailedPrecondition(
        f"the execution runs on cluster [{cluster}], not on [{producer}] that sent the event", details=[detail]
    )
