"""The stored records of a launch: the execution's row and tags, and the start argument of its workflow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from flyteidl.admin import common_pb2, execution_pb2
from flyteidl.core import artifact_id_pb2, identifier_pb2, literals_pb2, tasks_pb2
from flyteidl.event import cloudevents_pb2
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base.models import ExecutionRow, ExecutionTagRow
from flytetemporal.admin.executions.launch_targets import LaunchTarget
from flytetemporal.admin.settings import execution_settings
from flytetemporal.admin.settings.execution_settings import Config
from flytetemporal.admin.settings.run_policies import RunPolicies
from flytetemporal.config.admin import AdminSettings
from flytetemporal.contracts.limits import MAX_INLINE_LITERALS_BYTES, MAX_SETTINGS_BYTES
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.contracts.v1 import notifications_pb2
from flytetemporal.db.orm import Base
from flytetemporal.idl import identifiers, locations, times


@dataclass(frozen=True, slots=True)
class Linkage:
    """The origin of an execution: a node of its parent, or the execution that it repeats."""

    source_row: int = 0
    parent_node_row: int = 0
    nesting: int = 0
    principal: str = ""
    cluster_label: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """What an execution takes from the one that it repeats, besides spec and inputs, or from what launches it.

    ``reused`` are the nodes that a fork reuses, ``resources`` are those of its nodes, by node id; ``rows`` are stored
    with its own. ``launched_by`` is the id of the Temporal workflow that is notified of its end.
    """

    reused: contract_pb2.ContentReference | None = None
    resources: Mapping[str, tasks_pb2.Resources] = field(default_factory=dict)
    # The artifacts that are among its inputs.
    artifact_ids: Sequence[artifact_id_pb2.ArtifactID] = ()
    rows: Sequence[Base] = ()
    launched_by: str = ""


@dataclass(frozen=True, slots=True)
class Launch:
    """A launch that passed every check. ``spec`` is the spec that clients read back.

    ``inherited`` names the settings that children inherit.
    """

    id: identifier_pb2.WorkflowExecutionIdentifier
    spec: execution_pb2.ExecutionSpec
    target: LaunchTarget
    linkage: Linkage
    settings: contract_pb2.ExecutionSettings
    inherited: Sequence[str]
    user_inputs: literals_pb2.LiteralMap
    inputs: literals_pb2.LiteralMap
    directory: str
    taken: Taken
    webhooks: notifications_pb2.Webhooks

    @property
    def inputs_uri(self) -> str:
        """The URI of all inputs, defaults and fixed ones included."""
        return locations.join(self.directory, "inputs")

    @property
    def user_inputs_uri(self) -> str:
        """The URI of the inputs that the caller gave; a relaunch starts from them."""
        return locations.join(self.directory, "user_inputs")


def stored_spec(
    request: execution_pb2.ExecutionSpec, config: Config, linkage: Linkage, namespace: str, *, single_task: bool
) -> execution_pb2.ExecutionSpec:
    """Return the spec as it is stored: the requested one, with principal, parallelism and system metadata set here."""
    spec = execution_pb2.ExecutionSpec()
    spec.CopyFrom(request)
    spec.ClearField("inputs")
    if execution_settings.is_inherited(request):
        _show_own(spec, config)
    spec.security_context.CopyFrom(config.security_context)
    spec.metadata.principal = linkage.principal
    spec.metadata.system_metadata.Clear()
    spec.metadata.system_metadata.namespace = namespace
    if linkage.nesting:
        spec.metadata.nesting = linkage.nesting
    if linkage.cluster_label and not spec.execution_cluster_label.value:
        spec.execution_cluster_label.value = linkage.cluster_label
    # As flyteadmin: the execution of a single task keeps both fields as requested.
    if not single_task:
        spec.metadata.ClearField("artifact_ids")
        spec.max_parallelism = config.max_parallelism
    return spec


def _show_own(spec: execution_pb2.ExecutionSpec, config: Config) -> None:
    """Replace the settings that the node passed on by those that apply: the launch plan's own win over them."""
    spec.overwrite_cache = config.overwrite_cache
    for name in ("labels", "annotations", "envs", "raw_output_data_config", "interruptible"):
        if config.HasField(name):
            getattr(spec, name).CopyFrom(getattr(config, name))
    # Clients read back what Flyte's engine sends: annotations and envs always, a prefix only if there is one.
    spec.annotations.SetInParent()
    spec.envs.SetInParent()
    if not spec.raw_output_data_config.output_location_prefix:
        spec.ClearField("raw_output_data_config")


def engine_settings(
    config: Config,
    labels: dict[str, str],
    policies: RunPolicies,
    *,
    raw_output_prefix: str,
    namespace: str,
    cluster: str,
) -> contract_pb2.ExecutionSettings:
    """Return the settings in the engine's form."""
    settings = contract_pb2.ExecutionSettings(
        max_parallelism=config.max_parallelism,
        overwrite_cache=config.overwrite_cache,
        labels=common_pb2.Labels(values=labels),
        annotations=config.annotations,
        envs=config.envs,
        security_context=config.security_context,
        raw_output_prefix=config.raw_output_data_config.output_location_prefix or raw_output_prefix,
        namespace=namespace,
        cluster=cluster,
        asked_raw_output_prefix=config.raw_output_data_config.output_location_prefix,
        retry_rules=policies.rules,
        on_failure=policies.on_failure,
        memory_rules=policies.memory_rules,
        priority=policies.priority,
    )
    if policies.timeout:
        settings.timeout.CopyFrom(times.duration(policies.timeout))
    if policies.map_batch is not None:
        settings.map_batch.value = policies.map_batch
    if config.HasField("interruptible"):
        settings.interruptible.CopyFrom(config.interruptible)
    return settings


