"""The annotation ``flytetemporal.io/concurrency`` of a launch plan: what happens at its concurrency limit.

The value is a YAML mapping: ``max`` (executions that run at once), ``on_limit`` (``queue``, ``replace`` or ``skip``),
and ``max_waiting`` (how many may wait, if they wait). FlyteIDL's policy knows only ``SKIP``.
"""

from typing import Annotated, Literal

from flyteidl.admin import common_pb2, launch_plan_pb2
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from flytetemporal.admin.schedules import policies as schedule_policies
from flytetemporal.admin.settings import run_policies
from flytetemporal.errors import InvalidRequest

CONCURRENCY = f"{run_policies.PREFIX}concurrency"
SKIP = launch_plan_pb2.CONCURRENCY_LIMIT_BEHAVIOR_SKIP
LARGEST = 100_000

OnLimit = Literal["queue", "replace", "skip"]
_Number = Annotated[int, Field(ge=1, le=LARGEST, strict=True)]


class ConcurrencyPolicy(BaseModel):
    """The value of the annotation."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    places: _Number = Field(alias="max")
    on_limit: OnLimit = "queue"
    max_waiting: _Number | None = None

    @model_validator(mode="after")
    def _only_queues_are_bounded(self) -> "ConcurrencyPolicy":
        if self.max_waiting is not None and self.on_limit != "queue":
            raise ValueError(f"max_waiting bounds a queue, and on_limit is {self.on_limit}")
        return self


_POLICY = TypeAdapter(ConcurrencyPolicy)


def read(annotations: common_pb2.Annotations) -> ConcurrencyPolicy | None:
    """Return the policy of a launch plan; None if it has no annotation. Raises ``InvalidRequest``."""
    return run_policies.value_of(("the launch plan", annotations), CONCURRENCY, _POLICY)


def check(spec: launch_plan_pb2.LaunchPlanSpec) -> None:
    """Refuse an annotation that cannot be read, or that contradicts FlyteIDL's policy. Raises ``InvalidRequest``."""
    policy, given = read(spec.annotations), spec.concurrency_policy
    if (policy is not None or given.max) and schedule_policies.read(spec.annotations).overlap != "allow":
        raise InvalidRequest(
            f"annotation {schedule_policies.SCHEDULE} sets overlap, and the launch plan limits its concurrency; "
            "remove one of them"
        )
    if policy is None:
        return
    if given.max and given.max != policy.places:
        raise InvalidRequest(
            f"annotation {CONCURRENCY} allows {policy.places} executions at once, and concurrency_policy {given.max}; "
            "remove one of them"
        )
    if given.behavior == SKIP and policy.on_limit != "skip":
        raise InvalidRequest(
            f"annotation {CONCURRENCY} says {policy.on_limit}, and concurrency_policy SKIP; remove concurrency_policy"
        )
