"""Check the triggers of a launch plan: what they wait for, and what they make of its inputs."""

from collections.abc import Iterable, Mapping, Sequence

from flyteidl.admin import launch_plan_pb2
from flyteidl.core import identifier_pb2, interface_pb2, types_pb2
from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.artifacts import conditions
from flytetemporal.admin.base import plain_values, stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import LaunchPlanRow
from flytetemporal.admin.events.trigger_events import SUCCESS
from flytetemporal.admin.outbox.trigger_models import TriggerRow
from flytetemporal.admin.triggers import declarations
from flytetemporal.admin.triggers.declarations import Trigger
from flytetemporal.config.triggers import TriggerSettings
from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import locations, types

PlanName = tuple[str, str, str]
"""Project, domain and name of a launch plan."""

KEYS = "FLYTETEMPORAL_TRIGGERS__WEBHOOK_KEYS"
_SIMPLE: Mapping[str, types_pb2.SimpleType] = {
    "time": types_pb2.DATETIME,
    "execution": types_pb2.STRING,
    "delivery": types_pb2.STRING,
}


async def check(deps: Dependencies, plan: launch_plan_pb2.LaunchPlan, triggers: Sequence[Trigger]) -> None:
    """Refuse triggers that could never launch the launch plan, and those that would launch it without end.

    Raises:
        InvalidRequest: the text names the first problem.
    """
    name = plan_name(plan.id)
    for trigger in triggers:
        if trigger.condition:
            conditions.check(trigger.artifacts, plan.closure.expected_inputs)
        else:
            check_inputs(trigger, plan.closure.expected_inputs)
        _check_key(trigger, deps.triggers)
        if trigger.prefix is not None:
            _check_folder(deps, trigger)
            _check_uris(trigger, plan.closure.expected_inputs)
    async with deps.sessions() as session:
        for trigger in triggers:
            if trigger.success is not None:
                outputs = await _outputs(session, trigger, source_of(trigger, name))
                _check_outputs(trigger, outputs, plan.closure.expected_inputs)
        await check_cycle(session, name, triggers)


def plan_name(identifier: identifier_pb2.Identifier) -> PlanName:
    """Return the name of a launch plan, which its versions share."""
    return identifier.project, identifier.domain, identifier.name


def source_of(trigger: Trigger, plan: PlanName) -> PlanName:
    """Return the launch plan, or the artifact, that the events of a trigger are about; empty names if it is neither."""
    if trigger.condition:
        key = trigger.artifacts.trigger.artifact_key
        return key.project or plan[0], key.domain or plan[1], key.name
    if trigger.success is None:
        return "", "", ""
    project, domain, _ = plan
    return trigger.success.project or project, trigger.success.domain or domain, trigger.success.launch_plan


def check_inputs(trigger: Trigger, expected: interface_pb2.ParameterMap) -> None:
    """Refuse a trigger that sets unknown inputs, or leaves required ones unset. Raises ``InvalidRequest``."""
    for name, expression in sorted(trigger.inputs.items()):
        if name not in expected.parameters:
            raise InvalidRequest(
                f"trigger {trigger.name} sets the input [{name}], which the launch plan does not have or has fixed"
            )
        wanted = expected.parameters[name].var.type
        simple = _SIMPLE.get(expression)
        if simple is not None and not types.castable(types_pb2.LiteralType(simple=simple), wanted):
            raise _wrong_type(trigger, name, expression, types_pb2.LiteralType(simple=simple), wanted)
    for name, parameter in sorted(expected.parameters.items()):
        if parameter.required and name not in trigger.inputs:
            raise InvalidRequest(
                f"trigger {trigger.name} leaves the required input [{name}] unset; add it to the inputs of the "
                "trigger, or give it a default or a fixed value in the launch plan"
            )


def _check_key(trigger: Trigger, settings: TriggerSettings) -> None:
    if trigger.webhook is not None and trigger.webhook not in settings.webhook_keys:
        raise InvalidRequest(
            f"trigger {trigger.name} names the key [{trigger.webhook}], which admin does not have; ask your operator "
            f"to add it to {KEYS}"
        )


