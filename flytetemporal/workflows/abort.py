"""Why nodes are being cancelled: the reason that their ABORTED events name."""

from dataclasses import dataclass

WORKFLOW_ABORTED = "Workflow aborted."
SIBLING_FAILED = "Some node execution failed, auto-abort."
ABOVE_TIMED_OUT = "A node above has timed out, auto-abort."


@dataclass(slots=True)
class Abort:
    """The reason of the current cancellation at one level, set before the level stops its nodes.

    Each level has its own, since two levels can stop their nodes at the same time, each for another reason.
    """

    above: "Abort | None" = None
    # Empty unless this level stops its nodes itself.
    own_reason: str = ""

    @property
    def reason(self) -> str:
        """The reason of the nearest level that stops its nodes.

        If none does, the deadline of a node above has expired: the one cancellation that no level starts.
        """
        if self.own_reason or self.above is None:
            return self.own_reason or ABOVE_TIMED_OUT
        return self.above.reason
