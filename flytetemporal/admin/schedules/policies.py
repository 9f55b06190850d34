"""How the schedule of a launch plan fires, from the annotation ``flytetemporal.io/schedule`` of the launch plan.

The value is a YAML mapping with any of ``time_zone``, ``catch_up`` (how late a missed time still launches), ``jitter``
(each time is put off by up to this), ``overlap`` (what a time does while an execution of the schedule still runs) and
``pause_on_failure`` (of the schedule, once an execution of it has failed).
"""

from datetime import timedelta
from typing import Annotated, Literal

from flyteidl.admin import common_pb2
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from flytetemporal.admin.schedules import grammar
from flytetemporal.admin.settings import run_policies
from flytetemporal.errors import InvalidRequest

SCHEDULE = f"{run_policies.PREFIX}schedule"
# Temporal's least.
SHORTEST_CATCH_UP = timedelta(seconds=10)

# The names are Temporal's.
Overlap = Literal["allow", "skip", "buffer_one", "buffer_all", "cancel_other"]


def _zone(name: str) -> str:
    try:
        grammar.check_zone(name)
    except InvalidRequest as e:
        raise ValueError(e.message) from e
    return name


def _catch_up(window: timedelta) -> timedelta:
    if window < SHORTEST_CATCH_UP:
        raise ValueError("a schedule catches up on the last 10s at least")
    return window


class SchedulePolicy(BaseModel):
    """The value of the annotation. What is not given has the installation's default."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    time_zone: Annotated[str, AfterValidator(_zone)] | None = None
    catch_up: Annotated[run_policies.Duration, AfterValidator(_catch_up)] | None = None
    jitter: run_policies.Duration = timedelta()
    overlap: Overlap = "allow"
    pause_on_failure: Annotated[bool, Field(strict=True)] = False


_POLICY = TypeAdapter(SchedulePolicy)


def read(annotations: common_pb2.Annotations) -> SchedulePolicy:
    """Return the policy of a launch plan. Raises ``InvalidRequest`` if the annotation cannot be read."""
    return run_policies.value_of(("the launch plan", annotations), SCHEDULE, _POLICY) or SchedulePolicy()
