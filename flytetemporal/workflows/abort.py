"""Why nodes are being cancelled: the reason that their ABORTED events name."""

from dataclasses import dataclass

WORKFLOW_ABORTED = "Workflow aborted."
SIBLING_FAILED = "Some node execution failed, auto-abort."
ABOVE_TIMED_OUT = "A node above has timed out, auto-abort."


@dataclass(slots=True)
class Abort:
    """The reason of the current cancellation, shared by all levels of an execution and set before nodes are cancelled.

    The default is the reason of the one cancellation that no walk starts: that by the deadline of a node above.
    """

    reason: str = ABOVE_TIMED_OUT
