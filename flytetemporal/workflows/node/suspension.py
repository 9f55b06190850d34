"""How a node asks to be suspended: its coroutine ends, and a new one starts when the node wakes.

A sleeping coroutine takes about 15 kB of memory, a suspended node 2 kB. The node continues from its ``OpenNode``, as it
would in a run that continues this one.
"""

from collections.abc import Callable

from google.protobuf import timestamp_pb2

from flytetemporal.workflows.node.node_run import NodeRun
from flytetemporal.workflows.throttling.suspension import Suspended


class NodeSuspended(Suspended):
    """The node sleeps ``until`` then. ``report_aborted`` reports the end of its task if it is stopped before that."""

    def __init__(self, until: timestamp_pb2.Timestamp, report_aborted: Callable[[NodeRun], None]) -> None:
        super().__init__("the node sleeps")
        self.until = until
        self.report_aborted = report_aborted
