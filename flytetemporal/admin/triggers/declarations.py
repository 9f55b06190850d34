"""The triggers of a launch plan, from its annotation ``flytetemporal.io/triggers``.

The value is a YAML (or JSON) list of mappings. Each has a ``name``, exactly one of ``success`` (a launch plan),
``prefix`` (a folder of an object store) and ``webhook`` (the name of a key), and ``inputs``, which maps inputs of the
launch plan to what they are taken from.
"""

import base64
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from flyteidl.admin import common_pb2, launch_plan_pb2
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, model_validator

from flytetemporal.admin.artifacts import conditions
from flytetemporal.admin.settings import run_policies
from flytetemporal.contracts.v1 import artifacts_pb2

TRIGGERS = f"{run_policies.PREFIX}triggers"
MOST_TRIGGERS = 20

Kind = Literal["success", "prefix", "webhook", "artifact"]
PREFIX = "prefix"
# Of the trigger that a launch condition is.
CONDITION = "on-artifact"
NAME = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
_KEY = r"^[a-z0-9]([a-z0-9_-]*[a-z0-9])?$"
_OUTPUT = re.compile(r"outputs\.(?P<name>\w+)")
_BODY = re.compile(r"body(\.[^.\s]+)*")
# What an input can be taken from, besides outputs and parts of bodies, by kind.
_SOURCES: Mapping[str, tuple[str, ...]] = {
    "success": ("execution", "time"),
    "prefix": ("uri", "time"),
    "webhook": ("delivery", "time"),
}
_FORMS = {
    "success": "execution, time or outputs.NAME",
    "prefix": "uri or time",
    "webhook": "delivery, time, body or body.FIELD",
}


class Source(BaseModel):
    """A launch plan, in any version. An empty project or domain is that of the launch plan with the trigger."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    launch_plan: str = Field(min_length=1, max_length=255)
    project: str = Field(default="", max_length=255)
    domain: str = Field(default="", max_length=255)


def _by_name(value: object) -> object:
    return {"launch_plan": value} if isinstance(value, str) else value


class Trigger(BaseModel):
    """One trigger."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=NAME, max_length=63)
    success: Annotated[Source, BeforeValidator(_by_name)] | None = None
    prefix: str | None = Field(default=None, min_length=1, max_length=1024)
    suffix: str = Field(default="", max_length=255)
    existing: bool = False
    webhook: str | None = Field(default=None, pattern=_KEY, max_length=63)
    inputs: dict[str, str] = Field(default_factory=dict, max_length=1000)
    # A serialized ArtifactTrigger in base64: a launch condition, never part of the annotation.
    condition: str = ""

    @property
    def kind(self) -> Kind:
        """The kind of its events."""
        if self.condition:
            return "artifact"
        if self.success is not None:
            return "success"
        return "prefix" if self.prefix is not None else "webhook"

    @property
    def folder(self) -> str:
        """The prefix without a slash at its end, in the form that flytekit reads; empty for other kinds."""
        return (self.prefix or "").removeprefix("file://").rstrip("/")

    @property
    def artifacts(self) -> artifacts_pb2.ArtifactTrigger:
        """What it waits for, of a launch condition."""
        return artifacts_pb2.ArtifactTrigger.FromString(base64.b64decode(self.condition))

    @model_validator(mode="after")
    def _has_one_kind(self) -> "Trigger":
        if self.condition:
            return self
        if [self.success, self.prefix, self.webhook].count(None) != 2:
            raise ValueError("give exactly one of success, prefix and webhook")
        if self.prefix is None and (self.suffix or self.existing):
            raise ValueError("suffix and existing go with prefix")
        for name, expression in self.inputs.items():
            if not _is_known(self.kind, expression):
                raise ValueError(
                    f"input {name[:100]} cannot be taken from [{expression[:100]}]: give {_FORMS[self.kind]}"
                )
        return self


def _is_known(kind: str, expression: str) -> bool:
    if expression in _SOURCES[kind]:
        return True
    pattern = {"success": _OUTPUT, "webhook": _BODY}.get(kind)
    return pattern is not None and pattern.fullmatch(expression) is not None


def output_of(expression: str) -> str:
    """Return the output that an expression names; empty if it names none."""
    found = _OUTPUT.fullmatch(expression)
    return found["name"] if found else ""


def _distinct(triggers: list[Trigger]) -> list[Trigger]:
    names = [trigger.name for trigger in triggers]
    if CONDITION in names or any(trigger.condition for trigger in triggers):
        raise ValueError(f"the name {CONDITION} and conditions are those of launch conditions; choose another name")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two triggers have the name {name}; give each its own")
    return triggers


_TRIGGERS: TypeAdapter[list[Trigger]] = TypeAdapter(
    Annotated[list[Trigger], Field(max_length=MOST_TRIGGERS), AfterValidator(_distinct)]
)


def read(annotations: common_pb2.Annotations) -> list[Trigger]:
    """Return the triggers of a launch plan. Raises ``InvalidRequest`` if the annotation cannot be read."""
    return run_policies.value_of(("the launch plan", annotations), TRIGGERS, _TRIGGERS) or []


def of_plan(spec: launch_plan_pb2.LaunchPlanSpec) -> list[Trigger]:
    """Return the triggers of a launch plan, with its launch condition. Raises ``InvalidRequest``."""
    triggers = read(spec.annotations)
    if spec.entity_metadata.HasField("launch_conditions"):
        condition = conditions.parse(spec.entity_metadata.launch_conditions).SerializeToString(deterministic=True)
        triggers.append(Trigger(name=CONDITION, condition=base64.b64encode(condition).decode()))
    return triggers


def stored(trigger: Trigger) -> str:
    """Return a trigger as its row holds it; equal for equal triggers."""
    return trigger.model_dump_json(exclude_defaults=True)


def from_stored(text: str) -> Trigger:
    """Return the trigger that a row holds."""
    return Trigger.model_validate_json(text)
