"""Every table of admin."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "description_entities",
        sa.Column("resource_type", sa.Integer(), nullable=False),
        sa.Column("project", sa.String(length=255), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("version", sa.String(length=255), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("short_description", sa.Text(), nullable=False),
        sa.Column("long_description", sa.LargeBinary(), nullable=True),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("description", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "resource_type", "project", "domain", "name", "version", name=op.f("description_entities_pkey")
        ),
        sa.UniqueConstraint("id", name=op.f("uq_description_entities_id")),
    )
    op.create_table(
        "execution_tags",
        sa.Column("execution_project", sa.String(length=255), nullable=False),
        sa.Column("execution_domain", sa.String(length=255), nullable=False),
        sa.Column("execution_name", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint(
            "execution_project", "execution_domain", "execution_name", "key", "value", name=op.f("execution_tags_pkey")
        ),
    )
    op.create_table(
        "executions",
        sa.Column("execution_project", sa.String(length=255), nullable=False),
        sa.Column("execution_domain", sa.String(length=255), nullable=False),
        sa.Column("execution_name", sa.String(length=255), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("launch_plan_id", sa.BigInteger(), nullable=False),
        sa.Column("workflow_id", sa.BigInteger(), nullable=False),
        sa.Column("task_id", sa.BigInteger(), nullable=False),
        sa.Column("phase", sa.String(length=255), nullable=False),
        sa.Column("closure", sa.LargeBinary(), nullable=False),
        sa.Column("spec", sa.LargeBinary(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("execution_created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("execution_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration", sa.Interval(), nullable=True),
        sa.Column("abort_cause", sa.Text(), nullable=False),
        sa.Column("mode", sa.Integer(), nullable=False),
        sa.Column("source_execution_id", sa.BigInteger(), nullable=False),
        sa.Column("parent_node_execution_id", sa.BigInteger(), nullable=False),
        sa.Column("cluster", sa.String(length=255), nullable=False),
        sa.Column("inputs_uri", sa.Text(), nullable=False),
        sa.Column("user_inputs_uri", sa.Text(), nullable=False),
        sa.Column("error_kind", sa.String(length=255), nullable=True),
        sa.Column("error_code", sa.String(length=255), nullable=True),
        sa.Column("user", sa.String(length=255), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("launch_entity", sa.String(length=255), nullable=False),
        sa.Column("engine_input", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint(
            "execution_project", "execution_domain", "execution_name", name=op.f("executions_pkey")
        ),
        sa.UniqueConstraint("id", name=op.f("uq_executions_id")),
    )
    op.create_index(
        "ix_executions_created",
        "executions",
        ["execution_project", "execution_domain", "created_at", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_executions_execution_created_at"), "executions", ["execution_created_at"], unique=False)
    op.create_index(op.f("ix_executions_launch_plan_id"), "executions", ["launch_plan_id"], unique=False)
    op.create_index(
        op.f("ix_executions_parent_node_execution_id"), "executions", ["parent_node_execution_id"], unique=False
    )
    op.create_index(op.f("ix_executions_phase"), "executions", ["phase"], unique=False)
    op.create_index("ix_executions_scope", "executions", ["execution_project", "execution_domain", "id"], unique=False)
    op.create_index(op.f("ix_executions_task_id"), "executions", ["task_id"], unique=False)
    op.create_index(op.f("ix_executions_workflow_id"), "executions", ["workflow_id"], unique=False)
    op.create_table(
        "launch_plans",
        sa.Column("spec", sa.LargeBinary(), nullable=False),
        sa.Column("closure", sa.LargeBinary(), nullable=False),
        sa.Column("workflow_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("schedule_type", sa.String(length=255), nullable=False),
        sa.Column("launch_condition_type", sa.String(length=255), nullable=True),
        sa.Column("project", sa.String(length=255), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("version", sa.String(length=255), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("digest", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("project", "domain", "name", "version", name=op.f("launch_plans_pkey")),
        sa.UniqueConstraint("id", name=op.f("uq_launch_plans_id")),
    )
    op.create_index(
        "ix_launch_plans_active",
        "launch_plans",
        ["project", "domain", "name"],
        unique=True,
        postgresql_where="state = 1",
    )
    op.create_table(
        "matchable_attributes",
        sa.Column("project", sa.String(length=255), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("workflow", sa.String(length=255), nullable=False),
        sa.Column("launch_plan", sa.String(length=255), nullable=False),
        sa.Column("resource_type", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("attributes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "project", "domain", "workflow", "launch_plan", "resource_type", name=op.f("matchable_attributes_pkey")
        ),
        sa.UniqueConstraint("id", name=op.f("uq_matchable_attributes_id")),
    )
    op.create_table(
        "named_entity_metadata",
        sa.Column("resource_type", sa.Integer(), nullable=False),
        sa.Column("project", sa.String(length=255), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("description", sa.String(length=300), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("resource_type", "project", "domain", "name", name=op.f("named_entity_metadata_pkey")),
        sa.UniqueConstraint("id", name=op.f("uq_named_entity_metadata_id")),
    )
    op.create_table(
        "node_executions",
        sa.Column("execution_project", sa.String(length=255), nullable=False),
        sa.Column("execution_domain", sa.String(length=255), nullable=False),
        sa.Column("execution_name", sa.String(length=255), nullable=False),
        sa.Column("node_id", sa.String(length=255), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("phase", sa.String(length=255), nullable=False),
        sa.Column("input_uri", sa.Text(), nullable=False),
        sa.Column("closure", sa.LargeBinary(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("node_execution_created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("node_execution_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration", sa.Interval(), nullable=True),
        sa.Column("node_execution_metadata", sa.LargeBinary(), nullable=False),
        sa.Column("parent_node_id", sa.String(length=255), nullable=False),
        sa.Column("parent_task_execution", sa.LargeBinary(), nullable=True),
        sa.Column("error_kind", sa.String(length=255), nullable=True),
        sa.Column("error_code", sa.String(length=255), nullable=True),
        sa.Column("cache_status", sa.String(length=255), nullable=True),
        sa.Column("dynamic_workflow_remote_closure_reference", sa.Text(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "execution_project", "execution_domain", "execution_name", "node_id", name=op.f("node_executions_pkey")
        ),
        sa.UniqueConstraint("id", name=op.f("uq_node_executions_id")),
    )
    op.create_index(
        "ix_node_executions_children",
        "node_executions",
        ["execution_project", "execution_domain", "execution_name", "parent_node_id", "id"],
        unique=False,
    )
    op.create_table(
        "projects",
        sa.Column("identifier", sa.String(length=255), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.String(length=300), nullable=False),
        sa.Column("labels", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("identifier", name=op.f("projects_pkey")),
        sa.UniqueConstraint("id", name=op.f("uq_projects_id")),
    )
    op.create_table(
        "signals",
        sa.Column("execution_project", sa.String(length=255), nullable=False),
        sa.Column("execution_domain", sa.String(length=255), nullable=False),
        sa.Column("execution_name", sa.String(length=255), nullable=False),
        sa.Column("signal_id", sa.String(length=255), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("type", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint(
            "execution_project", "execution_domain", "execution_name", "signal_id", name=op.f("signals_pkey")
        ),
        sa.UniqueConstraint("id", name=op.f("uq_signals_id")),
    )
    op.create_table(
        "task_executions",
        sa.Column("execution_project", sa.String(length=255), nullable=False),
        sa.Column("execution_domain", sa.String(length=255), nullable=False),
        sa.Column("execution_name", sa.String(length=255), nullable=False),
        sa.Column("node_id", sa.String(length=255), nullable=False),
        sa.Column("project", sa.String(length=255), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("version", sa.String(length=255), nullable=False),
        sa.Column("retry_attempt", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("phase", sa.String(length=255), nullable=False),
        sa.Column("phase_version", sa.Integer(), nullable=False),
        sa.Column("input_uri", sa.Text(), nullable=False),
        sa.Column("closure", sa.LargeBinary(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("task_execution_created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("task_execution_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("duration", sa.Interval(), nullable=True),
        sa.PrimaryKeyConstraint(
            "execution_project",
            "execution_domain",
            "execution_name",
            "node_id",
            "project",
            "domain",
            "name",
            "version",
            "retry_attempt",
            name=op.f("task_executions_pkey"),
        ),
        sa.UniqueConstraint("id", name=op.f("uq_task_executions_id")),
    )
    op.create_table(
        "tasks",
        sa.Column("closure", sa.LargeBinary(), nullable=False),
        sa.Column("type", sa.String(length=255), nullable=False),
        sa.Column("short_description", sa.Text(), nullable=False),
        sa.Column("project", sa.String(length=255), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("version", sa.String(length=255), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("digest", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("project", "domain", "name", "version", name=op.f("tasks_pkey")),
        sa.UniqueConstraint("id", name=op.f("uq_tasks_id")),
    )
    op.create_table(
        "workflows",
        sa.Column("typed_interface", sa.LargeBinary(), nullable=False),
        sa.Column("remote_closure_identifier", sa.Text(), nullable=False),
        sa.Column("short_description", sa.Text(), nullable=False),
        sa.Column("graph", sa.LargeBinary(), nullable=False),
        sa.Column("task_templates", sa.LargeBinary(), nullable=False),
        sa.Column("project", sa.String(length=255), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("version", sa.String(length=255), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("digest", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("project", "domain", "name", "version", name=op.f("workflows_pkey")),
        sa.UniqueConstraint("id", name=op.f("uq_workflows_id")),
    )
