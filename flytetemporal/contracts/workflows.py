"""Names that admin and workers share: workflow types, signals, queries, task queues, search attributes.

They are part of every history and of every running deployment, so none of them can change.
"""

from flytetemporal.contracts.v1 import backfills_pb2

EXECUTION_WORKFLOW = "ExecutionWorkflow"
# Runs consecutive elements of an array node with many elements.
ARRAY_WORKFLOW = "ArrayWorkflow"
# Argument: the id of a Flyte signal that now has a value.
SIGNAL_SET = "signal_set"
# Argument: ChildState with an outcome.
CHILD_ENDED = "child_ended"
# An update. Argument: edits.EditCommand; result: edits.EditResponse.
EDIT = "edit"
# Argument: pauses.Pauses, those that apply to the execution now.
PAUSES = "pauses"
# To a shard of an array. Argument: edits.Edits with the changes of the array's node.
ARRAY_CHANGED = "array_changed"
# Argument: a node id, empty for all nodes; result: operations.Waits.
QUERY_WAITS = "waits"
# Why a worker refuses a query; see ``cli/wiring/workflow_runner``.
QUERY_IS_AHEAD = "the query came with events that no workflow task has handled yet; repeat it"
SWEEPER_WORKFLOW = "SweeperWorkflow"
# The rounds of one loop of the control worker.
UPKEEP_WORKFLOW = "UpkeepWorkflow"
# Starts the next round of a loop now. No argument.
WAKE = "wake"
# A time of the schedule of a launch plan.
SCHEDULED_LAUNCH_WORKFLOW = "ScheduledLaunchWorkflow"
BACKFILL_WORKFLOW = "BackfillWorkflow"
# No argument: what is recorded of the backfill has changed.
BACKFILL_CHANGED = "backfill_changed"

SEARCH_PROJECT = "FlyteProject"
SEARCH_DOMAIN = "FlyteDomain"
SEARCH_EXECUTION = "FlyteExecution"
SEARCH_WORKFLOW = "FlyteWorkflow"
SEARCH_ATTRIBUTES = (SEARCH_PROJECT, SEARCH_DOMAIN, SEARCH_EXECUTION, SEARCH_WORKFLOW)


def engine_queue(cluster: str) -> str:
    """Return the task queue of workflows and of the engine's short activities."""
    return f"fte-{cluster}"


def task_queue(cluster: str) -> str:
    """Return the task queue of task attempts."""
    return f"fte-{cluster}-tasks"


def eager_queue(cluster: str) -> str:
    """Return the task queue of eager task attempts.

    They mostly wait for other tasks of the cluster. In the same queue they could take all slots and wait forever.
    """
    return f"fte-{cluster}-eager"


def backfill_workflow_id(backfill: backfills_pb2.BackfillId) -> str:
    """Return the Temporal workflow id of a backfill."""
    return f"flyte-backfill:{backfill.project}:{backfill.domain}:{backfill.name}"


CONTROL_QUEUE = "fte-control"
"""The task queue of the control plane's own workflows and activities."""


def upkeep_id(loop: str) -> str:
    """Return the Temporal workflow id of a loop of the control worker."""
    return f"flytetemporal-upkeep:{loop}"
