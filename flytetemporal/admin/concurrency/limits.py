"""The limit that applies to a launch, from the launch plan that it names. Pure."""

from dataclasses import dataclass

from flyteidl.admin import execution_pb2, launch_plan_pb2

from flytetemporal.admin.concurrency import policies
from flytetemporal.admin.concurrency.policies import OnLimit
from flytetemporal.admin.schedules import policies as schedule_policies


@dataclass(frozen=True, slots=True)
class Scope:
    """The executions that are counted together: those of a launch plan in all its versions."""

    project: str
    domain: str
    name: str
    scheduled: bool = False
    """Only those that its schedule has launched."""

    @property
    def text(self) -> str:
        """The scope in error texts and as the key of a lock."""
        kind = "the schedule of launch plan" if self.scheduled else "launch plan"
        return f"{kind} {self.project}:{self.domain}:{self.name}"


@dataclass(frozen=True, slots=True)
class Limit:
    """How many executions of a scope run at once, and what becomes of one more."""

    places: int
    on_limit: OnLimit
    max_waiting: int | None = None
    """None: the installation's default."""
    scheduled: bool = False


# Of the executions of a schedule, one runs at a time unless they may overlap.
_OVERLAP = {
    "skip": Limit(1, "skip", scheduled=True),
    "buffer_one": Limit(1, "queue", max_waiting=1, scheduled=True),
    "buffer_all": Limit(1, "queue", scheduled=True),
    "cancel_other": Limit(1, "replace", scheduled=True),
}


def of_launch(
    spec: launch_plan_pb2.LaunchPlanSpec, mode: execution_pb2.ExecutionMetadata.ExecutionMode
) -> Limit | None:
    """Return the limit of a launch in a mode; None if it has none. Raises ``InvalidRequest`` if it cannot be read."""
    if mode == execution_pb2.ExecutionMetadata.SCHEDULED:
        overlap = schedule_policies.read(spec.annotations).overlap
        if overlap != "allow":
            return _OVERLAP[overlap]
    policy = policies.read(spec.annotations)
    if policy is not None:
        return Limit(policy.places, policy.on_limit, policy.max_waiting)
    given = spec.concurrency_policy
    # As in Flyte, a maximum without a behavior is no limit.
    if given.max and given.behavior == policies.SKIP:
        return Limit(given.max, "skip")
    return None
