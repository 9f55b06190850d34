"""The records of forks."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "execution_forks",
        sa.Column("execution_project", sa.String(length=255), nullable=False),
        sa.Column("execution_domain", sa.String(length=255), nullable=False),
        sa.Column("execution_name", sa.String(length=255), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("source_project", sa.String(length=255), nullable=False),
        sa.Column("source_domain", sa.String(length=255), nullable=False),
        sa.Column("source_name", sa.String(length=255), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "execution_project", "execution_domain", "execution_name", name=op.f("execution_forks_pkey")
        ),
        sa.UniqueConstraint("id", name=op.f("uq_execution_forks_id")),
    )
    op.create_index(
        "ix_execution_forks_source", "execution_forks", ["source_project", "source_domain", "source_name", "id"]
    )


def downgrade() -> None:
    op.drop_table("execution_forks")
