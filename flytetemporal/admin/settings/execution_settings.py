"""Merge the settings of an execution from all levels that can set them.

The precedence of levels, and which values count as not set, mirror flyteadmin's pkg/manager/impl/execution_manager.go
(getExecutionConfig) and pkg/manager/impl/util/shared.go: for each field the first level that sets it wins. A map is
taken whole from one level.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import structlog
from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2, matchable_resource_pb2
from flyteidl.core import security_pb2
from google.protobuf.message import DecodeError
from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base.models import MatchableAttributesRow
from flytetemporal.admin.settings import setting_checks
from flytetemporal.idl import naming

Config = matchable_resource_pb2.WorkflowExecutionConfig
Spec: TypeAlias = execution_pb2.ExecutionSpec | launch_plan_pb2.LaunchPlanSpec

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

OF_EXECUTION = "the execution"
"""The name of the level of an execution's own annotations."""
_MAPS = ("labels", "annotations", "envs")
_MESSAGES = ("security_context", "raw_output_data_config", "interruptible", *_MAPS)


@dataclass(frozen=True, slots=True)
class AttributeLevel:
    """The execution config of matching attributes; an empty domain or workflow stands for all of them."""

    project: str
    domain: str
    workflow: str
    config: Config

    @property
    def name(self) -> str:
        """The name of the level in error texts."""
        if self.workflow:
            return f"the attributes of workflow {self.workflow}"
        return f"the attributes of project {self.project}{f', domain {self.domain}' if self.domain else ''}"


def annotations(
    request: execution_pb2.ExecutionSpec,
    launch_plan: launch_plan_pb2.LaunchPlanSpec | None,
    attributes: Iterable[AttributeLevel],
) -> list[tuple[str, common_pb2.Annotations]]:
    """Return the name and annotations of every level, most specific first. ``attributes`` are in the same order."""
    of_specs = [(OF_EXECUTION, request.annotations)]
    if launch_plan is not None:
        of_specs.insert(0 if is_inherited(request) else 1, ("the launch plan", launch_plan.annotations))
    return [*of_specs, *((level.name, level.config.annotations) for level in attributes)]


def is_inherited(request: execution_pb2.ExecutionSpec) -> bool:
    """Whether a launch plan node made the request: its settings are those that the parent passes on."""
    metadata = request.metadata
    is_child = metadata.mode == execution_pb2.ExecutionMetadata.CHILD_WORKFLOW
    return is_child and metadata.HasField("parent_node_execution")


def merge(
    request: execution_pb2.ExecutionSpec,
    launch_plan: launch_plan_pb2.LaunchPlanSpec | None,
    attributes: Iterable[Config],
    default_parallelism: int,
) -> Config:
    """Return the merged settings. ``attributes`` are in the order of precedence, most specific first.

    Unlike in Flyte, what a launch plan sets wins over what a launch plan node inherits from its execution.
    """
    merged = _merged(_of_specs(request, launch_plan))
    for level in attributes:
        _fill(merged, level)
    _fill(merged, Config(security_context=_deprecated_identity(request, launch_plan)))
    _fill(merged, Config(max_parallelism=default_parallelism))
    if is_inherited(request):
        # The labels that name the parent; those that the parent has from elsewhere are inherited like other settings.
        merged.labels.values.update(_of_parent(request.labels))
    # As in Flyte, every execution has an identity, even if it is empty.
    merged.security_context.run_as.SetInParent()
    return merged


def explicit(
    request: execution_pb2.ExecutionSpec, launch_plan: launch_plan_pb2.LaunchPlanSpec | None, merged: Config
) -> list[str]:
    """Return the names of the fields of ``merged`` that the request or the launch plan set; children inherit them."""
    given = _merged(_of_specs(request, launch_plan))
    if not has_identity(given.security_context):
        _fill(given, Config(security_context=_deprecated_identity(request, launch_plan)))
    if given.security_context != merged.security_context and not has_identity(given.security_context):
        given.ClearField("security_context")  # It is empty, or that of an attribute has replaced it.
    numbers = [name for name in ("max_parallelism", "overwrite_cache") if getattr(given, name)]
    messages = [name for name in _MESSAGES if name != "interruptible" and getattr(given, name).ByteSize()]
    return [*numbers, *messages, *(["interruptible"] if given.HasField("interruptible") else [])]


def _of_specs(request: execution_pb2.ExecutionSpec, launch_plan: launch_plan_pb2.LaunchPlanSpec | None) -> list[Config]:
    of_request = _of_spec(request)
    if launch_plan is None:
        return [of_request]
    of_plan = _of_spec(launch_plan)
    if not is_inherited(request):
        return [of_request, of_plan]
    # Flyte reads deprecated fields last, but in those of a launch plan the identity is the plan's own as well.
    _fill(of_plan, Config(security_context=_deprecated_identity(execution_pb2.ExecutionSpec(), launch_plan)))
    for label in _of_parent(request.labels):
        del of_request.labels.values[label]
    return [of_plan, of_request]


