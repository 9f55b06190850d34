"""Record backfills and their times."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_COUNTS = ("total", "pending", "running", "succeeded", "failed", "skipped", "cancelled")


def upgrade() -> None:
    op.create_table(
        "backfills",
        sa.Column("project", sa.String(255), nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("launch_plan_name", sa.String(255), nullable=False),
        sa.Column("launch_plan_version", sa.String(255), nullable=False),
        sa.Column("start_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("parallel", sa.Integer(), nullable=False),
        sa.Column("newest_first", sa.Boolean(), nullable=False),
        sa.Column("failed_only", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(255), nullable=False),
        sa.Column("abort_running", sa.Boolean(), nullable=False),
        sa.Column("waits_for", sa.Text(), nullable=False),
        sa.Column("started_by", sa.String(255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        *(sa.Column(count, sa.Integer(), nullable=False) for count in _COUNTS),
        sa.PrimaryKeyConstraint("project", "domain", "name"),
        sa.UniqueConstraint("id", name=op.f("uq_backfills_id")),
    )
    op.create_index("ix_backfills_scope", "backfills", ["project", "domain", "id"])
    op.create_index("ix_backfills_digest", "backfills", ["project", "domain", "digest"])
    op.create_index("ix_backfills_open", "backfills", ["id"], postgresql_where=sa.text("ended_at IS NULL"))
    op.create_table(
        "backfill_runs",
        sa.Column("backfill_id", sa.BigInteger(), nullable=False),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(255), nullable=False),
        sa.Column("execution_name", sa.String(255), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("backfill_id", "scheduled_at"),
    )
    op.create_index("ix_backfill_runs_state", "backfill_runs", ["backfill_id", "state", "scheduled_at"])


def downgrade() -> None:
    op.drop_table("backfill_runs")
    op.drop_table("backfills")
