"""Run policies from annotations: the timeout of an execution, retry rules, memory, and batches of map tasks.

FlyteIDL has no fields for them. Annotations can be set at every level (an execution, a launch plan, matching attributes
of a workflow, a domain or a project) and without a change of code:

``flytetemporal.io/timeout``  the longest duration of an execution, such as ``2h30m``
``flytetemporal.io/retry``    a YAML list of rules, each with any of ``task``, ``cause`` (USER, SYSTEM, UNKNOWN or an
                              error code), ``retries``, ``initial``, ``coefficient``, ``maximum``
``flytetemporal.io/on-failure``  ``hold``: a node that would fail waits for an operator; ``fail``: it fails
``flytetemporal.io/memory``   a YAML list of rules, each with ``maximum`` (a quantity) and any of ``task``, ``factor``,
                              ``steps``: what a task gets after it ran out of memory
``flytetemporal.io/map-batch``  the number of elements of a map task that may run one after another in one process,
                                0 to 100
``flytetemporal.io/priority``  1 (goes first) to 5 (goes last): the order in which executions get a free place of their
                              launch plan, and tasks a free slot of a worker; 3 if no level sets it
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Literal, TypeAlias, TypeVar

from flyteidl.admin import common_pb2
from google.protobuf import wrappers_pb2
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from flytetemporal.admin.settings import annotation_values
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.idl import quantities, times

PREFIX = "flytetemporal.io/"
TIMEOUT = f"{PREFIX}timeout"
RETRY = f"{PREFIX}retry"
MEMORY = f"{PREFIX}memory"
MAP_BATCH = f"{PREFIX}map-batch"
LARGEST_BATCH = 100
ON_FAILURE = f"{PREFIX}on-failure"
PRIORITY = f"{PREFIX}priority"
DEFAULT_PRIORITY = 3
# Temporal counts nanoseconds in 64 bits, which ends at 292 years; no execution is meant to run for a hundred.
LONGEST = timedelta(days=36_500)

Level: TypeAlias = tuple[str, common_pb2.Annotations]
"""The name of a level in error texts, and its annotations."""


def _parsed(text: object) -> timedelta:
    if not isinstance(text, str):
        raise ValueError("give a duration such as 90s or 2h30m")  # noqa: TRY004  pydantic wants a ValueError
    parsed = times.from_go_text(text)
    if parsed < timedelta():
        raise ValueError("a duration cannot be negative")
    if parsed > LONGEST:
        raise ValueError(f"a duration cannot be longer than {times.go_text(LONGEST)}")
    return parsed


Duration = Annotated[timedelta, BeforeValidator(_parsed)]


class RetryPolicy(BaseModel):
    """One rule of ``flytetemporal.io/retry``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    task: str = ""
    cause: str = ""
    retries: int | None = Field(default=None, ge=0, le=10_000)
    initial: Duration = timedelta()
    coefficient: float = Field(default=2.0, ge=1, allow_inf_nan=False)
    maximum: Duration | None = None

    def rule(self) -> execution_pb2.RetryRule:
        """Return the rule as part of the start argument of a workflow."""
        rule = execution_pb2.RetryRule(
            task=self.task,
            cause=self.cause,
            initial_interval=times.duration(self.initial),
            backoff_coefficient=self.coefficient,
        )
        if self.retries is not None:
            rule.retries.CopyFrom(wrappers_pb2.UInt32Value(value=self.retries))
        if self.maximum is not None:
            rule.maximum_interval.CopyFrom(times.duration(self.maximum))
        return rule


def _bytes(value: object) -> int:
    try:
        size = int(quantities.parse(str(value).strip()))
    except ValueError as e:
        raise ValueError("give an amount of memory such as 16Gi") from e
    if not 0 < size < 2**63:
        raise ValueError("an amount of memory is at least one byte and less than 8Ei")
    return size


