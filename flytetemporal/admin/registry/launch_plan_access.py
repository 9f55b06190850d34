"""What a launch plan would read of other projects: its author has to have the right to read it, too."""

from collections.abc import Iterator, Sequence

from flyteidl.admin import launch_plan_pb2
from flyteidl.core import artifact_id_pb2, interface_pb2

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.triggers import checks
from flytetemporal.admin.triggers.checks import PlanName
from flytetemporal.admin.triggers.declarations import Trigger
from flytetemporal.auth import access
from flytetemporal.auth.roles import Permission, Scope
from flytetemporal.idl import locations


def check(deps: Dependencies, plan: launch_plan_pb2.LaunchPlan, triggers: Sequence[Trigger]) -> None:
    """Check that the caller may read what triggers watch, and the artifacts that are inputs.

    Call it before anything is looked up: errors say what exists.

    Raises:
        PermissionDenied: names the project and domain.
    """
    name = checks.plan_name(plan.id)
    for scope in _watched(deps, name, triggers):
        access.require(Permission.READ, scope)
    conditions = [trigger.artifacts.trigger_inputs for trigger in triggers if trigger.condition]
    for inputs in (plan.spec.default_inputs, *conditions):
        for scope in _artifacts(name, inputs):
            access.require(Permission.READ, scope)


def _watched(deps: Dependencies, name: PlanName, triggers: Sequence[Trigger]) -> Iterator[Scope]:
    for trigger in triggers:
        if trigger.success is not None or trigger.condition:
            project, domain, _ = checks.source_of(trigger, name)
            yield Scope(project, domain)
        elif trigger.prefix is not None:
            yield from _of_folder(deps, trigger.folder)


def _of_folder(deps: Dependencies, folder: str) -> Iterator[Scope]:
    """Yield what a folder of this installation's store belongs to; the platform, if its name does not say."""
    root, raw = deps.blobs.root.removeprefix("file://"), deps.raw_output_prefix.removeprefix("file://")
    path = folder.partition("://")[2] or folder.removeprefix("/")
    if {"", ".", ".."} & set(path.split("/")):  # Such a path can lead into the store from elsewhere.
        yield Scope()
    elif any(f"{folder}/".startswith(f"{store.rstrip('/')}/") for store in (root, raw)):
        place = locations.place(f"{folder}/-/-", root, raw)
        yield Scope(*place) if place else Scope()


def _artifacts(name: PlanName, inputs: interface_pb2.ParameterMap) -> Iterator[Scope]:
    for parameter in inputs.parameters.values():
        match parameter.WhichOneof("behavior"):
            case "artifact_id":
                yield _scope(name, parameter.artifact_id.artifact_key)
            case "artifact_query" if parameter.artifact_query.HasField("artifact_id"):
                yield _scope(name, parameter.artifact_query.artifact_id.artifact_key)
            case _:
                pass


def _scope(name: PlanName, key: artifact_id_pb2.ArtifactKey) -> Scope:
    return Scope(key.project or name[0], key.domain or name[1])
