"""The tables of admin, in one module, so that keys and indexes can be read together; the outbox is in ``outbox_rows``.

Column names are those of Flyte's own database, because clients name them in filters and sort keys. A value that lists
or filters need has a column; the message that clients read is stored whole, as bytes. ``id`` is a row number: it
is the default order of most lists, newest first, and executions refer by it to what they run.
"""

from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    String,
    Text,
    bindparam,
    false,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.orm.util import AliasedClass

from flytetemporal.db.orm import Base

NAME = String(255)
# Names of the phases of WorkflowExecution in which an execution has ended.
TERMINAL = ("SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT")
_OPEN = f"phase NOT IN ({', '.join(repr(phase) for phase in TERMINAL)})"


class _NumberedRow:
    """The columns of all tables but those of tags. ``id`` is not the key."""

    id: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class _DeletableRow(_NumberedRow):
    """As in Flyte, filters may name ``deleted_at``. It is empty, but for projects that are being deleted."""

    deleted_at: Mapped[datetime | None]


class ProjectRow(_DeletableRow, Base):
    """A project; ``labels`` is a serialized ``admin.Labels``."""

    __tablename__ = "projects"
    identifier: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    description: Mapped[str] = mapped_column(String(300), default="")
    labels: Mapped[bytes | None]
    # Project.ProjectState
    state: Mapped[int] = mapped_column(Integer, default=0)


class _EntityRow(_DeletableRow):
    """The columns that tasks, workflows and launch plans share."""

    project: Mapped[str] = mapped_column(NAME, primary_key=True)
    domain: Mapped[str] = mapped_column(NAME, primary_key=True)
    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    version: Mapped[str] = mapped_column(NAME, primary_key=True)
    # idl.digest over the compiled form, "scheme:hex".
    digest: Mapped[str]


class TaskRow(_EntityRow, Base):
    """A task version; ``closure`` is a serialized ``admin.TaskClosure``."""

    __tablename__ = "tasks"
    closure: Mapped[bytes] = mapped_column(LargeBinary)
    type: Mapped[str]
    short_description: Mapped[str] = mapped_column(Text, default="")


class WorkflowRow(_EntityRow, Base):
    """A workflow version. Its closure, graph and task templates are in the object store."""

    __tablename__ = "workflows"
    # Serialized core.TypedInterface.
    typed_interface: Mapped[bytes] = mapped_column(LargeBinary)
    # URI of the serialized admin.WorkflowClosure.
    remote_closure_identifier: Mapped[str] = mapped_column(Text)
    short_description: Mapped[str] = mapped_column(Text, default="")
    # Serialized contracts ContentReference of the gzipped Graph and of the gzipped TaskTemplates.
    graph: Mapped[bytes] = mapped_column(LargeBinary)
    task_templates: Mapped[bytes] = mapped_column(LargeBinary)


class LaunchPlanRow(_EntityRow, Base):
    """A launch plan version; ``spec`` and ``closure`` are serialized admin messages."""

    __tablename__ = "launch_plans"
    spec: Mapped[bytes] = mapped_column(LargeBinary)
    closure: Mapped[bytes] = mapped_column(LargeBinary)
    workflow_id: Mapped[int | None] = mapped_column(BigInteger)
    # LaunchPlanState
    state: Mapped[int] = mapped_column(Integer, default=0)
    schedule_type: Mapped[str] = mapped_column(default="NONE")
    launch_condition_type: Mapped[str | None]
    # One active version per name, whatever the order of concurrent activations.
    __table_args__ = (
        Index("ix_launch_plans_active", "project", "domain", "name", unique=True, postgresql_where="state = 1"),
    )


class NamedEntityMetadataRow(_DeletableRow, Base):
    """The description and state of a name; they hold for all its versions."""

    __tablename__ = "named_entity_metadata"
    resource_type: Mapped[int] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    description: Mapped[str] = mapped_column(String(300), default="")
    # NamedEntityState
    state: Mapped[int] = mapped_column(Integer, default=0)


