"""Policies of retention, what was removed, and values that executions use of each other."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_COUNTS = ("nodes", "tasks", "cached_outputs", "histories", "files", "kept_files")


def upgrade() -> None:
    op.create_table(
        "retention_policies",
        sa.Column("project", sa.String(255), nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("max_age", sa.Interval(), nullable=True),
        sa.Column("max_count", sa.BigInteger(), nullable=True),
        sa.Column("updated_by", sa.String(255), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("position", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("project", "domain"),
    )
    op.create_table(
        "removals",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("kind", sa.String(255), nullable=False),
        sa.Column("project", sa.String(255), nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("version", sa.String(255), server_default=sa.text("''"), nullable=False),
        sa.Column("removed_by", sa.String(255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("keeps_values", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        *(sa.Column(name, sa.BigInteger(), server_default=sa.text("0"), nullable=False) for name in _COUNTS),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_removals_scope", "removals", ["project", "domain", "id"], unique=False)
    op.create_index(
        "ix_removals_unfinished",
        "removals",
        ["project", "domain", "name"],
        unique=True,
        postgresql_where=sa.text("finished_at IS NULL AND kind = 'execution'"),
    )
    key = ("source_project", "source_domain", "source_name", "execution_project", "execution_domain", "execution_name")
    op.create_table(
        "value_references",
        *(sa.Column(name, sa.String(255), nullable=False) for name in key),
        sa.PrimaryKeyConstraint(*key),
    )
    op.create_index("ix_value_references_execution", "value_references", list(key[3:]), unique=False)
    op.create_index(
        "ix_executions_source",
        "executions",
        ["source_execution_id"],
        unique=False,
        postgresql_where=sa.text("source_execution_id <> 0"),
    )


def downgrade() -> None:
    op.drop_index("ix_executions_source", table_name="executions")
    op.drop_table("value_references")
    op.drop_table("removals")
    op.drop_table("retention_policies")
