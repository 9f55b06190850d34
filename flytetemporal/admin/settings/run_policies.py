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
from typing import Annotated, TypeAlias, TypeVar

import yaml
from flyteidl.admin import common_pb2
from google.protobuf import wrappers_pb2
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import error_text, times

PREFIX = "flytetemporal.io/"
TIMEOUT = f"{PREFIX}timeout"
RETRY = f"{PREFIX}retry"
# Temporal counts in nanoseconds of 64 bits; what is longer is a slip of the pen.
LONGEST = timedelta(days=36_500)

Level: TypeAlias = tuple[str, common_pb2.Annotations]
"""What a level is called in an error, and what it says."""


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


def merge(levels: Iterable[Level], longest: timedelta) -> RunPolicies:
    """Merge the annotations of all levels, most specific first; ``longest`` bounds every time-out, zero does not.

    Unlike Flyte's own settings, of which one level replaces the other, rules add up: those of the more specific level
    come first.

    Raises:
        InvalidRequest: an annotation cannot be read.
    """
    timeout: timedelta | None = None
    rules: list[execution_pb2.RetryRule] = []
    for level in levels:
        found = _timeout(level)
        timeout = found if timeout is None else timeout
        rules += _rules(level)
    bounds = [bound for bound in (timeout, longest) if bound]
    return RunPolicies(min(bounds, default=timedelta()), rules)


def check(level: Level) -> None:
    """Refuse annotations of ours that cannot be read. Raises ``InvalidRequest``."""
    _timeout(level)
    _rules(level)


def _timeout(level: Level) -> timedelta | None:
    """Return the time-out that a level sets; zero says that there is none."""
    name, annotations = level
    if TIMEOUT not in annotations.values:
        return None
    return _read(f"annotation {TIMEOUT} of {name}", annotations.values[TIMEOUT], _DURATION)


def _rules(level: Level) -> list[execution_pb2.RetryRule]:
    name, annotations = level
    if RETRY not in annotations.values:
        return []
    place = f"annotation {RETRY} of {name}"
    return [policy.rule() for policy in _read(place, _yaml(place, annotations.values[RETRY]), _RULES)]


def _yaml(place: str, text: str) -> object:
    try:
        return yaml.safe_load(text)
    # Dates that are none and depth beyond reason do not come as a YAMLError.
    except (yaml.YAMLError, ValueError, RecursionError) as e:
        raise InvalidRequest(f"{place} is no YAML: {error_text.headline(str(e))}") from e


def _read(place: str, value: object, adapter: TypeAdapter[T]) -> T:
    try:
        return adapter.validate_python(value)
    except ValidationError as e:
        first = e.errors()[0]
        position = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"{place}{f' at {position}' if position else ''}: {first['msg']}") from e
