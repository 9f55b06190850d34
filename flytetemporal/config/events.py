"""Settings of CloudEvents: where the events of executions are sent."""

import importlib.util
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from flytetemporal.config.notifications import certificates
from flytetemporal.config.part import Part

EventType = Literal["start", "workflow", "node", "task"]
_REQUIRED = {"": (), "webhook": ("webhook_url",), "kafka": ("kafka_brokers", "kafka_topic")}


class EventSettings(Part):
    """Where the events of executions are sent as CloudEvents. Admin and control workers need the same ones."""

    sink: Literal["", "webhook", "kafka"] = ""
    """Empty: nowhere, and none are recorded."""
    types: tuple[EventType, ...] = ("start", "workflow", "node", "task")
    """The events to send: that an execution was created, and what workflows, nodes and tasks report."""
    enrich_all: bool = False
    """Whether all events of executions and nodes name launch plan, labels and principal. Otherwise only those of
    success do, as in Flyte."""
    webhook_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    """The URL to which each event is posted. Only operators set it, so it may have any host."""
    webhook_token: SecretStr = SecretStr("")
    """Sent as bearer token; empty: none is."""
    kafka_brokers: tuple[str, ...] = ()
    """Hosts and ports of the first brokers to ask."""
    kafka_topic: str = ""
    """The topic; the key of a record is its execution."""
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """Kafka's ``security.protocol``."""
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    """Kafka's ``sasl.mechanism``; only with ``SASL_``."""
    kafka_username: str = ""
    """The user; only with ``SASL_``."""
    kafka_password: SecretStr = SecretStr("")
    """The password; only with ``SASL_``."""
    ca_file: Annotated[str, AfterValidator(certificates)] = ""
    """PEM file of certificates to trust besides the usual ones."""
    timeout: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0), le=timedelta(minutes=1))
    """Limit of one request to the sink."""
    max_waiting: int = Field(default=1_000_000, ge=1)
    """Events that wait for the sink at most; further ones are dropped and counted. A run never waits for the sink."""

    @model_validator(mode="after")
    def _complete(self) -> "EventSettings":
        missing = [name for name in _REQUIRED[self.sink] if not getattr(self, name)]
        if missing:
            raise ValueError(f"sink {self.sink} needs {' and '.join(missing)}")
        if self.sink == "kafka" and importlib.util.find_spec("aiokafka") is None:
            raise ValueError("sink kafka needs the package aiokafka: pip install 'flytetemporal[kafka]'")
        if self.kafka_security.startswith("SASL_") and not self.kafka_username:
            raise ValueError(f"kafka_security {self.kafka_security} needs kafka_username and kafka_password")
        return self
