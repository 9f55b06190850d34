"""Nodes of a crowd that sleep are parked: what runs them ends, and begins again when they wake.

A sleeping coroutine costs some 15 kB of memory, what is kept of a parked node one. It goes on from its ``OpenNode``,
as it would in a run that continues this one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf import timestamp_pb2

from flytetemporal.workflows.alarms import Alarm

if TYPE_CHECKING:
    from flytetemporal.workflows.node import NodeRun


class Parked(Exception):
    """The node sleeps ``until`` then; ``tell_aborted`` reports of its task when it is stopped before."""

    def __init__(self, until: timestamp_pb2.Timestamp, tell_aborted: "Callable[[NodeRun], None]") -> None:
        super().__init__("the node sleeps")
        self.until = until
        self.tell_aborted = tell_aborted


@dataclass(frozen=True, slots=True)
class Sleeper:
    """A parked node. ``since`` it sleeps."""

    alarm: Alarm
    until: timestamp_pb2.Timestamp
    since: timestamp_pb2.Timestamp
    tell_aborted: "Callable[[NodeRun], None]"
