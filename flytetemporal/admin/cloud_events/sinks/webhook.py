"""CloudEvents over HTTP, in the structured mode of the HTTP binding: one request for each event."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from flytetemporal.admin.cloud_events.sinks.protocol import BATCH_SECONDS, CloudEvent, Outcome
from flytetemporal.admin.outbox.http import HttpPoster
from flytetemporal.config.events import EventSettings
from flytetemporal.errors import Unavailable

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
# Executions whose events are sent at once.
PARALLEL = 8
_LATER = (401, 403, 404, 408, 425, 429)


class WebhookSink:
    """Posts events to one URL."""

    def __init__(self, settings: EventSettings, http: HttpPoster) -> None:
        self._url = settings.webhook_url
        self._http = http
        self._headers = {"Content-Type": CONTENT_TYPE, "User-Agent": "flytetemporal"}
        token = settings.webhook_token.get_secret_value()
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    async def send(self, events: Sequence[CloudEvent]) -> Outcome:
        """Send the events of several executions at once, those of each one after another."""
        outcome, deadline = Outcome(), asyncio.get_running_loop().time() + BATCH_SECONDS
        by_execution: dict[str, list[CloudEvent]] = defaultdict(list)
        for event in events:
            by_execution[event.execution].append(event)
        # Shared by all senders: an execution that one has taken belongs to it until the end of the batch.
        waiting = iter(by_execution.values())
        async with asyncio.TaskGroup() as group:
            for _ in range(PARALLEL):
                group.create_task(self._send_some(waiting, outcome, deadline))
        return outcome

    async def _send_some(self, waiting: Iterator[Sequence[CloudEvent]], outcome: Outcome, deadline: float) -> None:
        for events in waiting:
            for event in events:
                # What one sender learns of the URL holds for all: they stop, and the next round starts here again.
                if outcome.problem or asyncio.get_running_loop().time() > deadline:
                    return
                await self._post(event, outcome)

    async def _post(self, event: CloudEvent, outcome: Outcome) -> None:
        content = json.dumps(structured(event), separators=(",", ":")).encode()
        try:
            answer = await self._http.post(self._url, "the sink of events", headers=self._headers, content=content)
        except Unavailable as e:
            outcome.problem = e.message
            return
        if 200 <= answer.status < 300:
            outcome.accepted.append(event.row)
        elif 400 <= answer.status < 500 and answer.status not in _LATER:
            # It would be refused again, and hold up all that follow.
            outcome.refused.append(event.row)
        else:
            outcome.problem = f"the sink of events answered {answer.remark}"


def structured(event: CloudEvent) -> dict[str, Any]:
    """Return an event in the JSON format of CloudEvents."""
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "time": event.time.isoformat(),
        "datacontenttype": "application/json",
        "data": event.data,
    }
