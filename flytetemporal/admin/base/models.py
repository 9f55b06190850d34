"""All tables of admin, in one file: keys and indexes are read together.

Column names are those of Flyte's own database, because clients name them in filters and sort keys. What lists and
filters need is a column; the message that clients read is stored whole, as bytes. ``id`` is a row number: it orders
unsorted lists (newest first) and joins executions with what they run.
"""

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Identity, Index, Integer, Interval, LargeBinary, String, Text, false, func
from sqlalchemy.orm import Mapped, mapped_column

from flytetemporal.db.orm import Base

NAME = String(255)


class ProjectRow(Base):
    """A project; ``labels`` is a serialized ``admin.Labels``."""

    __tablename__ = "projects"
    identifier: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    deleted_at: Mapped[datetime | None]
    name: Mapped[str]
    description: Mapped[str] = mapped_column(String(300), default="")
    labels: Mapped[bytes | None]
    # Project.ProjectState
    state: Mapped[int] = mapped_column(Integer, default=0)


class _Entity:
    """The columns that tasks, workflows and launch plans share."""

    project: Mapped[str] = mapped_column(NAME, primary_key=True)
    domain: Mapped[str] = mapped_column(NAME, primary_key=True)
    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    version: Mapped[str] = mapped_column(NAME, primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    deleted_at: Mapped[datetime | None]
    # idl.digest over the compiled form, "scheme:hex".
    digest: Mapped[str]


class TaskRow(_Entity, Base):
    """A task version; ``closure`` is a serialized ``admin.TaskClosure``."""

    __tablename__ = "tasks"
    closure: Mapped[bytes] = mapped_column(LargeBinary)
    type: Mapped[str]
    short_description: Mapped[str] = mapped_column(Text, default="")


class WorkflowRow(_Entity, Base):
    """A workflow version; its closure lies in the store, ``graph_*`` name what the engine walks."""

    __tablename__ = "workflows"
    # Serialized core.TypedInterface.
    typed_interface: Mapped[bytes] = mapped_column(LargeBinary)
    # URI of the serialized admin.WorkflowClosure.
    remote_closure_identifier: Mapped[str] = mapped_column(Text)
    short_description: Mapped[str] = mapped_column(Text, default="")
    # Serialized contracts ContentReference of the gzipped Graph and of the gzipped TaskTemplates.
    graph: Mapped[bytes] = mapped_column(LargeBinary)
    task_templates: Mapped[bytes] = mapped_column(LargeBinary)


class LaunchPlanRow(_Entity, Base):
    """A launch plan version; ``spec`` and ``closure`` are serialized admin messages."""

    __tablename__ = "launch_plans"
    spec: Mapped[bytes] = mapped_column(LargeBinary)
    closure: Mapped[bytes] = mapped_column(LargeBinary)
    workflow_id: Mapped[int | None] = mapped_column(BigInteger)
    # LaunchPlanState
    state: Mapped[int] = mapped_column(Integer, default=0)
    schedule_type: Mapped[str] = mapped_column(default="NONE")
    launch_condition_type: Mapped[str | None]
    __table_args__ = (
        Index("ix_launch_plans_active", "project", "domain", "name", unique=True, postgresql_where="state = 1"),
    )


class NamedEntityMetadataRow(Base):
    """Description and state of a name, for all its versions."""

    __tablename__ = "named_entity_metadata"
    resource_type: Mapped[int] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    deleted_at: Mapped[datetime | None]
    description: Mapped[str] = mapped_column(String(300), default="")
    # NamedEntityState
    state: Mapped[int] = mapped_column(Integer, default=0)


class DescriptionEntityRow(Base):
    """Documentation of a task or workflow version; ``description`` is a serialized ``admin.DescriptionEntity``."""

    __tablename__ = "description_entities"
    resource_type: Mapped[int] = mapped_column(primary_key=True)
    project: Mapped[str] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    deleted_at: Mapped[datetime | None]
    short_description: Mapped[str] = mapped_column(Text, default="")
    long_description: Mapped[bytes | None]
    link: Mapped[str] = mapped_column(Text, default="")
    description: Mapped[bytes] = mapped_column(LargeBinary)


class MatchableAttributesRow(Base):
    """Matching attributes of one kind at one level; an empty string stands for "not set"."""

    __tablename__ = "matchable_attributes"
    project: Mapped[str] = mapped_column(primary_key=True)
    domain: Mapped[str] = mapped_column(primary_key=True)
    workflow: Mapped[str] = mapped_column(primary_key=True)
    launch_plan: Mapped[str] = mapped_column(primary_key=True)
    # MatchableResource
    resource_type: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    # Serialized admin.MatchingAttributes.
    attributes: Mapped[bytes] = mapped_column(LargeBinary)


class ExecutionRow(Base):
    """An execution; ``spec`` and ``closure`` are serialized admin messages, the columns repeat parts of them."""

    __tablename__ = "executions"
    execution_project: Mapped[str] = mapped_column(primary_key=True)
    execution_domain: Mapped[str] = mapped_column(primary_key=True)
    execution_name: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    deleted_at: Mapped[datetime | None]
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
    duration: Mapped[timedelta | None] = mapped_column(Interval)
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
    # Serialized contracts ExecutionInput: what ExecutionWorkflow is started with, so that a start can be repeated.
    engine_input: Mapped[bytes | None]
    __table_args__ = (
        Index("ix_executions_scope", "execution_project", "execution_domain", "id"),
        # The console sorts by this, whatever the number of executions.
        Index("ix_executions_created", "execution_project", "execution_domain", "created_at", "id"),
    )


class ExecutionTagRow(Base):
    """A tag (empty value) or label of an execution, for filters."""

    __tablename__ = "execution_tags"
    execution_project: Mapped[str] = mapped_column(primary_key=True)
    execution_domain: Mapped[str] = mapped_column(primary_key=True)
    execution_name: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)