class DescriptionEntityRow(_DeletableRow, Base):
    """The documentation of a task or workflow version; ``description`` is a serialized ``admin.DescriptionEntity``."""

    __tablename__ = "description_entities"
    resource_type: Mapped[int] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    short_description: Mapped[str] = mapped_column(Text, default="")
    long_description: Mapped[bytes | None]
    link: Mapped[str] = mapped_column(Text, default="")
    description: Mapped[bytes] = mapped_column(LargeBinary)


class MatchableAttributesRow(_NumberedRow, Base):
    """Matching attributes of one kind at one level; an empty string stands for "not set"."""

    __tablename__ = "matchable_attributes"
    project: Mapped[str] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(primary_key=True)
    workflow: Mapped[str] = mapped_column(primary_key=True)
    launch_plan: Mapped[str] = mapped_column(primary_key=True)
    # MatchableResource
    resource_type: Mapped[int] = mapped_column(primary_key=True)
    # Serialized admin.MatchingAttributes.
    attributes: Mapped[bytes] = mapped_column(LargeBinary)


class ExecutionRow(_DeletableRow, Base):
    """An execution; ``spec`` and ``closure`` are serialized admin messages, and columns repeat parts of them."""

    __tablename__ = "executions"
    execution_project: Mapped[str] = mapped_column(primary_key=True)
    execution_domain: Mapped[str] = mapped_column(primary_key=True)
    execution_name: Mapped[str] = mapped_column(primary_key=True)
    launch_plan_id: Mapped[int] = mapped_column(BigInteger, default=0, index=True)
    workflow_id: Mapped[int] = mapped_column(BigInteger, default=0, index=True)
    task_id: Mapped[int] = mapped_column(BigInteger, default=0, index=True)
    # Name of WorkflowExecution.Phase.
    phase: Mapped[str] = mapped_column(default="UNDEFINED", index=True)
    closure: Mapped[bytes] = mapped_column(LargeBinary)
    spec: Mapped[bytes] = mapped_column(LargeBinary)
    started_at: Mapped[datetime | None]
    execution_created_at: Mapped[datetime | None] = mapped_column(index=True)
    execution_updated_at: Mapped[datetime | None]
    duration: Mapped[timedelta | None] = mapped_column(Interval, default=timedelta)
    abort_cause: Mapped[str] = mapped_column(Text, default="")
    # ExecutionMetadata.ExecutionMode
    mode: Mapped[int] = mapped_column(Integer, default=0)
    source_execution_id: Mapped[int] = mapped_column(BigInteger, default=0)
    parent_node_execution_id: Mapped[int] = mapped_column(BigInteger, default=0, index=True)
    cluster: Mapped[str] = mapped_column(default="")
    inputs_uri: Mapped[str] = mapped_column(Text, default="")
    user_inputs_uri: Mapped[str] = mapped_column(Text, default="")
    error_kind: Mapped[str | None]
    error_code: Mapped[str | None]
    user: Mapped[str] = mapped_column(default="")
    # ExecutionState
    state: Mapped[int] = mapped_column(Integer, default=0)
    launch_entity: Mapped[str] = mapped_column(default="")
    # Serialized contracts ExecutionInput, the start argument of ExecutionWorkflow. It is written before the workflow is
    # started, so that the sweeper can repeat the start.
    engine_input: Mapped[bytes | None]
    # The revision of the pauses that the workflow has at least; 0: none were delivered.
    pause_revision: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), default=0)
    # Serialized contracts Webhooks, which are called at the end. The emails are in the closure.
    webhooks: Mapped[bytes | None]
    __table_args__ = (
        Index("ix_executions_scope", "execution_project", "execution_domain", "id"),
        # The console sorts by created_at, also if a project has millions of executions.
        Index("ix_executions_created", "execution_project", "execution_domain", "created_at", "id"),
        Index("ix_executions_user", "execution_project", "execution_domain", "user", "id"),
        Index("ix_executions_started", "execution_project", "execution_domain", "started_at", "id"),
        Index("ix_executions_duration", "execution_project", "execution_domain", "duration", "id"),
        # The sweeper reads open executions every ten seconds. They are few, however many have ended.
        Index("ix_executions_open", "id", postgresql_where=_OPEN),
        # For removals: what is below an execution, or was made from it.
        Index("ix_executions_source", "source_execution_id", postgresql_where="source_execution_id <> 0"),
        Index("ix_executions_open_children", "source_execution_id", postgresql_where=_OPEN),
    )


