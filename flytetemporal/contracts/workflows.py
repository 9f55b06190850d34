"""Names that admin and workers share: workflow types, task queues, search attributes."""

EXECUTION_WORKFLOW = "ExecutionWorkflow"
# Runs a row of elements of an array node that has many.
ARRAY_WORKFLOW = "ArrayWorkflow"
# Argument: the id of a Flyte signal that was given a value.
SIGNAL_SET = "signal_set"
# Argument: ChildState with an outcome.
CHILD_ENDED = "child_ended"
# Argument: a node id, empty for all; result: operations.Waits.
QUERY_WAITS = "waits"
SWEEPER_WORKFLOW = "SweeperWorkflow"

SEARCH_PROJECT = "FlyteProject"
SEARCH_DOMAIN = "FlyteDomain"
SEARCH_EXECUTION = "FlyteExecution"
SEARCH_WORKFLOW = "FlyteWorkflow"
SEARCH_ATTRIBUTES = (SEARCH_PROJECT, SEARCH_DOMAIN, SEARCH_EXECUTION, SEARCH_WORKFLOW)

# Literals of one node travel inline up to this size, the map as a whole; anything larger stays in the store.
INLINE_LITERALS_BYTES = 16 * 1024
# Gzipped graphs up to this size travel in the start argument.
INLINE_GRAPH_BYTES = 256 * 1024
# A larger one could not travel at all: it is one payload, of which Temporal takes 2 MB.
MOST_GRAPH_BYTES = 1536 * 1024
# Constants of a graph from this size on lie in files of their own.
CONSTANT_BYTES = 16 * 1024
# What every activity of an execution is told of its settings.
MOST_SETTINGS_BYTES = 128 * 1024
# A map that an activity returns although it lies nowhere else.
MOST_RETURNED_BYTES = 256 * 1024


def engine_queue(cluster: str) -> str:
    """Return the task queue of workflows and of the engine's short activities."""
    return f"fte-{cluster}"


def task_queue(cluster: str) -> str:
    """Return the task queue of task attempts."""
    return f"fte-{cluster}-tasks"


def eager_queue(cluster: str) -> str:
    """Return the task queue of attempts of eager tasks, which mostly wait for other tasks of the cluster."""
    return f"fte-{cluster}-eager"


CONTROL_QUEUE = "fte-control"
"""The task queue of the control plane's own workflows and activities."""