class NodeExecutionRow(Base):
    """A node execution; ``closure`` and ``node_execution_metadata`` are serialized admin messages."""

    __tablename__ = "node_executions"
    execution_project: Mapped[str] = mapped_column(primary_key=True)
    execution_domain: Mapped[str] = mapped_column(primary_key=True)
    execution_name: Mapped[str] = mapped_column(primary_key=True)
    node_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    deleted_at: Mapped[datetime | None]
    # Name of NodeExecution.Phase.
    phase: Mapped[str] = mapped_column(default="UNDEFINED")
    input_uri: Mapped[str] = mapped_column(Text, default="")
    closure: Mapped[bytes] = mapped_column(LargeBinary)
    started_at: Mapped[datetime | None]
    node_execution_created_at: Mapped[datetime | None]
    node_execution_updated_at: Mapped[datetime | None]
    duration: Mapped[timedelta | None] = mapped_column(Interval)
    node_execution_metadata: Mapped[bytes] = mapped_column(LargeBinary)
    # Node id of the parent node execution; empty at top level. Clients see the parent through lists only.
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
    )


class TaskExecutionRow(Base):
    """A task execution: one attempt; ``closure`` is a serialized ``admin.TaskExecutionClosure``."""

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
    id: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    deleted_at: Mapped[datetime | None]
    # Name of TaskExecution.Phase.
    phase: Mapped[str] = mapped_column(default="UNDEFINED")
    phase_version: Mapped[int] = mapped_column(Integer, default=0)
    input_uri: Mapped[str] = mapped_column(Text, default="")
    closure: Mapped[bytes] = mapped_column(LargeBinary)
    started_at: Mapped[datetime | None]
    task_execution_created_at: Mapped[datetime | None]
    task_execution_updated_at: Mapped[datetime | None]
    duration: Mapped[timedelta | None] = mapped_column(Interval)


class SignalRow(Base):
    """A signal of a gate node; ``type`` and ``value`` are serialized core messages."""

    __tablename__ = "signals"
    execution_project: Mapped[str] = mapped_column(primary_key=True)
    execution_domain: Mapped[str] = mapped_column(primary_key=True)
    execution_name: Mapped[str] = mapped_column(primary_key=True)
    signal_id: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    deleted_at: Mapped[datetime | None]
    type: Mapped[bytes] = mapped_column(LargeBinary)
    value: Mapped[bytes | None]
    # The value was set, and the engine may not know.
    undelivered: Mapped[bool] = mapped_column(server_default=false(), default=False)
    __table_args__ = (Index("ix_signals_undelivered", "updated_at", postgresql_where="undelivered"),)
