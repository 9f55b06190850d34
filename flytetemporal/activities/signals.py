"""Read the signals that gate nodes wait for. Admin stores them."""

from collections.abc import Callable
from typing import Any, Protocol

from flyteidl.admin import signal_pb2
from flyteidl.core import literals_pb2
from temporalio import activity

from flytetemporal.activities import data
from flytetemporal.activities.offloading import DEFAULTS, Limits, Offloading
from flytetemporal.contracts import limits
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.idl import locations
from flytetemporal.storage.blobs import BlobStore


class SignalSource(Protocol):
    """The source of signals: admin's client, or a dictionary in a test."""

    async def get_or_create_signal(self, request: signal_pb2.SignalGetOrCreateRequest) -> signal_pb2.Signal:
        """Return a signal; create it with the given type if it is new.

        Raises:
            Unavailable: admin does not answer.
        """


class SignalActivities:
    """``read_signal`` of ``contracts/activities``."""

    def __init__(self, blobs: BlobStore, source: SignalSource, limits: Limits = DEFAULTS) -> None:
        self._blobs = blobs
        self._offloading = Offloading(blobs, limits)
        self._source = source

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for the worker."""
        return [self.read_signal]

    @activity.defn
    async def read_signal(self, request: execution_pb2.SignalRequest) -> execution_pb2.SignalState:
        """Make a signal known to clients. If it has a value, return it, and write it as the gate's outputs."""
        signal = await self._source.get_or_create_signal(
            signal_pb2.SignalGetOrCreateRequest(id=request.id, type=request.type)
        )
        if not signal.HasField("value"):
            return execution_pb2.SignalState()
        outputs = literals_pb2.LiteralMap(literals={request.variable: signal.value})
        if not request.write_to:  # An approval, whose value the engine itself reads.
            answer = await self._offloading.inlined(outputs, limit=limits.MAX_INLINE_LITERALS_BYTES)
            return execution_pb2.SignalState(outputs=execution_pb2.NodeOutputs(literals=answer))
        await self._offloading.offload(outputs, locations.parent(request.write_to))
        await self._blobs.write_message(request.write_to, outputs)
        return execution_pb2.SignalState(outputs=data.node_outputs(outputs, request.write_to))
