"""EventService: what workers report, in batches. Our own service; Flyte's three event RPCs are in AdminService."""

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.events import batches
from flytetemporal.contracts.v1 import events_pb2


class EventService:
    """Takes events of one execution at a time."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    async def RecordEvents(self, request: events_pb2.RecordEventsRequest) -> events_pb2.RecordEventsResponse:
        """Apply the events in one transaction; repeated and late ones change nothing."""
        return await batches.record_events(self._deps, request)
