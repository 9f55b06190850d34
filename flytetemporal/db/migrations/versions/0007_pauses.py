"""Record pauses."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pauses",
        sa.Column("kind", sa.String(255), nullable=False),
        sa.Column("project", sa.String(255), nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("node_id", sa.String(255), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("stop_running", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("paused_by", sa.String(255), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undelivered", sa.Boolean(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("kind", "project", "domain", "name", "node_id"),
        sa.UniqueConstraint("revision", name=op.f("uq_pauses_revision")),
    )
    op.create_index(
        "ix_pauses_active", "pauses", ["project", "domain", "name"], unique=False, postgresql_where=sa.text("is_active")
    )
    op.create_index(
        "ix_pauses_undelivered", "pauses", ["updated_at"], unique=False, postgresql_where=sa.text("undelivered")
    )
    op.add_column(
        "executions", sa.Column("pause_revision", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("executions", "pause_revision")
    op.drop_table("pauses")