def _of_parent(labels: common_pb2.Labels) -> dict[str, str]:
    return {key: labels.values[key] for key in naming.PARENT_LABELS if key in labels.values}


def _merged(levels: Iterable[Config]) -> Config:
    merged = Config()
    for level in levels:
        _fill(merged, level)
    return merged


async def attribute_levels(session: AsyncSession, project: str, domain: str, workflow: str) -> list[AttributeLevel]:
    """Return the execution configs of all levels that apply to a workflow, most specific first."""
    row = MatchableAttributesRow
    query = (
        select(row.domain, row.workflow, row.attributes)
        .where(
            row.project == project,
            row.launch_plan == "",
            row.resource_type == matchable_resource_pb2.WORKFLOW_EXECUTION_CONFIG,
            or_(
                and_(row.domain == domain, row.workflow.in_(("", workflow))),
                and_(row.domain == "", row.workflow == ""),
            ),
        )
        # An empty string sorts last: workflow, domain, project.
        .order_by(row.workflow.desc(), row.domain.desc())
    )
    levels = [_attribute_level(project, *found) for found in await session.execute(query)]
    return [level for level in levels if level is not None]


def _attribute_level(project: str, domain: str, workflow: str, attributes: bytes) -> AttributeLevel | None:
    """Return a level without the settings that no execution could run with; None if the row is damaged."""
    try:
        given = matchable_resource_pb2.MatchingAttributes.FromString(attributes).workflow_execution_config
    except DecodeError:
        _log.warning("attributes_ignored", project=project, domain=domain, workflow=workflow, error="they do not parse")
        return None
    level = AttributeLevel(project, domain, workflow, given)
    return replace(level, config=setting_checks.sound(given, level.name))


def counting(levels: Sequence[AttributeLevel]) -> list[Config]:
    """Return the configs that Flyte takes into account: that of the most specific level, then the project's.

    If a workflow has attributes, those of its domain do not count.
    """
    return [level.config for position, level in enumerate(levels) if position == 0 or not level.domain]


def _of_spec(spec: Spec) -> Config:
    config = Config(max_parallelism=spec.max_parallelism, overwrite_cache=spec.overwrite_cache)
    for field in _MESSAGES:
        if spec.HasField(field):
            getattr(config, field).CopyFrom(getattr(spec, field))
    return config


def _fill(merged: Config, level: Config) -> None:
    """Copy the fields from ``level`` that are not set in ``merged``."""
    merged.max_parallelism = merged.max_parallelism or level.max_parallelism
    merged.overwrite_cache |= level.overwrite_cache
    # As in Flyte, a context without an identity is replaced by that of the first level with an identity.
    is_set = merged.HasField("security_context")
    if (level.HasField("security_context") and not is_set) or (
        has_identity(level.security_context) and not has_identity(merged.security_context)
    ):
        merged.security_context.CopyFrom(level.security_context)
    if not merged.raw_output_data_config.output_location_prefix:
        merged.raw_output_data_config.CopyFrom(level.raw_output_data_config)
    if not merged.HasField("interruptible") and level.HasField("interruptible"):
        merged.interruptible.CopyFrom(level.interruptible)
    for field in _MAPS:
        if not getattr(merged, field).values and getattr(level, field).values:
            getattr(merged, field).CopyFrom(getattr(level, field))


def has_identity(context: security_pb2.SecurityContext) -> bool:
    """Whether the context names an identity to run as."""
    identity = context.run_as
    return bool(identity.k8s_service_account or identity.iam_role or identity.execution_identity)


def _deprecated_identity(
    request: execution_pb2.ExecutionSpec, launch_plan: launch_plan_pb2.LaunchPlanSpec | None
) -> security_pb2.SecurityContext:
    """Return the identity from the fields that preceded security contexts; old clients still set them."""
    roles = [(request.auth_role.assumable_iam_role, request.auth_role.kubernetes_service_account)]
    if launch_plan is not None:
        roles += [
            (launch_plan.auth_role.assumable_iam_role, launch_plan.auth_role.kubernetes_service_account),
            (launch_plan.auth.assumable_iam_role, launch_plan.auth.kubernetes_service_account),
            (launch_plan.role, ""),
        ]
    for role, account in roles:
        if role or account:
            return security_pb2.SecurityContext(
                run_as=security_pb2.Identity(iam_role=role, k8s_service_account=account)
            )
    return security_pb2.SecurityContext()