def is_open(row: type[ExecutionRow] | AliasedClass[ExecutionRow], *, or_aborting: bool = True) -> ColumnElement[bool]:
    """Return the condition that an execution has not ended, in the form that its indexes have.

    ``or_aborting``: executions that are being aborted count as open.
    """
    phases = TERMINAL if or_aborting else (*TERMINAL, "ABORTING")
    # As literals: with parameters, Postgres could not know that a partial index has all the rows.
    return row.phase.not_in(bindparam("phases", phases, expanding=True, literal_execute=True, unique=True))


class ExecutionForkRow(_NumberedRow, Base):
    """An execution that is a fork; ``record`` is a serialized contracts ``Fork``."""

    __tablename__ = "execution_forks"
    execution_project: Mapped[str] = mapped_column(primary_key=True)
    execution_domain: Mapped[str] = mapped_column(primary_key=True)
    execution_name: Mapped[str] = mapped_column(primary_key=True)
    source_project: Mapped[str]
    source_domain: Mapped[str]
    source_name: Mapped[str]
    record: Mapped[bytes] = mapped_column(LargeBinary)
    __table_args__ = (Index("ix_execution_forks_source", "source_project", "source_domain", "source_name", "id"),)


class OperatorActionRow(Base):
    """What an operator did: who, when, and what to which target."""

    __tablename__ = "operator_actions"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    operator: Mapped[str] = mapped_column(NAME)
    # A verb, such as "retry".
    action: Mapped[str] = mapped_column(NAME)
    project: Mapped[str] = mapped_column(NAME)
    # Domain, name and node are empty if the target has none.
    domain: Mapped[str] = mapped_column(NAME)
    name: Mapped[str] = mapped_column(NAME)
    node_id: Mapped[str]
    # A JSON object with the parameters of the action.
    details: Mapped[str] = mapped_column(Text)
    __table_args__ = (Index("ix_operator_actions_target", "project", "domain", "name", "id"),)


class ExecutionTagRow(Base):
    """A label of an execution, or a tag, whose value is empty; for filters."""

    __tablename__ = "execution_tags"
    execution_project: Mapped[str] = mapped_column(primary_key=True)
    execution_domain: Mapped[str] = mapped_column(primary_key=True)
    execution_name: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    __table_args__ = (
        Index("ix_execution_tags_value", "execution_project", "execution_domain", "key", "value", "execution_name"),
    )


class NodeExecutionRow(_DeletableRow, Base):
    """A node execution; ``closure`` and ``node_execution_metadata`` are serialized admin messages."""

    __tablename__ = "node_executions"
    execution_project: Mapped[str] = mapped_column(primary_key=True)
    execution_domain: Mapped[str] = mapped_column(primary_key=True)
    execution_name: Mapped[str] = mapped_column(primary_key=True)
    node_id: Mapped[str] = mapped_column(primary_key=True)
    # Name of NodeExecution.Phase.
    phase: Mapped[str] = mapped_column(default="UNDEFINED")
    input_uri: Mapped[str] = mapped_column(Text, default="")
    closure: Mapped[bytes] = mapped_column(LargeBinary)
    started_at: Mapped[datetime | None]
    node_execution_created_at: Mapped[datetime | None]
    node_execution_updated_at: Mapped[datetime | None]
    duration: Mapped[timedelta | None] = mapped_column(Interval, default=timedelta)
    node_execution_metadata: Mapped[bytes] = mapped_column(LargeBinary)
    # Node id of the parent node execution; empty at the top level. Clients see the parent only by listing its children.
    parent_node_id: Mapped[str] = mapped_column(default="")
    # Serialized core.TaskExecutionIdentifier of the parent task execution.
    parent_task_execution: Mapped[bytes | None]
    error_kind: Mapped[str | None]
    error_code: Mapped[str | None]
    cache_status: Mapped[str | None]
    # URI of the compiled closure of a dynamic node.
    dynamic_workflow_remote_closure_reference: Mapped[str] = mapped_column(Text, default="")
    event_version: Mapped[int] = mapped_column(Integer, default=0)
    __table_args__ = (
        Index(
            "ix_node_executions_children",
            "execution_project",
            "execution_domain",
            "execution_name",
            "parent_node_id",
            "id",
        ),
        # The id of a task execution names its execution, too.
        Index(
            "ix_node_executions_parent_task",
            "parent_task_execution",
            postgresql_where="parent_task_execution IS NOT NULL",
        ),
    )


