"""The columns and joins by which each list of admin can be filtered and sorted, under the names of Flyte's columns."""

from typing import Any

from sqlalchemy import and_

from flytetemporal.admin.base.models import (
    DescriptionEntityRow,
    ExecutionRow,
    ExecutionTagRow,
    LaunchPlanRow,
    NodeExecutionRow,
    ProjectRow,
    SignalRow,
    TaskExecutionRow,
    TaskRow,
    WorkflowRow,
)
from flytetemporal.db.filters import Columns, Entity, Join
from flytetemporal.db.orm import Base


def _columns(row: type[Base], names: str) -> Columns:
    # Flyte also lets clients filter and sort by serialized messages (closure, spec ...). No order of their bytes has a
    # meaning, and no index could bear them.
    return {name: getattr(row, name) for name in names.split()}


_ROW = "id created_at updated_at deleted_at"
_ENTITY = f"{_ROW} project domain name version"
_EXECUTION_KEY = "execution_project execution_domain execution_name"

_TASK_COLUMNS = _columns(TaskRow, f"{_ENTITY} digest type short_description")
_WORKFLOW_COLUMNS = _columns(WorkflowRow, f"{_ENTITY} remote_closure_identifier digest short_description")
_LAUNCH_PLAN_COLUMNS = _columns(
    LaunchPlanRow, f"{_ENTITY} workflow_id state digest schedule_type launch_condition_type"
)
_EXECUTION_COLUMNS = _columns(
    ExecutionRow,
    f"{_ROW} {_EXECUTION_KEY} launch_plan_id workflow_id task_id phase started_at execution_created_at "
    "execution_updated_at duration abort_cause mode source_execution_id parent_node_execution_id cluster inputs_uri "
    "user_inputs_uri error_kind error_code user state launch_entity",
)
_NODE_EXECUTION_COLUMNS = _columns(
    NodeExecutionRow,
    f"{_ROW} {_EXECUTION_KEY} node_id phase input_uri started_at node_execution_created_at "
    "node_execution_updated_at duration error_kind error_code cache_status "
    "dynamic_workflow_remote_closure_reference",
)
_TASK_EXECUTION_COLUMNS = _columns(
    TaskExecutionRow,
    f"{_ENTITY} {_EXECUTION_KEY} node_id retry_attempt phase phase_version input_uri started_at "
    "task_execution_created_at task_execution_updated_at duration",
)
_TAG_COLUMNS = _columns(ExecutionTagRow, "key value")


def _same_execution(row: Any, other: Any) -> Any:
    return and_(
        row.execution_project == other.execution_project,
        row.execution_domain == other.execution_domain,
        row.execution_name == other.execution_name,
    )


_tags = _same_execution(ExecutionTagRow, ExecutionRow)

TASK = Entity("task", _TASK_COLUMNS, [TaskRow.id.desc()])
WORKFLOW = Entity("workflow", _WORKFLOW_COLUMNS, [WorkflowRow.id.desc()])
LAUNCH_PLAN = Entity(
    "launch_plan",
    _LAUNCH_PLAN_COLUMNS,
    [LaunchPlanRow.id.desc()],
    joins={"workflow": Join("workflow", WorkflowRow.id == LaunchPlanRow.workflow_id, _WORKFLOW_COLUMNS)},
)
EXECUTION = Entity(
    "execution",
    _EXECUTION_COLUMNS,
    [ExecutionRow.id.desc()],
    joins={
        "launch_plan": Join("launch_plan", LaunchPlanRow.id == ExecutionRow.launch_plan_id, _LAUNCH_PLAN_COLUMNS),
        "workflow": Join("workflow", WorkflowRow.id == ExecutionRow.workflow_id, _WORKFLOW_COLUMNS),
        "task": Join("task", TaskRow.id == ExecutionRow.task_id, _TASK_COLUMNS),
        "execution_tag": Join("execution_tag", _tags, _TAG_COLUMNS),
        # Flyte has a table of tags. Here a tag is a row of execution_tags with an empty value.
        "admin_tag": Join("execution_tag", _tags, {"name": _TAG_COLUMNS["key"]}),
    },
)
NODE_EXECUTION = Entity(
    "node_execution",
    _NODE_EXECUTION_COLUMNS,
    [NodeExecutionRow.id.desc()],
    joins={"execution": Join("execution", _same_execution(ExecutionRow, NodeExecutionRow), _EXECUTION_COLUMNS)},
)
TASK_EXECUTION = Entity(
    "task_execution",
    _TASK_EXECUTION_COLUMNS,
    [TaskExecutionRow.id.desc()],
    joins={
        "task": Join(
            "task",
            and_(
                TaskRow.project == TaskExecutionRow.project,
                TaskRow.domain == TaskExecutionRow.domain,
                TaskRow.name == TaskExecutionRow.name,
                TaskRow.version == TaskExecutionRow.version,
            ),
            _TASK_COLUMNS,
        ),
        "execution": Join("execution", _same_execution(ExecutionRow, TaskExecutionRow), _EXECUTION_COLUMNS),
        "node_execution": Join(
            "node_execution",
            and_(
                _same_execution(NodeExecutionRow, TaskExecutionRow),
                NodeExecutionRow.node_id == TaskExecutionRow.node_id,
            ),
            _NODE_EXECUTION_COLUMNS,
        ),
    },
    # As in Flyte, these filters mean the execution's columns; those of the task are written task.name and so on.
    rewrites={"project": "execution_project", "domain": "execution_domain", "name": "execution_name"},
)
PROJECT = Entity(
    "project",
    _columns(ProjectRow, f"{_ROW} identifier name description state"),
    [ProjectRow.identifier.asc()],
)
SIGNAL = Entity("signal", _columns(SignalRow, f"{_ROW} {_EXECUTION_KEY} signal_id"), [SignalRow.id.desc()])

_DESCRIPTION_COLUMNS = _columns(DescriptionEntityRow, f"{_ENTITY} resource_type short_description link")


def description(entity: str) -> Entity:
    """Return the schema of the descriptions of tasks, workflows or launch plans."""
    return Entity(entity, _DESCRIPTION_COLUMNS, [DescriptionEntityRow.id.desc()])
