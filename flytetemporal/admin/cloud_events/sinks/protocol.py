"""What every sink does, and what it is given."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """A CloudEvent, version 1.0. ``row`` identifies it here, ``execution`` is what orders it."""

    row: int
    execution: str
    id: str
    source: str
    type: str
    time: datetime
    data: dict[str, Any]


@dataclass(slots=True)
class Outcome:
    """What became of a batch: the rows that the sink has, those that it refuses for good, and why the others wait."""

    accepted: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    problem: str = ""


class Sink(Protocol):
    """Takes events."""

    async def send(self, events: Sequence[CloudEvent]) -> Outcome:
        """Send events, those of an execution in their order, for at most ``BATCH_SECONDS``.

        Of an execution none is sent before the one before it was accepted or refused. Raises nothing.
        """


BATCH_SECONDS = 60.0