class TaskExecutionRow(_DeletableRow, Base):
    """One attempt of a task; ``closure`` is a serialized ``admin.TaskExecutionClosure``."""

    __tablename__ = "task_executions"
    execution_project: Mapped[str] = mapped_column(primary_key=True)
    execution_domain: Mapped[str] = mapped_column(primary_key=True)
    execution_name: Mapped[str] = mapped_column(primary_key=True)
    node_id: Mapped[str] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    retry_attempt: Mapped[int] = mapped_column(primary_key=True)
    # Name of TaskExecution.Phase.
    phase: Mapped[str] = mapped_column(default="UNDEFINED")
    phase_version: Mapped[int] = mapped_column(Integer, default=0)
    input_uri: Mapped[str] = mapped_column(Text, default="")
    closure: Mapped[bytes] = mapped_column(LargeBinary)
    started_at: Mapped[datetime | None]
    task_execution_created_at: Mapped[datetime | None]
    task_execution_updated_at: Mapped[datetime | None]
    duration: Mapped[timedelta | None] = mapped_column(Interval, default=timedelta)


class SignalRow(_DeletableRow, Base):
    """A signal of a gate node; ``type`` and ``value`` are serialized core messages."""

    __tablename__ = "signals"
    execution_project: Mapped[str] = mapped_column(primary_key=True)
    execution_domain: Mapped[str] = mapped_column(primary_key=True)
    execution_name: Mapped[str] = mapped_column(primary_key=True)
    signal_id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[bytes] = mapped_column(LargeBinary)
    value: Mapped[bytes | None]
    # The value is set, and its delivery to the workflow is not confirmed. The sweeper delivers it.
    undelivered: Mapped[bool] = mapped_column(server_default=false(), default=False)
    __table_args__ = (Index("ix_signals_undelivered", "updated_at", postgresql_where="undelivered"),)


class PauseRow(Base):
    """A pause, or one that has ended: the row stays, so that revisions only grow.

    The key is that of a ``PauseTarget``; a part that its kind does not have is empty.
    """

    __tablename__ = "pauses"
    # Name of PauseTarget.Kind.
    kind: Mapped[str] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(NAME, primary_key=True)
    domain: Mapped[str] = mapped_column(NAME, primary_key=True)
    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    node_id: Mapped[str] = mapped_column(primary_key=True)
    # Every change of any pause has its own, higher than all before it.
    revision: Mapped[int] = mapped_column(BigInteger, unique=True)
    is_active: Mapped[bool]
    stop_running: Mapped[bool]
    reason: Mapped[str] = mapped_column(Text)
    paused_by: Mapped[str] = mapped_column(NAME)
    paused_at: Mapped[datetime]
    # Not all executions that the change concerns are known to have it. The sweeper delivers it.
    undelivered: Mapped[bool]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    __table_args__ = (
        Index("ix_pauses_active", "project", "domain", "name", postgresql_where="is_active"),
        Index("ix_pauses_undelivered", "updated_at", postgresql_where="undelivered"),
    )