class MemoryPolicy(BaseModel):
    """One rule of ``flytetemporal.io/memory``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    task: str = ""
    factor: float = Field(default=2.0, ge=1.1, le=100, allow_inf_nan=False)
    maximum: Annotated[int, BeforeValidator(_bytes)]
    steps: int = Field(default=4, ge=0, le=50)

    def rule(self, most: int) -> execution_pb2.MemoryRule:
        """Return the rule as part of the start argument of a workflow. ``most`` bounds the memory unless it is zero."""
        maximum = min(self.maximum, most) if most else self.maximum
        return execution_pb2.MemoryRule(task=self.task, factor=self.factor, maximum_bytes=maximum, steps=self.steps)


T = TypeVar("T")
_RETRIES = TypeAdapter(list[RetryPolicy])
_MEMORY = TypeAdapter(list[MemoryPolicy])
_DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)
_BATCH: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=0, le=LARGEST_BATCH)])
_PRIORITY: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(ge=1, le=5)])
_ON_FAILURE: TypeAdapter[str] = TypeAdapter(Literal["hold", "fail"])


@dataclass(frozen=True, slots=True)
class RunPolicies:
    """The merged policies of an execution. A zero ``timeout`` means no limit, no ``map_batch`` that workers set it."""

    timeout: timedelta = timedelta()
    rules: list[execution_pb2.RetryRule] = field(default_factory=list)
    memory_rules: list[execution_pb2.MemoryRule] = field(default_factory=list)
    map_batch: int | None = None
    # Empty: no level sets it.
    on_failure: str = ""
    # 0: no level sets it.
    priority: int = 0


def merge(levels: Iterable[Level], longest: timedelta, most_memory: int = 0) -> RunPolicies:
    """Merge the annotations of all levels, given most specific first.

    ``longest`` bounds the timeout and ``most_memory`` the memory in bytes, unless they are zero.

    Of timeouts, sizes of batches, priorities and ``on-failure`` the most specific one counts. Rules of all levels are
    kept, those of more specific levels first.

    Raises:
        InvalidRequest: an annotation cannot be read.
    """
    timeout: timedelta | None = None
    map_batch: int | None = None
    priority: int | None = None
    on_failure = ""
    rules: list[execution_pb2.RetryRule] = []
    memory: list[execution_pb2.MemoryRule] = []
    for level in levels:
        found, size = _timeout(level), _number(level, MAP_BATCH, _BATCH)  # All of them are read: none may be wrong.
        timeout = found if timeout is None else timeout
        map_batch = size if map_batch is None else map_batch
        failing, urgency = _on_failure(level), _number(level, PRIORITY, _PRIORITY)
        priority = urgency if priority is None else priority
        on_failure = on_failure or failing
        rules += [policy.rule() for policy in _listed(level, RETRY, _RETRIES)]
        memory += [policy.rule(most_memory) for policy in _listed(level, MEMORY, _MEMORY)]
    bounds = [bound for bound in (timeout, longest) if bound]
    return RunPolicies(min(bounds, default=timedelta()), rules, memory, map_batch, on_failure, priority or 0)


def check(level: Level) -> None:
    """Refuse policy annotations that cannot be read. Raises ``InvalidRequest``."""
    _timeout(level)
    _on_failure(level)
    _listed(level, RETRY, _RETRIES)
    _listed(level, MEMORY, _MEMORY)
    _number(level, MAP_BATCH, _BATCH)
    _number(level, PRIORITY, _PRIORITY)


def value_of(level: Level, annotation: str, adapter: TypeAdapter[T]) -> T | None:
    """Return the value of an annotation whose text is YAML; None if the level does not set it.

    Raises:
        InvalidRequest: the text cannot be read.
    """
    name, annotations = level
    if annotation not in annotations.values:
        return None
    place = f"annotation {annotation} of {name}"
    return annotation_values.checked(place, annotation_values.parse(place, annotations.values[annotation]), adapter)


def _timeout(level: Level) -> timedelta | None:
    """Return the timeout that a level sets, None if it sets none. Zero removes the timeout of a less specific level."""
    name, annotations = level
    if TIMEOUT not in annotations.values:
        return None
    return annotation_values.checked(f"annotation {TIMEOUT} of {name}", annotations.values[TIMEOUT], _DURATION)


def _number(level: Level, annotation: str, adapter: TypeAdapter[int]) -> int | None:
    """Return the number that a level sets, None if it sets none."""
    name, annotations = level
    if annotation not in annotations.values:
        return None
    return annotation_values.checked(f"annotation {annotation} of {name}", annotations.values[annotation], adapter)


def _on_failure(level: Level) -> str:
    name, annotations = level
    if ON_FAILURE not in annotations.values:
        return ""
    return annotation_values.checked(f"annotation {ON_FAILURE} of {name}", annotations.values[ON_FAILURE], _ON_FAILURE)


def _listed(level: Level, annotation: str, adapter: TypeAdapter[list[T]]) -> list[T]:
    return value_of(level, annotation, adapter) or []
