"""How long an execution may run and how its tasks are tried again, from annotations of our own.

Flyte lets every level set annotations: an execution, a launch plan, matching attributes of a workflow, a domain or a
project. So these policies need no change of code:

``flytetemporal.io/timeout``  the longest life of an execution, as ``2h30m``
``flytetemporal.io/retry``    a YAML list of rules, each with any of ``task``, ``cause`` (USER, SYSTEM, UNKNOWN or an
                              error code), ``retries``, ``initial``, ``coefficient``, ``maximum``
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, TypeVar

import durationpy
import yaml
from flyteidl.admin import common_pb2
from google.protobuf import wrappers_pb2
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import times

PREFIX = "flytetemporal.io/"
TIMEOUT = f"{PREFIX}timeout"
RETRY = f"{PREFIX}retry"


def _parsed(text: object) -> timedelta:
    if not isinstance(text, str):
        raise ValueError("give a duration such as 90s or 2h30m")  # noqa: TRY004  pydantic wants a ValueError
    parsed = durationpy.from_str(text)
    if parsed < timedelta():
        raise ValueError("a duration cannot be negative")
    return timedelta(seconds=parsed.total_seconds())


Duration = Annotated[timedelta, BeforeValidator(_parsed)]


class RetryPolicy(BaseModel):
    """One rule of ``flytetemporal.io/retry``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    task: str = ""
    cause: str = ""
    retries: int | None = Field(default=None, ge=0, le=10_000)
    initial: Duration = timedelta()
    coefficient: float = Field(default=2.0, ge=1)
    maximum: Duration | None = None

    def rule(self) -> execution_pb2.RetryRule:
        """Return the rule as the engine reads it."""
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


T = TypeVar("T")
_RULES = TypeAdapter(list[RetryPolicy])
_DURATION: TypeAdapter[timedelta] = TypeAdapter(Duration)


@dataclass(frozen=True, slots=True)
class RunPolicies:
    """What the levels together say. ``timeout`` zero: no limit."""

    timeout: timedelta = timedelta()
    rules: list[execution_pb2.RetryRule] = field(default_factory=list)


def merge(levels: Iterable[common_pb2.Annotations], longest: timedelta) -> RunPolicies:
    """Merge the annotations of all levels, most specific first; ``longest`` bounds every time-out, zero does not.

    Unlike Flyte's own settings, of which one level replaces the other, rules add up: those of the more specific level
    come first.

    Raises:
        InvalidRequest: an annotation cannot be read.
    """
    timeout, rules = timedelta(), list[execution_pb2.RetryRule]()
    for annotations in levels:
        values = annotations.values
        if TIMEOUT in values and not timeout:
            timeout = _read(TIMEOUT, values[TIMEOUT], _DURATION)
        if RETRY in values:
            rules += [policy.rule() for policy in _read(RETRY, _yaml(values[RETRY]), _RULES)]
    if longest:
        timeout = min(timeout, longest) if timeout else longest
    return RunPolicies(timeout, rules)


def _yaml(text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as e:
        raise InvalidRequest(f"annotation {RETRY} is no YAML: {str(e).splitlines()[0]}") from e


def _read(name: str, value: object, adapter: TypeAdapter[T]) -> T:
    try:
        return adapter.validate_python(value)
    except ValidationError as e:
        first = e.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"annotation {name}{f' at {place}' if place else ''}: {first['msg']}") from e
