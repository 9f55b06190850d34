"""Record artifacts: named outputs that runs have produced."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "artifacts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project", sa.String(255), nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("partitions", postgresql.JSONB(), nullable=False),
        sa.Column("granularity", sa.Integer(), nullable=False),
        sa.Column("time_partition", sa.DateTime(timezone=True), nullable=True),
        sa.Column("execution_project", sa.String(255), nullable=False),
        sa.Column("execution_domain", sa.String(255), nullable=False),
        sa.Column("execution_name", sa.String(255), nullable=False),
        sa.Column("artifact", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("project", "domain", "name", "version"),
        sa.UniqueConstraint("id", name=op.f("uq_artifacts_id")),
    )
    op.create_index("ix_artifacts_latest", "artifacts", ["project", "domain", "name", "id"], unique=False)
    op.create_index(
        "ix_artifacts_execution",
        "artifacts",
        ["execution_project", "execution_domain", "execution_name"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_table("artifacts")
