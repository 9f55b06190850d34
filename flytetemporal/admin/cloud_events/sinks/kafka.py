"""CloudEvents in Kafka, in the binary mode of the Kafka binding: attributes as headers, the data as the value.

The key of a record is its execution, so that all events of an execution are in one partition, in their order. Flyte
uses the id of the event, which spreads them over all partitions.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from flytetemporal.admin.cloud_events.sinks.protocol import BATCH_SECONDS, CloudEvent, Outcome
from flytetemporal.config.events import EventSettings
from flytetemporal.errors import Unavailable


class KafkaSink:
    """Writes events to a topic."""

    def __init__(self, settings: EventSettings, producer: AIOKafkaProducer) -> None:
        self._topic = settings.kafka_topic
        self._producer = producer

    async def send(self, events: Sequence[CloudEvent]) -> Outcome:
        """Send a batch; an event counts as accepted if all replicas have it, and those before it in its execution."""
        outcome = Outcome()
        try:
            async with asyncio.timeout(BATCH_SECONDS):
                sent = [(event, await self._enqueue(event, outcome)) for event in events]
                found = await asyncio.gather(*(future for _, future in sent if future), return_exceptions=True)
        except (KafkaError, TimeoutError) as e:
            outcome.problem = f"Kafka does not take events: {str(e) or type(e).__name__}"
            outcome.refused.clear()  # What was before them may not have arrived.
            return outcome
        results = iter(found)
        failed: set[str] = set()
        for event, future in sent:
            problem = next(results) if future else None
            if isinstance(problem, BaseException):
                failed.add(event.execution)
                outcome.problem = f"Kafka does not take events: {str(problem) or type(problem).__name__}"
            elif future and event.execution not in failed:
                outcome.accepted.append(event.row)
        return outcome

    async def _enqueue(self, event: CloudEvent, outcome: Outcome) -> "asyncio.Future[object] | None":
        """Return the future of an event; None if it is larger than Kafka allows."""
        value = json.dumps(event.data, separators=(",", ":")).encode()
        try:
            future: asyncio.Future[object] = await self._producer.send(
                self._topic, value=value, key=event.execution.encode(), headers=_headers(event)
            )
        except MessageSizeTooLargeError:
            outcome.refused.append(event.row)
            return None
        return future


def _headers(event: CloudEvent) -> list[tuple[str, bytes]]:
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": event.id,
        "ce_source": event.source,
        "ce_type": event.type,
        "ce_time": event.time.isoformat(),
        "content-type": "application/json",
    }
    return [(name, value.encode()) for name, value in attributes.items()]


@contextlib.asynccontextmanager
async def sink(settings: EventSettings, tls: ssl.SSLContext) -> AsyncIterator[KafkaSink]:
    """Connect to Kafka while the context is open.

    Raises:
        Unavailable: no broker answers.
    """
    with_password = settings.kafka_security.startswith("SASL_")
    producer = AIOKafkaProducer(
        bootstrap_servers=list(settings.kafka_brokers),
        client_id="flytetemporal",
        acks="all",
        # Kafka drops what it gets twice within a session, and keeps the order of a partition when it is sent again.
        enable_idempotence=True,
        request_timeout_ms=int(settings.timeout.total_seconds() * 1000),
        security_protocol=settings.kafka_security,
        ssl_context=tls if settings.kafka_security.endswith("SSL") else None,
        sasl_mechanism=settings.kafka_mechanism if with_password else "PLAIN",
        sasl_plain_username=settings.kafka_username if with_password else None,
        sasl_plain_password=settings.kafka_password.get_secret_value() if with_password else None,
    )
    try:
        await producer.start()
    except KafkaError as e:
        await producer.stop()
        raise Unavailable(f"no Kafka broker of {', '.join(settings.kafka_brokers)} answers: {e}") from e
    try:
        yield KafkaSink(settings, producer)
    finally:
        await producer.stop()
