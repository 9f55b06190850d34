"""What a project contains, and who else uses it."""

from dataclasses import dataclass

from flyteidl.admin import execution_pb2, launch_plan_pb2
from sqlalchemy import ColumnElement, Select, exists, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from flytetemporal.admin.artifacts.models import NamedArtifactRow
from flytetemporal.admin.base.models import ExecutionRow, LaunchPlanRow, TaskRow, WorkflowRow, is_open
from flytetemporal.admin.outbox.backfill_models import BackfillRow
from flytetemporal.admin.outbox.trigger_models import TriggerRow
from flytetemporal.admin.retention.models import ValueReferenceRow

ACTIVE = launch_plan_pb2.ACTIVE
RECOVERED = execution_pb2.ExecutionMetadata.RECOVERED


@dataclass(frozen=True, slots=True)
class Contents:
    """Numbers of what a project contains. The fields are those of ``DeleteProjectResponse``."""

    executions: int
    running: int
    tasks: int
    workflows: int
    launch_plans: int
    schedules: int
    triggers: int
    backfills: int
    artifacts: int

    def at_work(self) -> str:
        """Return what runs, or launches executions, as text; empty if nothing does."""
        found = {
            "running executions": self.running,
            "backfills that are not over": self.backfills,
            "active schedules": self.schedules,
            "active triggers": self.triggers,
        }
        return ", ".join(f"{count} {noun}" for noun, count in found.items() if count)


async def count(session: AsyncSession, project: str) -> Contents:
    """Count what a project contains."""
    found = {name: await session.scalar(query) or 0 for name, query in _counts(project).items()}
    return Contents(**found)


def _counts(project: str) -> dict[str, Select[int]]:
    plan, execution, trigger, backfill = LaunchPlanRow, ExecutionRow, TriggerRow, BackfillRow
    all_executions = _number(execution).where(execution.execution_project == project)
    plans = _number(plan).where(plan.project == project)
    return {
        "executions": all_executions,
        "running": all_executions.where(is_open(execution)),
        "tasks": _number(TaskRow).where(TaskRow.project == project),
        "workflows": _number(WorkflowRow).where(WorkflowRow.project == project),
        "launch_plans": plans,
        "schedules": plans.where(plan.state == ACTIVE, plan.schedule_type != "NONE"),
        "triggers": _number(trigger).where(trigger.project == project, trigger.is_active),
        "backfills": _number(backfill).where(backfill.project == project, backfill.ended_at.is_(None)),
        "artifacts": _number(NamedArtifactRow).where(NamedArtifactRow.project == project),
    }


def _number(row: type) -> Select[int]:
    return select(func.count()).select_from(row)


async def used_elsewhere(session: AsyncSession, project: str) -> str:
    """Return who uses the project from another one, as text; empty if nobody does."""
    for query, text in (
        (_launched(project), "{} runs what is registered in it: end that execution first"),
        (_planned(project), "{} is active and launches a workflow of it: deactivate that launch plan first"),
        (_triggered(project), "{} has a trigger on a launch plan of it: deactivate that launch plan first"),
        (_readers(project), "{} has inputs that are stored as its values: delete that execution first"),
        (_derived(project), "{} was recovered or forked from an execution of it: delete that execution first"),
    ):
        found = (await session.execute(query.limit(1))).first()
        if found is not None:
            return text.format(":".join(found))
    return ""


def _launched(project: str) -> Select[str, str, str]:
    row = ExecutionRow
    own = (
        row.task_id.in_(select(TaskRow.id).where(TaskRow.project == project)),
        row.workflow_id.in_(select(WorkflowRow.id).where(WorkflowRow.project == project)),
        row.launch_plan_id.in_(select(LaunchPlanRow.id).where(LaunchPlanRow.project == project)),
    )
    return _named(row).where(row.execution_project != project, is_open(row), or_(*own))


def _planned(project: str) -> Select[str, str, str]:
    plan, workflow = LaunchPlanRow, WorkflowRow
    return (
        select(plan.project, plan.domain, plan.name)
        .join(workflow, workflow.id == plan.workflow_id)
        .where(plan.state == ACTIVE, plan.project != project, workflow.project == project)
    )


def _triggered(project: str) -> Select[str, str, str]:
    row = TriggerRow
    return select(row.project, row.domain, row.launch_plan).where(
        row.is_active, row.kind == "success", row.source_project == project, row.project != project
    )


def _readers(project: str) -> Select[str, str, str]:
    row, reference = ExecutionRow, ValueReferenceRow
    reader = tuple_(reference.execution_project, reference.execution_domain, reference.execution_name)
    key = tuple_(row.execution_project, row.execution_domain, row.execution_name)
    return (
        _named(row)
        .join(reference, key == reader)
        .where(reference.source_project == project, reference.execution_project != project)
    )


def _derived(project: str) -> Select[str, str, str]:
    row, source = ExecutionRow, aliased(ExecutionRow)
    return (
        _named(row)
        .join(source, source.id == row.source_execution_id)
        .where(row.mode == RECOVERED, row.execution_project != project, source.execution_project == project)
    )


def _named(row: type[ExecutionRow]) -> Select[str, str, str]:
    return select(row.execution_project, row.execution_domain, row.execution_name)


def roots(project: str) -> ColumnElement[bool]:
    """Return the condition that an execution of a project belongs to no other one."""
    row, above = ExecutionRow, aliased(ExecutionRow)
    has_parent = exists().where(above.id == row.source_execution_id).correlate(row)
    return (row.execution_project == project) & ((row.parent_node_execution_id == 0) | ~has_parent)