def _check_folder(deps: Dependencies, trigger: Trigger) -> None:
    """Refuse a folder that may not be read, and one where executions write files that are nobody's artifacts."""
    folder, root, raw = trigger.folder, deps.blobs.root, deps.raw_output_prefix
    deps.blobs.check_address(f"{folder}/")
    below = [store.removeprefix("file://") for store in (root, raw)]
    if any(f"{store}/".startswith(f"{folder}/") for store in below) or locations.is_engines(f"{folder}/-", root, raw):
        raise InvalidRequest(
            f"trigger {trigger.name} watches [{folder}], where the files of executions are, too; watch another folder"
        )


def _check_uris(trigger: Trigger, expected: interface_pb2.ParameterMap) -> None:
    for name, expression in sorted(trigger.inputs.items()):
        wanted = expected.parameters[name].var.type
        if expression != "uri":
            continue
        found = plain_values.literal(f"{trigger.folder}/-", wanted)
        if found is None or wanted.blob.dimensionality == types_pb2.BlobType.MULTIPART:
            raise InvalidRequest(
                f"trigger {trigger.name} takes the input [{name}] from [uri], and the input is {types.text(wanted)}; "
                "make it a string or a file"
            )


async def _outputs(session: AsyncSession, trigger: Trigger, source: PlanName) -> interface_pb2.VariableMap:
    """Return the outputs of the active version of a launch plan or, if none is active, of the newest one."""
    row = LaunchPlanRow
    newest = (
        select(row.closure)
        .where(tuple_(row.project, row.domain, row.name) == tuple_(*source))
        .order_by(row.state.desc(), row.id.desc())
        .limit(1)
    )
    closure = await session.scalar(newest)
    if closure is None:
        raise InvalidRequest(
            f"trigger {trigger.name} waits for launch plan {':'.join(source)}, which is not registered; register it "
            "first"
        )
    return stored_messages.parse(launch_plan_pb2.LaunchPlanClosure, closure).expected_outputs


def _check_outputs(trigger: Trigger, outputs: interface_pb2.VariableMap, expected: interface_pb2.ParameterMap) -> None:
    for name, expression in sorted(trigger.inputs.items()):
        output = declarations.output_of(expression)
        if not output:
            continue
        if output not in outputs.variables:
            known = ", ".join(sorted(outputs.variables)[:20]) or "none"
            raise InvalidRequest(
                f"trigger {trigger.name} takes the input [{name}] from the output [{output}], and the outputs of its "
                f"source are: {known}"
            )
        found, wanted = outputs.variables[output].type, expected.parameters[name].var.type
        if not types.castable(found, wanted):
            raise _wrong_type(trigger, name, expression, found, wanted)


def _wrong_type(
    trigger: Trigger, name: str, expression: str, found: types_pb2.LiteralType, wanted: types_pb2.LiteralType
) -> InvalidRequest:
    return InvalidRequest(
        f"trigger {trigger.name} takes the input [{name}] from [{expression}], which is {types.text(found)}, and the "
        f"input is {types.text(wanted)}"
    )


async def check_cycle(session: AsyncSession, plan: PlanName, triggers: Iterable[Trigger]) -> None:
    """Refuse triggers by whose successes a launch plan would launch itself, through other active ones or at once.

    Raises:
        InvalidRequest: the text has the cycle.
    """
    # By what it leads to; the launch plan itself comes last.
    following: dict[PlanName, PlanName] = {}
    level = {source_of(trigger, plan) for trigger in triggers if trigger.success is not None}
    for source in level:
        following[source] = plan
    while level:
        if plan in level:
            raise InvalidRequest(
                f"triggers would launch {':'.join(plan)} without end: {_path(plan, following)}; remove one of them"
            )
        level = await _sources(session, level, following)


async def _sources(
    session: AsyncSession, plans: Iterable[PlanName], following: dict[PlanName, PlanName]
) -> set[PlanName]:
    """Return the launch plans, not met before, whose successes launch one of ``plans``."""
    row = TriggerRow
    query = select(
        row.project, row.domain, row.launch_plan, row.source_project, row.source_domain, row.source_name
    ).where(row.is_active, row.kind == SUCCESS, tuple_(row.project, row.domain, row.launch_plan).in_(sorted(plans)))
    found = set()
    for project, domain, name, *source in (await session.execute(query)).all():
        key = (source[0], source[1], source[2])
        if key not in following:
            following[key] = (project, domain, name)
            found.add(key)
    return found


def _path(plan: PlanName, following: Mapping[PlanName, PlanName]) -> str:
    names, at = [plan[2]], following[plan]
    while at != plan:
        names.append(at[2])
        at = following[at]
    return " -> ".join([*names, plan[2]])