def engine_input(launch: Launch, root: str, limits: AdminSettings) -> contract_pb2.ExecutionInput:
    """Return the start argument of the execution's workflow; its graph is a reference until the start.

    Raises:
        ValueTooLarge: the settings are too large to be sent to every activity.
    """
    size = launch.settings.ByteSize()
    if size > MAX_SETTINGS_BYTES:
        raise errors.ValueTooLarge(
            f"the settings of execution [{launch.id.name}] have {size} bytes, more than the limit of "
            f"{MAX_SETTINGS_BYTES}; shorten them ({_sizes(launch.settings)})"
        )
    argument = contract_pb2.ExecutionInput(
        execution_id=launch.id,
        workflow_id=launch.target.workflow_id,
        stored_graph=launch.target.graph,
        tasks=launch.target.task_templates,
        metadata_dir=locations.metadata_dir(root, launch.id),
        settings=launch.settings,
        history_events=limits.history_events,
        max_depth=limits.max_workflow_depth,
        node_deadline_factor=limits.node_deadline_factor,
        distinct_names=True,
        inherited=contract_pb2.InheritedSettings(fields=launch.inherited),
        reused=launch.taken.reused,
        node_resources=launch.taken.resources,
        launched_by=launch.taken.launched_by,
    )
    metadata = launch.spec.metadata
    if metadata.mode == execution_pb2.ExecutionMetadata.CHILD_WORKFLOW and metadata.HasField("parent_node_execution"):
        argument.parent.CopyFrom(metadata.parent_node_execution)
        if metadata.HasField("reference_execution"):  # The execution of its parent is recovered.
            argument.recovered_from.CopyFrom(metadata.reference_execution)
    if metadata.mode == execution_pb2.ExecutionMetadata.RECOVERED and metadata.HasField("reference_execution"):
        argument.recovered_from.CopyFrom(metadata.reference_execution)
    if launch.inputs.ByteSize() <= MAX_INLINE_LITERALS_BYTES:
        argument.inputs.literals.CopyFrom(launch.inputs)
    else:
        argument.inputs.uri = launch.inputs_uri
    return argument


def _sizes(settings: contract_pb2.ExecutionSettings) -> str:
    named = ("envs", "labels", "annotations", "security_context")
    return ", ".join(f"{name} {getattr(settings, name).ByteSize()}" for name in named)


async def insert(session: AsyncSession, launch: Launch, argument: contract_pb2.ExecutionInput, now: datetime) -> None:
    """Insert the row and the tags. Raises SQLAlchemy's ``IntegrityError`` if the name is taken."""
    project, domain, name = identifiers.execution_key(launch.id)
    target, linkage = launch.target, launch.linkage
    row = ExecutionRow(
        execution_project=project,
        execution_domain=domain,
        execution_name=name,
        launch_plan_id=target.launch_plan_row,
        workflow_id=target.workflow_row,
        task_id=target.task_row,
        closure=_closure(launch, now).SerializeToString(),
        spec=launch.spec.SerializeToString(),
        execution_created_at=now,
        execution_updated_at=now,
        mode=launch.spec.metadata.mode,
        source_execution_id=linkage.source_row,
        parent_node_execution_id=linkage.parent_node_row,
        cluster=launch.settings.cluster,
        inputs_uri=launch.inputs_uri,
        user_inputs_uri=launch.user_inputs_uri,
        user=linkage.principal,
        launch_entity="launch_plan" if target.launch_plan is not None else "task",
        engine_input=argument.SerializeToString(),
        webhooks=launch.webhooks.SerializeToString() or None,
    )
    session.add(row)
    # Without the flush a taken name could violate the key of a tag first, and the error would name that.
    await session.flush()
    # Flyte stores no tags for the execution of a single task. We do: a failed eager workflow finds its children by
    # their labels, and so does the sweeper.
    session.add_all([*_tags(launch), *launch.taken.rows])


def start_event(launch: Launch) -> cloudevents_pb2.CloudEventExecutionStart:
    """Return the event that an execution has been created."""
    return cloudevents_pb2.CloudEventExecutionStart(
        execution_id=launch.id,
        launch_plan_id=launch.spec.launch_plan,
        workflow_id=launch.target.workflow_id,
        artifact_ids=launch.spec.metadata.artifact_ids,
        principal=launch.linkage.principal,
    )


def _tags(launch: Launch) -> list[ExecutionTagRow]:
    project, domain, name = identifiers.execution_key(launch.id)
    pairs = {(tag, "") for tag in launch.spec.tags} | set(launch.spec.labels.values.items())
    return [
        ExecutionTagRow(execution_project=project, execution_domain=domain, execution_name=name, key=key, value=value)
        for key, value in sorted(pairs)
    ]


def _closure(launch: Launch, now: datetime) -> execution_pb2.ExecutionClosure:
    stamp = times.timestamp(now)
    return execution_pb2.ExecutionClosure(
        created_at=stamp,
        updated_at=stamp,
        workflow_id=launch.target.workflow_id,
        notifications=_notifications(launch),
        state_change_details=execution_pb2.ExecutionStateChangeDetails(
            state=execution_pb2.EXECUTION_ACTIVE, occurred_at=stamp, principal=launch.linkage.principal
        ),
    )


def _notifications(launch: Launch) -> list[common_pb2.Notification]:
    spec, plan = launch.spec, launch.target.launch_plan
    if spec.notifications.notifications:
        return list(spec.notifications.notifications)
    if spec.disable_all or plan is None:
        return []
    return list(plan.entity_metadata.notifications)
