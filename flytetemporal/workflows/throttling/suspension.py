"""How a node says that it can be parked: what runs it ends, and begins again when it wakes.

A sleeping coroutine costs some 15 kB of memory, what is kept of a parked node two. It goes on from its ``OpenNode``,
as it would in a run that continues this one.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from google.protobuf import timestamp_pb2

if TYPE_CHECKING:
    from flytetemporal.workflows.node.node_run import NodeRun


class Parked(Exception):
    """The node sleeps ``until`` then; ``tell_aborted`` reports of its task when it is stopped before."""

    def __init__(self, until: timestamp_pb2.Timestamp, tell_aborted: "Callable[[NodeRun], None]") -> None:
        super().__init__("the node sleeps")
        self.until = until
        self.tell_aborted = tell_aborted
