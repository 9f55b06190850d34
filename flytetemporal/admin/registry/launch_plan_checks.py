"""Checks of a launch plan: its inputs against the workflow, its schedule, its policy annotations.

Mirrors flyteadmin's pkg/manager/impl/validation/launch_plan_validator.go.
"""

import difflib
from collections.abc import Iterable

from flyteidl.admin import launch_plan_pb2, schedule_pb2
from flyteidl.core import interface_pb2, literals_pb2, types_pb2

from flytetemporal.admin.artifacts import queries
from flytetemporal.admin.base import validation
from flytetemporal.admin.concurrency import policies as concurrency_policies
from flytetemporal.admin.schedules import grammar, policies
from flytetemporal.admin.settings import run_policies, webhooks
from flytetemporal.admin.triggers import declarations
from flytetemporal.config.notifications import NotificationSettings
from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import interfaces, types

ANNOTATIONS = (
    concurrency_policies.CONCURRENCY,
    run_policies.MAP_BATCH,
    run_policies.MEMORY,
    run_policies.ON_FAILURE,
    run_policies.PRIORITY,
    run_policies.RETRY,
    policies.SCHEDULE,
    run_policies.TIMEOUT,
    declarations.TRIGGERS,
    webhooks.WEBHOOKS,
)
"""The annotations of a launch plan that have a meaning here."""


def expected_inputs(
    spec: launch_plan_pb2.LaunchPlanSpec, interface: interface_pb2.TypedInterface
) -> interface_pb2.ParameterMap:
    """Return the inputs that an execution can set: those with a default, and the required ones.

    Required are the inputs of the workflow that have neither a default nor a fixed value.

    Raises:
        InvalidRequest: an input is unknown or has the wrong type.
    """
    inputs = interface.inputs.variables
    _check_fixed(spec.fixed_inputs, interface.inputs)
    _check_defaults(spec.default_inputs, interface.inputs)
    expected = interface_pb2.ParameterMap()
    for name in sorted(inputs):
        if name in spec.default_inputs.parameters:
            expected.parameters[name].CopyFrom(spec.default_inputs.parameters[name])
        elif name not in spec.fixed_inputs.literals:
            expected.parameters[name].var.CopyFrom(inputs[name])
            expected.parameters[name].required = True
    return expected


def check_schedule(schedule: schedule_pb2.Schedule, expected: interface_pb2.ParameterMap) -> None:
    """Refuse a schedule that cannot start executions. Raises ``InvalidRequest``."""
    kickoff = schedule.kickoff_time_input_arg
    if kickoff:
        _check_kickoff(kickoff, expected)
    for name, parameter in sorted(expected.parameters.items()):
        if parameter.required and name != kickoff:
            raise InvalidRequest(
                "Cannot create a launch plan with a schedule if there is an unbound required input. "
                f"[{name}] is required"
            )
    grammar.parse(schedule)


def check_annotations(spec: launch_plan_pb2.LaunchPlanSpec, notifications: NotificationSettings) -> None:
    """Refuse annotations of ours that cannot be read, or are unknown. Raises ``InvalidRequest``."""
    _check_known(spec.annotations.values)
    run_policies.check(("the launch plan", spec.annotations))
    policies.read(spec.annotations)
    concurrency_policies.check(spec)
    webhooks.check(spec.annotations, notifications)
    declarations.read(spec.annotations)


def schedule_type(schedule: schedule_pb2.Schedule) -> str:
    """Return the kind of a schedule, for the column ``schedule_type``."""
    kind = schedule.WhichOneof("ScheduleExpression")
    if kind == "rate":
        return "RATE"
    return "CRON" if kind else "NONE"


def _check_known(annotations: Iterable[str]) -> None:
    """Refuse names that begin as ours do: a misspelt one would have no effect, and nobody would notice."""
    for name in sorted(annotations):
        if name.startswith(run_policies.PREFIX) and name not in ANNOTATIONS:
            # Without the prefix, which all have in common, so that only names that are alike are found.
            names = {known.removeprefix(run_policies.PREFIX): known for known in ANNOTATIONS}
            alike = difflib.get_close_matches(name.removeprefix(run_policies.PREFIX)[:100], names, n=1)
            hint = f"; did you mean {names[alike[0]]}?" if alike else f"; known are {', '.join(ANNOTATIONS)}"
            raise InvalidRequest(f"annotation {name[:100]} of the launch plan is unknown{hint}")


def _check_fixed(fixed: literals_pb2.LiteralMap, inputs: interface_pb2.VariableMap) -> None:
    interfaces.check_literals(fixed, "fixed_inputs")
    for name, literal in sorted(fixed.literals.items()):
        if name not in inputs.variables:
            raise InvalidRequest(f"unexpected fixed_input {name}")
        found, wanted = types.infer(literal), inputs.variables[name].type
        if not types.castable(found, wanted):
            raise InvalidRequest(
                f"invalid fixed_input wrong type {name}, expected {types.text(wanted)}, got {types.text(found)} instead"
            )


def _check_defaults(defaults: interface_pb2.ParameterMap, inputs: interface_pb2.VariableMap) -> None:
    for name, parameter in sorted(defaults.parameters.items()):
        if not name:
            raise validation.missing("default_inputs: a parameter without a name")
        _check_default(name, parameter)
        if name not in inputs.variables:
            raise InvalidRequest(f"unexpected default_input {name}")
        found, wanted = parameter.var.type, inputs.variables[name].type
        if not types.castable(found, wanted):
            raise InvalidRequest(
                f"invalid default_input wrong type {name}, expected {types.text(found)}, "
                f"got {types.text(wanted)} instead"
            )
        if parameter.WhichOneof("behavior") in queries.BEHAVIORS:
            queries.check(name, parameter, inputs.variables)


def _check_default(name: str, parameter: interface_pb2.Parameter) -> None:
    if not parameter.HasField("var") or not parameter.var.HasField("type"):
        raise InvalidRequest(
            f"The Variable component of the Parameter {name} in default_inputs either is missing, or has a missing Type"
        )
    behavior = parameter.WhichOneof("behavior")
    if behavior in queries.BEHAVIORS:
        return  # Checked against the inputs of the workflow, to which queries are bound.
    if behavior == "default":
        found = types.infer(parameter.default)
        if not types.castable(found, parameter.var.type):
            raise InvalidRequest(
                f"Type mismatch for Parameter {name} in default_inputs has type {types.text(parameter.var.type)}, "
                f"expected {types.text(found)}"
            )
    elif not parameter.required:
        raise InvalidRequest(
            f"Invalid variable {name} in default_inputs - variable has neither default, nor is required"
        )


def _check_kickoff(name: str, expected: interface_pb2.ParameterMap) -> None:
    if name not in expected.parameters:
        raise InvalidRequest(
            "Cannot create a schedule with a KickoffTimeInputArg that does not point to a free input. "
            f"[{name}] is not free or does not exist."
        )
    found = expected.parameters[name].var.type
    if found.simple != types_pb2.DATETIME:
        raise InvalidRequest(
            f"KickoffTimeInputArg must reference a datetime input. [{name}] is a [{types.text(found)}]"
        )
