"""Record triggers of launch plans and their events."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "triggers",
        sa.Column("project", sa.String(255), nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("launch_plan", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("version", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(255), nullable=False),
        sa.Column("source_project", sa.String(255), nullable=False),
        sa.Column("source_domain", sa.String(255), nullable=False),
        sa.Column("source_name", sa.String(255), nullable=False),
        sa.Column("declaration", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("active_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_execution", sa.String(255), server_default=sa.text("''"), nullable=False),
        sa.Column("last_error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("last_error_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("project", "domain", "launch_plan", "name"),
        sa.UniqueConstraint("id", name=op.f("uq_triggers_id")),
    )
    op.create_index(
        "ix_triggers_source",
        "triggers",
        ["source_project", "source_domain", "source_name"],
        unique=False,
        postgresql_where=sa.text("is_active AND kind = 'success'"),
    )
    op.create_table(
        "trigger_events",
        sa.Column("project", sa.String(255), nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("execution_name", sa.String(255), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("trigger_id", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", sa.LargeBinary(), server_default=sa.text("''"), nullable=False),
        sa.Column("state", sa.String(255), server_default=sa.text("'PENDING'"), nullable=False),
        sa.Column("message", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("project", "domain", "execution_name"),
        sa.UniqueConstraint("id", name=op.f("uq_trigger_events_id")),
    )
    op.create_index(
        "ix_trigger_events_pending",
        "trigger_events",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("state = 'PENDING'"),
    )
    op.create_index("ix_trigger_events_trigger", "trigger_events", ["trigger_id", "id"], unique=False)
    op.create_index("ix_trigger_events_created", "trigger_events", ["created_at"], unique=False)


def downgrade() -> None:
    op.drop_table("trigger_events")
    op.drop_table("triggers")
