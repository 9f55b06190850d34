"""Record executions that wait for a place of their launch plan."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "waiting_executions",
        sa.Column("execution_project", sa.String(255), nullable=False),
        sa.Column("execution_domain", sa.String(255), nullable=False),
        sa.Column("execution_name", sa.String(255), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("plan_project", sa.String(255), nullable=False),
        sa.Column("plan_domain", sa.String(255), nullable=False),
        sa.Column("plan_name", sa.String(255), nullable=False),
        sa.Column("scheduled", sa.Boolean(), nullable=False),
        sa.Column("places", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("above", sa.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("execution_project", "execution_domain", "execution_name"),
        sa.UniqueConstraint("id", name=op.f("uq_waiting_executions_id")),
    )
    op.create_index(
        "ix_waiting_executions_queue",
        "waiting_executions",
        ["plan_project", "plan_domain", "plan_name", "scheduled", "priority", "id"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_table("waiting_executions")
