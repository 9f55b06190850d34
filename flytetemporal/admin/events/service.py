"""EventService: takes batches of events from workers. It is our own; Flyte's three event RPCs are in AdminService."""

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.events import batches
from flytetemporal.contracts.v1 import events_pb2


class EventService:
    """Applies batches of events; each batch is of one execution."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    async def RecordEvents(self, request: events_pb2.RecordEventsRequest) -> events_pb2.RecordEventsResponse:
        """Apply the events in one transaction. Repeated and late events change nothing."""
        return await batches.record_events(self._deps, request)
